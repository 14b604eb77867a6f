//! A thread-local does not keep a pointer.

use std::cell::RefCell;

use gort_gc::{Gc, with};

thread_local!(static KEPT: RefCell<Vec<Gc<'static, u32>>> = const { RefCell::new(Vec::new()) });

fn main() {
    with(|g| {
        let number = g.alloc(5);
        KEPT.with_borrow_mut(|kept| kept.push(number));
    });
}
