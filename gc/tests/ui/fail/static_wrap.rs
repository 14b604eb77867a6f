//! `Static` hides no pointer from the collector.

use gort_gc::{Gc, Static, Trace};

#[derive(Trace)]
struct Hides<'g> {
    hidden: Static<Gc<'g, u32>>,
}

fn main() {}
