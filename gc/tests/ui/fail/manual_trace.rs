//! `Trace` by hand is a promise, so it is unsafe.

use gort_gc::{Trace, Tracer};

struct Leaf;

impl<'g> Trace<'g> for Leaf {
    type At<'h> = Leaf;

    fn trace(&self, _: &mut Tracer<'_>) {}
}

fn main() {}
