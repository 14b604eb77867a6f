//! A reference into an object is bound to the guard too.

use gort_gc::with;

fn main() {
    let root = with(|g| g.alloc(5_u32).root(g));
    let number: &u32 = with(|g| root.get(g).as_ref());
    println!("{number}");
}
