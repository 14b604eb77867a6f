//! Nobody knows what a trait object holds, even if it is 'static.

use gort_gc::Trace;

#[derive(Trace)]
struct Callback {
    call: Box<dyn Fn() + Send + Sync>,
}

fn main() {}
