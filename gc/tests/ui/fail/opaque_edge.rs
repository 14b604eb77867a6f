//! An opaque field hides no pointer from the collector.

use gort_gc::{Edge, Trace};

#[derive(Trace)]
struct Hides<'g> {
    #[gc(opaque)]
    hidden: Edge<'g, u32>,
}

fn main() {}
