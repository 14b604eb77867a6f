//! A root is no field: a cycle through it would never be collected.

#[path = "../list.rs"]
mod list;

use gort_gc::{Root, Trace};
use list::Node;

#[derive(Trace)]
struct Holder {
    root: Root<Node<'static>>,
}

fn main() {}
