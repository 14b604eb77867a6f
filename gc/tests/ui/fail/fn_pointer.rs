//! A function may take and give gc pointers; its pointer goes into `Static`.

use gort_gc::{Gc, Trace};

#[derive(Trace)]
struct Callback<'g> {
    call: fn(Gc<'g, u32>) -> Gc<'g, u32>,
}

fn main() {}
