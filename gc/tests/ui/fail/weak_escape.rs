//! What a weak pointer is upgraded to is good for the guard, like the weak pointer itself.

use gort_gc::{Gc, Weak, WeakRoot, with};

fn main() {
    let weak: WeakRoot<u32> = with(|g| g.alloc(5_u32).downgrade(g).root(g));
    let kept: Gc<'_, u32> = with(|g| weak.upgrade(g).unwrap());
    println!("{kept}");
    let kept: Weak<'_, u32> = with(|g| g.alloc(5_u32).downgrade(g));
    println!("{kept:?}");
}
