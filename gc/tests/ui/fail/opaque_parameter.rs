//! An opaque field cannot have the type of a traced parameter.

use gort_gc::Trace;

#[derive(Trace)]
struct Hides<V> {
    #[gc(opaque)]
    hidden: V,
}

fn main() {}
