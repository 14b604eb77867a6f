//! A pointer does not leave the scope of its guard.

#[path = "../list.rs"]
mod list;

fn main() {
    let node;
    {
        let g = gort_gc::pin();
        node = list::node(&g, 1);
    }
    println!("{}", node.key);
}
