//! A field that is opaque in one variant of an enum is checked as well.

use gort_gc::{Gc, Trace};

#[derive(Trace)]
enum Hides<'g> {
    Nothing,
    Something(#[gc(opaque)] Option<Gc<'g, u32>>),
}

fn main() {}
