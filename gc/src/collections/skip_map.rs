//! A sorted map without locks: a [`List`] with an index above it, as in Java's `ConcurrentSkipListMap`.
//!
//! ```text
//! levels[1] ----------------------> c
//! levels[0] ------------> b ------> c ------> e
//! list ----------> a ---> b --> c --> d ----> e
//! ```
//!
//! The list is the map: what is in it is in the map. The index only helps to begin a search near its end, so it may lag
//! behind: an index node may be missing, or belong to a node that is removed, until a search comes by and unlinks it. Two
//! threads that change the index side by side may lose one index node; nobody misses it but the clock.
//!
//! A node gets an index of `n` levels with probability `4^-n`, as in Java: one in three nodes costs an index node.

use std::borrow::Borrow;
use std::cell::Cell;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::iter::FusedIterator;
use std::ops::{Bound, RangeBounds};

use super::list::{Inserted, List, NewEntry, Node, Place, entries, search};
use crate::{Edge, Gc, Guard, Object, Trace};

/// The number of index levels: enough for `4^14` entries.
const LEVELS: usize = 14;

/// A sorted map that any number of threads read and change.
///
/// Look-ups, insertions and removals take O(log n) steps and no lock, and a range is visited in order while others change
/// it.
///
/// # Examples
///
/// ```
/// use gort_gc::collections::SkipMap;
/// use gort_gc::with;
///
/// with(|g| {
///     let map = SkipMap::new();
///     for n in 0..100 {
///         map.insert(g, n, n * n);
///     }
///     assert_eq!(map.get(g, &12), Some(&144));
///     assert!(map.range(g, 3..6).map(|(n, _)| *n).eq(3..6));
///     assert_eq!(map.pop_first(g), Some((&0, &0)));
///     assert_eq!(map.last(g), Some((&99, &9801)));
/// });
/// ```
#[derive(Trace)]
pub struct SkipMap<'g, K, V> {
    list: List<'g, K, V>,
    /// The first index node of each level, the lowest level first.
    levels: [Edge<'g, Index<'g, K, V>>; LEVELS],
}

#[derive(Trace)]
struct Index<'g, K, V> {
    node: Gc<'g, Node<'g, K, V>>,
    /// The index node of the same node in the level below; the lowest level has none.
    down: Option<Gc<'g, Index<'g, K, V>>>,
    /// The next index node of this level.
    right: Edge<'g, Index<'g, K, V>>,
}

/// An edge to an index node, and the index node whose edge it is, if it is not the first of the level.
type Step<'a, 'g, K, V> = (
    Option<Gc<'g, Index<'g, K, V>>>,
    &'a Edge<'g, Index<'g, K, V>>,
);

impl<'g, K: Object<'g>, V: Object<'g>> SkipMap<'g, K, V> {
    /// Creates an empty map.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            list: List::new(),
            levels: [const { Edge::null() }; LEVELS],
        }
    }

    /// Tells whether the map is empty.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Returns the first entry.
    pub fn first(&self) -> Option<(&'g K, &'g V)> {
        self.iter().next()
    }

    /// Visits the entries in the order of their keys.
    ///
    /// An entry that stays in the map meanwhile is visited once; one that is inserted or removed meanwhile may be.
    pub fn iter(&self) -> impl FusedIterator<Item = (&'g K, &'g V)> + use<'g, K, V> {
        self.list.iter()
    }
}

