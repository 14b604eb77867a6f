//! Objects are dropped on another thread, so they are `Send`.

use std::sync::{Mutex, MutexGuard};

use gort_gc::{Static, pin};

static LOCK: Mutex<u32> = Mutex::new(0);

fn main() {
    let g = pin();
    let guard: MutexGuard<'static, u32> = LOCK.lock().unwrap();
    g.alloc(Static(guard));
}
