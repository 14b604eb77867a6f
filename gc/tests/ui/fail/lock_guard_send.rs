//! A lock guard stays on its thread, as its pin does.

use gort_gc::{Mutex, pin};

fn main() {
    let g = pin();
    let lock = Mutex::new(5);
    let held = lock.lock(&g);
    std::thread::scope(|scope| {
        scope.spawn(move || drop(held));
    });
}