impl<'g, K: Object<'g> + Ord, V: Object<'g>> SkipMap<'g, K, V> {
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
            match entry.insert(g, &place) {
                Some(Inserted::Replaced(old)) => return Some(old),
                Some(Inserted::Node(node)) => {
                    self.add_index(g, node);
                    return None;
                }
                None => {}
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
                // This unlinks its index.
                self.start(g, 0, |k| k.borrow().cmp(key));
                return Some(value);
            }
        }
    }

    /// Removes the first entry, and returns it. This makes the map a priority queue.
    pub fn pop_first(&self, g: &'g Guard) -> Option<(&'g K, &'g V)> {
        loop {
            let (key, _) = self.first()?;
            if let Some(value) = self.remove(g, key) {
                return Some((key, value));
            }
        }
    }

    /// Returns the last entry.
    pub fn last(&self, g: &'g Guard) -> Option<(&'g K, &'g V)> {
        let last = |start: Option<Gc<'g, Index<'g, K, V>>>| match start {
            Some(index) => entries(Some(index.as_ref().node)).last(),
            None => self.iter().last(),
        };
        // The index may lead to an entry that is removed at this moment, with none behind it; then there may be one before.
        last(self.start(g, 0, |_| Ordering::Less).0).or_else(|| last(None))
    }

    /// Visits the entries whose keys are in `range`, in order.
    ///
    /// An entry that stays in the map meanwhile is visited once; one that is inserted or removed meanwhile may be.
    /// A range that ends before it begins is empty.
    pub fn range<Q, R>(
        &self,
        g: &'g Guard,
        range: R,
    ) -> impl FusedIterator<Item = (&'g K, &'g V)> + use<'g, K, V, Q, R>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
        R: RangeBounds<Q>,
    {
        let node = match range.start_bound() {
            Bound::Unbounded => self.list.first.load(),
            Bound::Included(start) => self.place(g, |key| key.borrow().cmp(start)).node,
            // What is equal counts as less.
            Bound::Excluded(start) => {
                self.place(g, |key| key.borrow().cmp(start).then(Ordering::Less))
                    .node
            }
        };
        entries(node)
            .take_while(move |(key, _)| {
                let key: &Q = (*key).borrow();
                match range.end_bound() {
                    Bound::Unbounded => true,
                    Bound::Included(end) => key <= end,
                    Bound::Excluded(end) => key < end,
                }
            })
            .fuse()
    }

    /// Finds the place of a key in the list.
    fn place(&self, g: &'g Guard, mut order: impl FnMut(&K) -> Ordering) -> Place<'_, 'g, K, V> {
        loop {
            let start = match self.start(g, 0, &mut order) {
                (Some(index), _) => &index.as_ref().node.as_ref().next,
                (None, _) => &self.list.first,
            };
            if let Ok(place) = search(g, start, &mut order) {
                return place;
            }
            // The start is dead; the next descent unlinks its index.
        }
    }

    /// Descends to `level`, to the last index node there whose key is less than the one wanted, and unlinks those of removed
    /// nodes on the way.
    fn start(
        &self,
        g: &'g Guard,
        level: usize,
        mut order: impl FnMut(&K) -> Ordering,
    ) -> Step<'_, 'g, K, V> {
        let mut at: Step<'_, 'g, K, V> = (None, &self.levels[LEVELS - 1]);
        for here in (level..LEVELS).rev() {
            if here < LEVELS - 1 {
                at = match at.0.and_then(|index| index.as_ref().down) {
                    Some(down) => (Some(down), &down.as_ref().right),
                    None => (None, &self.levels[here]),
                };
            }
            while let Some(right) = at.1.load() {
                let right_index = right.as_ref();
                if right_index.node.is_dead() {
                    let _ =
                        at.1.compare_exchange(g, Some(right), right_index.right.load());
                } else if order(right_index.node.as_ref().key()) == Ordering::Less {
                    at = (Some(right), &right_index.right);
                } else {
                    break;
                }
            }
        }
        at
    }

    /// Gives a new node an index of random height.
    fn add_index(&self, g: &'g Guard, node: Gc<'g, Node<'g, K, V>>) {
        let height = random_height();
        let mut down = None;
        for level in 0..height {
            let index = g.alloc(Index {
                node,
                down,
                right: Edge::null(),
            });
            down = Some(index);
            loop {
                let (_, edge) = self.start(g, level, |key| key.cmp(node.as_ref().key()));
                let right = edge.load();
                // The new node has its place before the next that is not less.
                if right.is_some_and(|right| right.node.as_ref().key() < node.as_ref().key()) {
                    continue;
                }
                if node.is_dead() {
                    return;
                }
                index.right.store(g, right);
                if edge.compare_exchange(g, right, Some(index)).is_ok() {
                    break;
                }
            }
        }
    }
}

/// Returns a number below `LEVELS`, each number with a quarter of the probability of the one before.
fn random_height() -> usize {
    thread_local! {
        // One of std's random keys, hashed; never 0, which xorshift would not leave.
        static STATE: Cell<u64> = Cell::new(RandomState::new().hash_one(0) | 1);
    }
    let mut x = STATE.get();
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    STATE.set(x);
    (x.leading_zeros() as usize / 2).min(LEVELS)
}

impl<'g, K: Object<'g>, V: Object<'g>> Default for SkipMap<'g, K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<'g, K: Object<'g> + fmt::Debug, V: Object<'g> + fmt::Debug> fmt::Debug for SkipMap<'g, K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.list.fmt(f)
    }
}
