//! A slice may live longer than what its elements borrow.

use gort_gc::with;

fn main() {
    let local = String::from("local");
    with(|g| {
        g.alloc_slice(3, |_| local.as_str());
    });
}
