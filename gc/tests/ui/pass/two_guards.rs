//! Pointers of two guards may mix where both are alive.

#[path = "../list.rs"]
mod list;

use gort_gc::pin;

fn main() {
    let g1 = pin();
    let g2 = pin();
    let a = list::node(&g1, 1);
    let b = list::node(&g2, 2);
    a.next.store(&g1, Some(b));
    b.next.store(&g2, Some(a));
    assert_eq!(a.next.load().unwrap().key, 2);
}
