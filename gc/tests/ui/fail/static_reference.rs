//! A leaked reference to a pointer is not 'static.

use gort_gc::{Gc, Static, with};

fn main() {
    with(|g| {
        let number = g.alloc(5_u32);
        let leaked: &'static Gc<'_, u32> = Box::leak(Box::new(number));
        g.alloc(Static(leaked));
    });
}
