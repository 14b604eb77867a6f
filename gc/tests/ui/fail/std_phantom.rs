//! `std::marker::PhantomData` is for what is 'static: nobody traces through it.

use gort_gc::{Gc, Trace};

#[derive(Trace)]
struct Holder<'g> {
    cell: std::marker::PhantomData<Gc<'g, u32>>,
}

fn main() {}
