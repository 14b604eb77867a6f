//! Nobody knows what a trait object holds.

use std::sync::Arc;

use gort_gc::Trace;

#[derive(Trace)]
struct Callback<'g> {
    call: Arc<dyn Fn() + Send + Sync + 'g>,
}

fn main() {}
