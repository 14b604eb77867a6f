//! A value in the heap borrows nothing.

use gort_gc::Trace;

#[derive(Trace)]
struct Borrows<'g> {
    number: &'g u32,
}

fn main() {}
