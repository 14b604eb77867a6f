//! The crate must be where the attribute says.

use gort_gc::Trace;

#[derive(Trace)]
#[gc(crate = nowhere)]
struct Leaf;

fn main() {}
