//! `std::sync::Arc` shares its contents with those who hold no guard.

use gort_gc::{Gc, Trace};

#[derive(Trace)]
struct Holder<'g> {
    cell: std::sync::Arc<Gc<'g, u32>>,
}

fn main() {}
