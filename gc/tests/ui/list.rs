//! Types that several programs here use.
#![allow(dead_code, reason = "no program uses all of them")]

use gort_gc::{Edge, Gc, Guard, Mutex, Trace};

/// Covariant in its brand: no field can be changed.
#[derive(Trace)]
pub struct Tree<'g> {
    pub left: Option<Gc<'g, Tree<'g>>>,
}

/// Invariant in its brand.
#[derive(Trace)]
pub struct Node<'g> {
    pub key: u64,
    pub next: Edge<'g, Node<'g>>,
    pub kids: Mutex<Vec<Gc<'g, Node<'g>>>>,
}

pub fn node<'g>(g: &'g Guard, key: u64) -> Gc<'g, Node<'g>> {
    g.alloc(Node {
        key,
        next: Edge::null(),
        kids: Mutex::new(Vec::new()),
    })
}
