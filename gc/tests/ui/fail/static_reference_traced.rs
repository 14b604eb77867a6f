//! A plain reference is traced only if it is 'static, with all that it reaches.

use gort_gc::{Gc, Trace};

#[derive(Trace)]
struct Hides<'g> {
    hidden: &'static Gc<'g, u32>,
}

fn main() {}
