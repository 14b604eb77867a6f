//! A tag makes a pointer good for no longer than it is.

use gort_gc::{Guard, Tagged, TaggedEdge, Trace, pin};

#[derive(Trace)]
struct Node<'g> {
    next: TaggedEdge<'g, Node<'g>>,
}

fn shorter<'g>(_: &'g Guard, node: &Node<'g>) {
    let inner = pin();
    let new = inner.alloc(Node {
        next: TaggedEdge::null(),
    });
    node.next.store(&inner, Tagged::from(new));
}

fn main() {}
