//! A guard stays on its thread.

fn main() {
    let g = gort_gc::pin();
    std::thread::spawn(move || drop(g));
}
