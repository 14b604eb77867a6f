//! An edge is invariant in its brand.

use gort_gc::{Edge, pin};

fn shorten<'long: 'short, 'short>(edge: &'short Edge<'long, u32>) -> &'short Edge<'short, u32> {
    edge
}

fn main() {
    let g = pin();
    shorten(&Edge::new(Some(g.alloc(1))));
}
