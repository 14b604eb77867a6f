//! Pinning anew ends all pointers.

#[path = "../list.rs"]
mod list;

fn main() {
    let mut g = gort_gc::pin();
    let node = list::node(&g, 1);
    g.repin();
    println!("{}", node.key);
}
