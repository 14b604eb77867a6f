//! `std::sync::OnceLock` knows no write barrier.

use gort_gc::{Gc, Trace};

#[derive(Trace)]
struct Holder<'g> {
    cell: std::sync::OnceLock<Gc<'g, u32>>,
}

fn main() {}
