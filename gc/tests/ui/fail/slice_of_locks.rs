//! Elements in a lock of std would change without a barrier.

use std::sync::Mutex;

use gort_gc::with;

fn main() {
    with(|g| {
        g.alloc_slice(3, |n| Mutex::new(g.alloc(n)));
    });
}
