//! Objects are shared between threads, so they are `Sync`.

use std::cell::Cell;

use gort_gc::{Static, pin};

fn main() {
    let g = pin();
    g.alloc(Static(Cell::new(1)));
}
