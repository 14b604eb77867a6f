//! A sorted list without locks: Harris's, with marker nodes in the place of tagged pointers, as in Java's
//! `ConcurrentSkipListMap`. (T. Harris, *A pragmatic implementation of non-blocking linked-lists*, 2001.)
//!
//! # Removal
//!
//! ```text
//!   a --> b(1) --> c        b is in the list
//!   a --> b(-) --> c        1. its value is null: it is not, though it is still linked
//!   a --> b(-) --> M --> c  2. a marker follows: nothing can be inserted behind it any more
//!   a ------------> c       3. it is unlinked
//! ```
//!
//! Step 1 is the removal; everybody who comes by does the other two. An edge to a marker says that the node before it is
//! dead. A node that has been unlinked still leads to nodes that come after it, so whoever stands on it walks on.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::iter::FusedIterator;

use crate::{Edge, Gc, Guard, Object, Trace};

/// A sorted map that any number of threads read and change, for a few entries.
///
/// All operations walk from the start. A [`SkipMap`](super::SkipMap) is this list with shortcuts.
///
/// # Examples
///
/// ```
/// use gort_gc::collections::List;
/// use gort_gc::with;
///
/// with(|g| {
///     let list = List::new();
///     list.insert(g, 2, "two");
///     list.insert(g, 1, "one");
///     assert!(list.iter().eq([(&1, &"one"), (&2, &"two")]));
///     assert_eq!(list.remove(g, &1), Some(&"one"));
///     assert_eq!(list.get(g, &1), None);
/// });
/// ```
#[derive(Trace)]
pub struct List<'g, K, V> {
    pub(super) first: Edge<'g, Node<'g, K, V>>,
}

#[derive(Trace)]
pub(super) struct Node<'g, K, V> {
    /// A marker has none.
    key: Option<K>,
    /// Null in a marker, and in a node that is removed; never anything else again.
    value: Edge<'g, Value<V>>,
    /// To a marker if the node is removed and nothing can be inserted behind it. Constant in a marker.
    pub(super) next: Edge<'g, Node<'g, K, V>>,
}

/// An object of its own, because it is replaced and removed by a change of one edge.
#[derive(Trace)]
pub(super) struct Value<V> {
    pub(super) value: V,
}

/// Where a key is, or would be.
pub(super) struct Place<'a, 'g, K, V> {
    /// The edge of the node before, or the start.
    edge: &'a Edge<'g, Node<'g, K, V>>,
    /// The node it points to, whose key is not less.
    pub(super) node: Option<Gc<'g, Node<'g, K, V>>>,
    /// The value of that node, if it has the key.
    pub(super) value: Option<Gc<'g, Value<V>>>,
}

/// The node before the start of a search is removed: begin with another.
pub(super) struct Dead;

impl<'g, K: Object<'g>, V: Object<'g>> List<'g, K, V> {
    /// Creates an empty list.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            first: Edge::null(),
        }
    }

    /// Tells whether the list is empty.
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// Visits the entries in the order of their keys.
    ///
    /// An entry that stays in the list meanwhile is visited once; one that is inserted or removed meanwhile may be.
    pub fn iter(&self) -> impl FusedIterator<Item = (&'g K, &'g V)> + use<'g, K, V> {
        entries(self.first.load())
    }
}

impl<'g, K: Object<'g> + Ord, V: Object<'g>> List<'g, K, V> {
    /// Returns the value of `key`.
    ///
    /// This takes the guard because it may unlink what others have removed.
    pub fn get<Q>(&self, g: &'g Guard, key: &Q) -> Option<&'g V>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        let place = self.place(g, |k| k.borrow().cmp(key));
        Some(&place.value?.as_ref().value)
    }

    /// Tells whether there is an entry for `key`.
    pub fn contains_key<Q>(&self, g: &'g Guard, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        self.get(g, key).is_some()
    }

    /// Inserts an entry, and returns the value that was there before.
    pub fn insert(&self, g: &'g Guard, key: K, value: V) -> Option<&'g V> {
        let mut entry = NewEntry::new(g, key, value);
        loop {
            let place = self.place(g, |key| key.cmp(entry.key()));
            if let Some(done) = entry.insert(g, &place) {
                return done.replaced();
            }
        }
    }

    /// Removes the entry of `key`, and returns its value.
    pub fn remove<Q>(&self, g: &'g Guard, key: &Q) -> Option<&'g V>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        loop {
            let place = self.place(g, |k| k.borrow().cmp(key));
            place.value?;
            if let Some(value) = place.remove(g) {
                return Some(value);
            }
        }
    }

    fn place(&self, g: &'g Guard, order: impl FnMut(&K) -> Ordering) -> Place<'_, 'g, K, V> {
        match search(g, &self.first, order) {
            Ok(place) => place,
            Err(Dead) => unreachable!("nothing is before the first node"),
        }
    }
}

/// Walks from `start` to the first entry whose key is not less than the one wanted, and unlinks what is dead on the way.
pub(super) fn search<'a, 'g: 'a, K: Object<'g>, V: Object<'g>>(
    g: &'g Guard,
    start: &'a Edge<'g, Node<'g, K, V>>,
    mut order: impl FnMut(&K) -> Ordering,
) -> Result<Place<'a, 'g, K, V>, Dead> {
    'from_start: loop {
        let mut edge = start;
        loop {
            let Some(node) = edge.load() else {
                let (node, value) = (None, None);
                return Ok(Place { edge, node, value });
            };
            let Some(key) = &node.as_ref().key else {
                // The node we stand on has been removed. If it is the one we began with, we must begin elsewhere.
                if std::ptr::eq(edge, start) {
                    return Err(Dead);
                }
                continue 'from_start;
            };
            let Some(value) = node.value.load() else {
                node.as_ref().unlink(g, edge, node);
                continue;
            };
            let value = match order(key) {
                Ordering::Less => {
                    edge = &node.as_ref().next;
                    continue;
                }
                Ordering::Equal => Some(value),
                Ordering::Greater => None,
            };
            let node = Some(node);
            return Ok(Place { edge, node, value });
        }
    }
}

