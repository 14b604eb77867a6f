//! A lock taken under a short guard is released before that guard ends.

#[path = "../list.rs"]
mod list;

use gort_gc::pin;

fn main() {
    let outer = pin();
    let node = list::node(&outer, 1);
    let mut kids;
    {
        let inner = pin();
        kids = node.kids.lock(&inner);
    }
    kids.clear();
}
