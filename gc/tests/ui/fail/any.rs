//! `Any` does not keep a pointer.

use std::any::Any;

use gort_gc::with;

fn main() {
    let kept: Box<dyn Any> = with(|g| Box::new(g.alloc(5_u32)) as Box<dyn Any>);
    drop(kept);
}
