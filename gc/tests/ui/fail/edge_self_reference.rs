//! An edge in an object does not accept a reference to a value on the stack.

use gort_gc::{Edge, Gc, pin};

fn main() {
    let g = pin();
    let edge: Edge<'_, u32> = Edge::null();
    let number = 5;
    edge.store(&g, Some(Gc::from(&number)));
}
