//! Nobody knows what a raw pointer points to.

use gort_gc::{Gc, Trace};

#[derive(Trace)]
struct Raw<'g> {
    pointer: *const Gc<'g, u32>,
}

fn main() {}
