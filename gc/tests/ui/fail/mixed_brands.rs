//! An edge accepts no pointer whose guard ends first.

#[path = "../list.rs"]
mod list;

use gort_gc::{Edge, pin};

fn main() {
    let outer = pin();
    let edge = Edge::new(Some(list::node(&outer, 1)));
    {
        let inner = pin();
        let node = list::node(&inner, 2);
        edge.store(&inner, Some(node));
    }
    println!("{}", edge.load().unwrap().key);
}
