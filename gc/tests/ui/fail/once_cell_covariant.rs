//! A once-cell is invariant: a longer brand is not forgotten.

use gort_gc::{Gc, OnceCell, pin};

fn shorten<'long: 'short, 'short>(cell: &'short OnceCell<Gc<'long, u32>>) -> &'short OnceCell<Gc<'short, u32>> {
    cell
}

fn main() {
    let g = pin();
    let _ = shorten(&OnceCell::new()).set(&g, g.alloc(1));
}
