//! Not even if nobody says so.

use gort_gc::{Static, with};

fn main() {
    let root = with(|g| {
        let number = g.alloc(5_u32);
        g.alloc(Static(&*Box::leak(Box::new(number)))).root(g)
    });
    with(|g| println!("{}", ****root.get(g)));
}
