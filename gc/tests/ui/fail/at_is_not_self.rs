//! A function generic over `Trace` does not turn one brand into another.

use gort_gc::Trace;

fn rebrand<'g, T: Trace<'g>>(value: T) -> T::At<'static> {
    value
}

fn main() {
    rebrand(5);
}
