//! A field whose type does not derive `Trace` is refused.

use gort_gc::Trace;

struct Plain {
    number: u32,
}

#[derive(Trace)]
struct Holder {
    plain: Plain,
}

fn main() {
    Plain { number: 1 }.number;
}
