//! An edge is invariant in its target.

use gort_gc::{Edge, Gc, pin};

fn shorten<'a, 'g, 'long: 'g, 'short: 'g>(edge: &'a Edge<'g, Gc<'long, u32>>) -> &'a Edge<'g, Gc<'short, u32>>
where
    'long: 'short,
{
    edge
}

fn main() {
    let g = pin();
    let _ = g.alloc(1);
}
