//! `std::cell::RefCell` knows no write barrier.

use gort_gc::{Gc, Trace};

#[derive(Trace)]
struct Holder<'g> {
    cell: std::cell::RefCell<Gc<'g, u32>>,
}

fn main() {}
