//! A reference into a slice ends with the guard.

use gort_gc::with;

fn main() {
    let text: &str = with(|g| g.alloc_str("text").as_ref());
    println!("{text}");
}
