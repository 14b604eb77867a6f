//! A pointer does not leave `with`.

#[path = "../list.rs"]
mod list;

fn main() {
    let node = gort_gc::with(|g| list::node(g, 1));
    println!("{}", node.key);
}
