//! A pointer that is good for less could be put into such an edge.

use gort_gc::{Edge, Gc, TaggedEdge};

fn shorter<'s, 'l: 's>(edge: &'s Edge<'l, [Gc<'l, u8>]>) -> &'s Edge<'s, [Gc<'s, u8>]> {
    edge
}

fn shorter_tagged<'s, 'l: 's>(edge: &'s TaggedEdge<'l, str>) -> &'s TaggedEdge<'s, str> {
    edge
}

fn main() {}
