//! A value with a pointer is never 'static.

#[path = "../list.rs"]
mod list;

use gort_gc::{Edge, Mutex, pin};
use list::Node;

fn leak() -> Node<'static> {
    let g = pin();
    Node {
        key: 1,
        next: Edge::new(Some(list::node(&g, 1))),
        kids: Mutex::new(Vec::new()),
    }
}

fn main() {
    leak();
}