/// Visits the entries from `node` on.
pub(super) fn entries<'g, K: Object<'g>, V: Object<'g>>(
    mut node: Option<Gc<'g, Node<'g, K, V>>>,
) -> impl FusedIterator<Item = (&'g K, &'g V)> + use<'g, K, V> {
    std::iter::from_fn(move || {
        loop {
            let at = node?.as_ref();
            node = at.next.load();
            // Markers have no key, and dead nodes no value.
            if let (Some(key), Some(value)) = (&at.key, at.value.load()) {
                return Some((key, &value.as_ref().value));
            }
        }
    })
    .fuse()
}

impl<'g, K: Object<'g>, V: Object<'g>> Node<'g, K, V> {
    /// Tells whether the node is removed, or a marker.
    pub(super) fn is_dead(&self) -> bool {
        self.value.load().is_none()
    }

    /// The key of a node that is no marker.
    pub(super) fn key(&self) -> &K {
        self.key.as_ref().expect("a marker is in no index")
    }

    /// Steps 2 and 3 of the removal of this node, `this`, to which `edge` points.
    fn unlink(&self, g: &'g Guard, edge: &Edge<'g, Self>, this: Gc<'g, Self>) {
        let next = loop {
            let next = self.next.load();
            if let Some(marker) = next.filter(|next| next.key.is_none()) {
                break marker.next.load();
            }
            let marker = g.alloc(Node {
                key: None,
                value: Edge::null(),
                next: Edge::new(next),
            });
            if self.next.compare_exchange(g, next, Some(marker)).is_ok() {
                break next;
            }
        };
        // If this fails, somebody else has unlinked it, or the node before it is dead too: the search will see.
        let _ = edge.compare_exchange(g, Some(this), next);
    }
}

impl<'g, K: Object<'g>, V: Object<'g>> Place<'_, 'g, K, V> {
    /// Removes the entry that was found here. Returns `None` if it has been replaced or removed meanwhile.
    pub(super) fn remove(&self, g: &'g Guard) -> Option<&'g V> {
        let (node, value) = (self.node?, self.value?);
        node.value.compare_exchange(g, Some(value), None).ok()?;
        node.as_ref().unlink(g, self.edge, node);
        Some(&value.as_ref().value)
    }
}

/// An entry on its way into a list.
pub(super) struct NewEntry<'g, K, V> {
    node: Gc<'g, Node<'g, K, V>>,
    value: Gc<'g, Value<V>>,
}

/// What has become of a [`NewEntry`].
pub(super) enum Inserted<'g, K, V> {
    /// There is a new node.
    Node(Gc<'g, Node<'g, K, V>>),
    /// A node with the key has a new value in place of this one.
    Replaced(&'g V),
}

impl<'g, K, V> Inserted<'g, K, V> {
    pub(super) fn replaced(self) -> Option<&'g V> {
        match self {
            Inserted::Node(_) => None,
            Inserted::Replaced(value) => Some(value),
        }
    }
}

impl<'g, K: Object<'g>, V: Object<'g>> NewEntry<'g, K, V> {
    pub(super) fn new(g: &'g Guard, key: K, value: V) -> Self {
        let value = g.alloc(Value { value });
        let node = g.alloc(Node {
            key: Some(key),
            value: Edge::new(Some(value)),
            next: Edge::null(),
        });
        Self { node, value }
    }

    pub(super) fn key(&self) -> &'g K {
        self.node.as_ref().key()
    }

    /// Inserts the entry at the place of its key. Returns `None` if the list has changed there meanwhile.
    pub(super) fn insert(
        &mut self,
        g: &'g Guard,
        place: &Place<'_, 'g, K, V>,
    ) -> Option<Inserted<'g, K, V>> {
        if let (Some(there), Some(old)) = (place.node, place.value) {
            there
                .value
                .compare_exchange(g, Some(old), Some(self.value))
                .ok()?;
            return Some(Inserted::Replaced(&old.as_ref().value));
        }
        self.node.next.store(g, place.node);
        place
            .edge
            .compare_exchange(g, place.node, Some(self.node))
            .ok()?;
        Some(Inserted::Node(self.node))
    }
}

impl<'g, K: Object<'g>, V: Object<'g>> Default for List<'g, K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<'g, K: Object<'g> + fmt::Debug, V: Object<'g> + fmt::Debug> fmt::Debug for List<'g, K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}
