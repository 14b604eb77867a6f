//! A guard is not shared with another thread.

fn main() {
    let g = gort_gc::pin();
    std::thread::scope(|scope| {
        scope.spawn(|| g.alloc(1));
    });
}
