//! A type whose parameter may hold edges has no destructor either.

use gort_gc::Trace;

#[derive(Trace)]
struct Wrapper<V> {
    value: V,
}

impl<V> Drop for Wrapper<V> {
    fn drop(&mut self) {}
}

fn main() {}
