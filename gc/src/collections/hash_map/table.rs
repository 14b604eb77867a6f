//! Tables: the buckets of a map, and of what they are becoming.

use std::sync::atomic::AtomicUsize;

use super::chain::Link;
use crate::{Edge, Gc, Guard, Object, Trace};

#[derive(Trace)]
pub(super) struct Table<'g, K, V> {
    /// A power of two.
    pub(super) buckets: Box<[Edge<'g, Link<'g, K, V>>]>,
    /// The table that this one grows into. Constant once it is not null.
    pub(super) next: Edge<'g, Table<'g, K, V>>,
    /// Counts the buckets that insertions have undertaken to move. It may go round more than once, so that one who was
    /// suspended does not keep the table from being moved.
    pub(super) claimed: AtomicUsize,
    pub(super) moved: AtomicUsize,
    /// The links without contents, one for all buckets.
    pub(super) empty_link: Gc<'g, Link<'g, K, V>>,
    pub(super) moved_link: Gc<'g, Link<'g, K, V>>,
}

impl<'g, K: Object<'g>, V: Object<'g>> Table<'g, K, V> {
    pub(super) fn new(g: &'g Guard, buckets: usize) -> Gc<'g, Self> {
        g.alloc(Self {
            buckets: (0..buckets).map(|_| Edge::null()).collect(),
            next: Edge::null(),
            claimed: AtomicUsize::new(0),
            moved: AtomicUsize::new(0),
            empty_link: g.alloc(Link::Empty),
            moved_link: g.alloc(Link::Moved),
        })
    }
}

impl<'g, K, V> Table<'g, K, V> {
    pub(super) fn index(&self, hash: u64) -> usize {
        hash as usize & (self.buckets.len() - 1)
    }

    pub(super) fn bucket(&self, hash: u64) -> &Edge<'g, Link<'g, K, V>> {
        &self.buckets[self.index(hash)]
    }

    /// The table that a bucket has moved to.
    pub(super) fn next(&self) -> Gc<'g, Table<'g, K, V>> {
        self.next.load().expect("a bucket moves to the next table")
    }
}
