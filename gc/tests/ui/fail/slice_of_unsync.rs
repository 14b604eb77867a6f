//! Any thread may find a slice, and so its elements.

use std::cell::Cell;

use gort_gc::with;

fn main() {
    with(|g| {
        g.alloc_slice(3, Cell::new);
    });
}
