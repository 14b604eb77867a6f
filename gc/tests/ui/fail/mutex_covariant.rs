//! A lock is invariant: a longer brand is not forgotten.

use gort_gc::{Gc, Mutex, pin};

fn shorten<'long: 'short, 'short>(lock: &'short Mutex<Gc<'long, u32>>) -> &'short Mutex<Gc<'short, u32>> {
    lock
}

fn main() {
    let g = pin();
    shorten(&Mutex::new(g.alloc(1)));
}
