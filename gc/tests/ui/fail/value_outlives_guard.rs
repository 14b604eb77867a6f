//! A value on the stack cannot outlive its guard either, to be moved to the heap later.

#[path = "../list.rs"]
mod list;

use gort_gc::pin;
use list::Tree;

fn main() {
    let value;
    {
        let g = pin();
        value = Tree {
            left: Some(g.alloc(Tree { left: None })),
        };
    }
    let g = pin();
    g.alloc(value);
}
