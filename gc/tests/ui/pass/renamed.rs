//! The crate may have another name.

extern crate gort_gc as heap;

mod deeper {
    pub(crate) use heap::*;
}

#[derive(heap::Trace)]
#[gc(crate = heap)]
struct A;

#[derive(heap::Trace)]
#[gc(crate = crate::deeper)]
struct B(#[allow(dead_code, reason = "only traced")] A);

fn main() {
    heap::with(|g| {
        g.alloc(B(A));
    });
}
