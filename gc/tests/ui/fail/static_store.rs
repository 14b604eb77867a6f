//! A static does not keep a pointer.

use std::sync::Mutex;

use gort_gc::{Gc, pin};

static KEPT: Mutex<Option<Gc<'static, u32>>> = Mutex::new(None);

fn main() {
    let g = pin();
    *KEPT.lock().unwrap() = Some(g.alloc(1));
}
