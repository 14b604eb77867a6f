//! An edge has the brand of its type, even if another would outlive it.

use gort_gc::{Edge, Trace};

#[derive(Trace)]
struct Mixed<'g> {
    own: Edge<'g, u32>,
    other: Edge<'static, u32>,
}

fn main() {}
