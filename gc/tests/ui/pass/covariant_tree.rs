//! A type without edges is covariant: old pointers go into new objects.

#[path = "../list.rs"]
mod list;

use gort_gc::pin;
use list::Tree;

fn main() {
    let outer = pin();
    let left = outer.alloc(Tree { left: None });
    {
        let inner = pin();
        let tree = inner.alloc(Tree { left: Some(left) });
        assert!(tree.left.is_some());
    }
}
