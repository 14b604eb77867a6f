//! A crate that forbids unsafe code can derive `Trace`.

#![forbid(unsafe_code)]
#![deny(warnings)]

use gort_gc::{Edge, Gc, Static, Trace};

#[derive(Trace)]
pub struct Node<'g, K: Ord + 'static, V> {
    pub key: Static<K>,
    pub value: V,
    pub next: Edge<'g, Node<'g, K, V>>,
}

#[derive(Trace)]
pub struct Pair<A, B> {
    pub a: A,
    pub b: Option<Box<Pair<A, B>>>,
    pub c: B,
}

/// Holds no pointers, so it may have a destructor.
#[derive(Trace)]
pub struct Closes {
    pub name: String,
}

impl Drop for Closes {
    fn drop(&mut self) {
        self.name.clear();
    }
}

/// The same with a parameter that holds none.
#[derive(Trace)]
pub struct ClosesGeneric<T: Clone + 'static> {
    pub value: Static<T>,
}

impl<T: Clone + 'static> Drop for ClosesGeneric<T> {
    fn drop(&mut self) {
        let _ = self.value.clone();
    }
}

fn main() {
    gort_gc::with(|g| {
        let pair: Gc<'_, Pair<u32, Gc<'_, u32>>> = g.alloc(Pair {
            a: 1,
            b: None,
            c: g.alloc(2),
        });
        assert_eq!(pair.a + *pair.c, 3);
    });
}
