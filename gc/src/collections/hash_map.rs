//! A hash map without locks that grows under its readers.
//!
//! A table is an array of buckets; a bucket is one edge to a chain of links; a link never changes. So the edge alone says
//! what is in the bucket, a change of the bucket is one compare-exchange, and a reader needs one load and sees a bucket that
//! was there as a whole. To remove or replace an entry, the links before it are written anew; chains have one or two.
//!
//! # Growth
//!
//! When the table is full, [`next`](Table::next) gets one with twice as many buckets, and every insertion moves a few
//! buckets over. A bucket goes through these states, each change a compare-exchange:
//!
//! ```text
//! null --> chain <--> chain ... --> Frozen(chain) --> Moved
//!            ^----> Empty
//! ```
//!
//! 1. `Frozen` ends all changes. Readers go on with the chain in it.
//! 2. Whoever meets it splits the chain into the two buckets of the next table, each from null, which only the first of
//!    them can do. A bucket that has had a chain is never null again: when its last entry is removed it is `Empty`. So one
//!    who was late does not bring back what has been removed since.
//! 3. `Moved` sends everybody to the next table. Nobody has changed the two buckets there before.
//!
//! When all buckets are moved, the next table takes the place of the old one. The old one, its links, and the entries that
//! were removed, are the collector's business; that is why this is short.
//!
//! Rejected: split-ordered lists (Shalev and Shavit, 2006), which need no moving, but take a look-up past dummy nodes, and
//! deletion marks; locks per bucket, which a suspended goroutine would hold.

mod chain;
mod table;

use std::borrow::Borrow;
use std::fmt;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::atomic::{AtomicIsize, Ordering};

use crate::{Edge, Gc, Guard, Object, Trace};
use chain::{Chain, Link, links, some_links, without};
use table::Table;

/// The number of buckets to begin with. Thin air, and at least `STRIDE`.
const FIRST: usize = 16;
/// The number of buckets that an insertion moves while the table grows: at least 2, so that moving ends before the next
/// table is full; thin air beyond that.
const STRIDE: usize = 16;
/// The number of counters of entries. Thin air; a power of two.
const STRIPES: usize = 8;

/// A hash map that any number of threads read and change.
///
/// Look-ups take no lock and write nothing. Insertions and removals are lock-free, also while the map grows. See
/// [the module](crate::collections) for an example across threads.
///
/// `K` and `V` may hold gc pointers. An entry that has been returned stays readable for as long as the guard, whatever
/// becomes of it in the map.
///
/// # Examples
///
/// ```
/// use gort_gc::collections::HashMap;
/// use gort_gc::with;
///
/// with(|g| {
///     let map = HashMap::new();
///     assert_eq!(map.insert(g, "one", 1), None);
///     let one = map.get("one").unwrap();
///     assert_eq!(map.insert(g, "one", 11), Some(&1));
///     assert_eq!(map.remove(g, "one"), Some(&11));
///     assert_eq!(*one, 1);
/// });
/// ```
#[derive(Trace)]
pub struct HashMap<'g, K, V, S: 'static = RandomState> {
    /// The table that look-ups begin with; null before the first insertion.
    table: Edge<'g, Table<'g, K, V>>,
    counts: Box<[Count; STRIPES]>,
    #[gc(opaque)]
    hasher: S,
}

/// The entries whose hash ends in one residue, on a cache line of its own. Negative for a moment, when a removal is counted
/// before the insertion.
#[derive(Trace, Default)]
#[repr(align(64))]
struct Count(AtomicIsize);

/// What [`HashMap`] maps, in one object.
#[derive(Trace)]
pub(super) struct Entry<K, V> {
    pub(super) key: K,
    pub(super) value: V,
}

impl<'g, K: Object<'g>, V: Object<'g>> HashMap<'g, K, V> {
    /// Creates an empty map with the hasher of std's.
    #[must_use]
    pub fn new() -> Self {
        Self::with_hasher(RandomState::new())
    }
}

impl<'g, K: Object<'g>, V: Object<'g>, S: Send + Sync + 'static> HashMap<'g, K, V, S> {
    /// Creates an empty map with the given hasher.
    #[must_use]
    pub fn with_hasher(hasher: S) -> Self {
        Self {
            table: Edge::null(),
            counts: Box::default(),
            hasher,
        }
    }

    /// Returns the number of entries.
    ///
    /// While others insert and remove, it is one that is or was near.
    pub fn len(&self) -> usize {
        // Relaxed: a number, not a message.
        let sum: isize = self
            .counts
            .iter()
            .map(|count| count.0.load(Ordering::Relaxed))
            .sum();
        sum.try_into().unwrap_or(0)
    }

    /// Tells whether there are no entries, as [`len`](Self::len) sees it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Visits the entries in no particular order.
    ///
    /// Each entry that stays in the map meanwhile is visited once; one that is inserted, replaced or removed meanwhile may
    /// be seen or not, or as it was.
    pub fn iter(&self) -> impl Iterator<Item = (&'g K, &'g V)> + use<'g, K, V, S> {
        let mut todo: Vec<(Gc<'g, Table<'g, K, V>>, usize)> = Vec::new();
        if let Some(table) = self.table.load() {
            todo.extend((0..table.buckets.len()).rev().map(|index| (table, index)));
        }
        let mut chain = None;
        std::iter::from_fn(move || {
            loop {
                match chain.map(Gc::as_ref) {
                    Some(Link::Pair { entry, next, .. }) => {
                        chain = *next;
                        let Entry { key, value } = entry.as_ref();
                        return Some((key, value));
                    }
                    Some(Link::Frozen(frozen)) => chain = *frozen,
                    // A bucket's place is taken by two of the next table.
                    Some(Link::Moved) => unreachable!("is not put into `chain`"),
                    Some(Link::Empty) | None => {
                        let (table, index) = todo.pop()?;
                        chain = table.as_ref().buckets[index].load();
                        if let Some(Link::Moved) = chain.map(Gc::as_ref) {
                            chain = None;
                            let next = table.as_ref().next();
                            todo.extend([(next, index + table.buckets.len()), (next, index)]);
                        }
                    }
                }
            }
        })
    }
}

impl<'g, K, V, S> HashMap<'g, K, V, S>
where
    K: Object<'g> + Hash + Eq,
    V: Object<'g>,
    S: BuildHasher + Send + Sync + 'static,
{
    /// Returns the value of `key`.
    pub fn get<Q>(&self, key: &Q) -> Option<&'g V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        Some(&self.entry(key)?.as_ref().value)
    }

    /// Tells whether there is an entry for `key`.
    pub fn contains_key<Q>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.entry(key).is_some()
    }

    /// Inserts an entry, and returns the value that was there before.
    pub fn insert(&self, g: &'g Guard, key: K, value: V) -> Option<&'g V> {
        let old = self.insert_entry(g, g.alloc(Entry { key, value }))?;
        Some(&old.as_ref().value)
    }

    /// Returns the value of `key`; inserts the one that `value` returns if there is none.
    ///
    /// If another thread inserts one at the same time, theirs is returned, and the result of `value` is garbage.
    pub fn get_or_insert_with(&self, g: &'g Guard, key: K, value: impl FnOnce() -> V) -> &'g V {
        if let Some(entry) = self.entry(&key) {
            return &entry.as_ref().value;
        }
        let entry = g.alloc(Entry {
            key,
            value: value(),
        });
        &self.get_or_insert_entry(g, entry).as_ref().value
    }

    /// Removes the entry of `key`, and returns its value.
    pub fn remove<Q>(&self, g: &'g Guard, key: &Q) -> Option<&'g V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.remove_if(g, key, |_| true)
    }

    /// Removes the entry of `key` if `condition` holds for its value, and returns the value.
    ///
    /// The value that is removed is the one that was looked at. `condition` is called again if the entry changes meanwhile.
    pub fn remove_if<Q>(
        &self,
        g: &'g Guard,
        key: &Q,
        mut condition: impl FnMut(&V) -> bool,
    ) -> Option<&'g V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let hash = self.hash(key);
        let removed = self.remove_entry(g, hash, |entry| {
            entry.key.borrow() == key && condition(&entry.value)
        });
        Some(&removed?.as_ref().value)
    }

    /// Returns the entry of `key`.
    pub(super) fn entry<Q>(&self, key: &Q) -> Option<Gc<'g, Entry<K, V>>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let hash = self.hash(key);
        let mut table = self.table.load()?;
        loop {
            let chain = table.bucket(hash).load();
            match chain.map(Gc::as_ref) {
                Some(Link::Moved) => table = table.next(),
                _ => {
                    return links(chain)
                        .find(|(h, entry)| *h == hash && entry.key.borrow() == key)
                        .map(second);
                }
            }
        }
    }

    /// Inserts an entry, and returns the one that was there before.
    pub(super) fn insert_entry(
        &self,
        g: &'g Guard,
        entry: Gc<'g, Entry<K, V>>,
    ) -> Option<Gc<'g, Entry<K, V>>> {
        let hash = self.hash(&entry.key);
        let old = self.change(g, hash, |chain| {
            let (old, next) = match without(g, chain, hash, |other| other.key == entry.key) {
                Some((old, rest)) => (Some(old), rest),
                None => (None, some_links(chain)),
            };
            let link = g.alloc(Link::Pair { hash, entry, next });
            Change::To(Some(link), old)
        });
        if old.is_none() {
            self.count_insertion(g, hash);
        }
        old
    }

    /// Returns the entry that has the key of `entry`, after inserting `entry` if there is none.
    fn get_or_insert_entry(&self, g: &'g Guard, entry: Gc<'g, Entry<K, V>>) -> Gc<'g, Entry<K, V>> {
        let hash = self.hash(&entry.key);
        let there = self.change(g, hash, |chain| {
            match links(chain).find(|(h, other)| *h == hash && other.key == entry.key) {
                Some((_, there)) => Change::Nothing(there),
                None => {
                    let next = some_links(chain);
                    Change::To(Some(g.alloc(Link::Pair { hash, entry, next })), entry)
                }
            }
        });
        if Gc::ptr_eq(there, entry) {
            self.count_insertion(g, hash);
        }
        there
    }

    /// Removes the first entry of this hash for which `wanted` holds.
    pub(super) fn remove_entry(
        &self,
        g: &'g Guard,
        hash: u64,
        mut wanted: impl FnMut(&Entry<K, V>) -> bool,
    ) -> Option<Gc<'g, Entry<K, V>>> {
        self.table.load()?;
        let removed = self.change(g, hash, |chain| {
            match without(g, chain, hash, &mut wanted) {
                Some((removed, rest)) => Change::To(rest, Some(removed)),
                None => Change::Nothing(None),
            }
        })?;
        // Relaxed: a number, not a message.
        self.count(hash).fetch_sub(1, Ordering::Relaxed);
        Some(removed)
    }

    /// Returns the hash of `key`, well mixed even if the hasher is not.
    pub(super) fn hash<Q: Hash + ?Sized>(&self, key: &Q) -> u64 {
        let hash = self
            .hasher
            .hash_one(key)
            .wrapping_mul(0x9E37_79B9_7F4A_7C15);
        hash ^ hash >> 32
    }

    /// Replaces the chain of a bucket by what `edit` makes of it, which is called anew when another thread comes first.
    fn change<R>(
        &self,
        g: &'g Guard,
        hash: u64,
        mut edit: impl FnMut(Chain<'g, K, V>) -> Change<'g, K, V, R>,
    ) -> R {
        let mut table = self.first_table(g);
        loop {
            let bucket = table.bucket(hash);
            let chain = bucket.load();
            match chain.map(Gc::as_ref) {
                Some(Link::Moved) => {
                    table = table.next();
                    continue;
                }
                Some(Link::Frozen(_)) => {
                    self.move_bucket(g, table, table.index(hash));
                    continue;
                }
                Some(Link::Pair { .. } | Link::Empty) | None => {}
            }
            match edit(chain) {
                Change::Nothing(result) => return result,
                Change::To(new, result) => {
                    let new = new.unwrap_or(table.empty_link);
                    if bucket.compare_exchange(g, chain, Some(new)).is_ok() {
                        return result;
                    }
                }
            }
        }
    }

    fn first_table(&self, g: &'g Guard) -> Gc<'g, Table<'g, K, V>> {
        if let Some(table) = self.table.load() {
            return table;
        }
        let table = Table::new(g, FIRST);
        match self.table.compare_exchange(g, None, Some(table)) {
            Ok(_) => table,
            Err(theirs) => theirs.expect("there is a table for ever"),
        }
    }

    fn count(&self, hash: u64) -> &AtomicIsize {
        &self.counts[hash as usize % STRIPES].0
    }

    /// Counts a new entry, and sees to the growth of the table.
    fn count_insertion(&self, g: &'g Guard, hash: u64) {
        // Relaxed: a number, not a message.
        let count = self.count(hash).fetch_add(1, Ordering::Relaxed) + 1;
        let Some(table) = self.table.load() else {
            return;
        };
        let full = table.buckets.len() / STRIPES;
        if usize::try_from(count).is_ok_and(|count| count > full) && table.next.load().is_none() {
            let larger = Table::new(g, table.buckets.len() * 2);
            // If this fails, somebody else has begun.
            let _ = table.next.compare_exchange(g, None, Some(larger));
        }
        if table.next.load().is_some() {
            // Relaxed: whoever takes a turn does the same work; only the work counts.
            let start = table.claimed.fetch_add(STRIDE, Ordering::Relaxed);
            for index in start..start + STRIDE {
                self.move_bucket(g, table, index % table.buckets.len());
            }
        }
    }

    /// Moves a bucket to the next table, or helps others to.
    fn move_bucket(&self, g: &'g Guard, table: Gc<'g, Table<'g, K, V>>, index: usize) {
        let bucket = &table.as_ref().buckets[index];
        let (frozen, chain) = loop {
            let head = bucket.load();
            match head.map(Gc::as_ref) {
                Some(Link::Moved) => return,
                Some(Link::Frozen(chain)) => break (head, *chain),
                Some(Link::Pair { .. } | Link::Empty) | None => {
                    let frozen = g.alloc(Link::Frozen(head));
                    if bucket.compare_exchange(g, head, Some(frozen)).is_ok() {
                        break (Some(frozen), head);
                    }
                }
            }
        };
        let next = table.next();
        let half = table.buckets.len();
        for (place, bit) in [(index, 0), (index + half, half)] {
            let mut part = None;
            for (hash, entry) in links(chain).filter(|(hash, _)| *hash as usize & half == bit) {
                let next = part;
                part = Some(g.alloc(Link::Pair { hash, entry, next }));
            }
            if part.is_some() {
                // If this fails, somebody else was first with the same.
                let _ = next.as_ref().buckets[place].compare_exchange(g, None, part);
            }
        }
        if bucket
            .compare_exchange(g, frozen, Some(table.moved_link))
            .is_ok()
        {
            // Relaxed: the one who counts the last bucket does so after all others; the edge publishes the rest.
            let moved = table.moved.fetch_add(1, Ordering::Relaxed) + 1;
            if moved == table.buckets.len() {
                let _ = self.table.compare_exchange(g, Some(table), Some(next));
            }
        }
    }
}

/// What is to become of a chain.
enum Change<'g, K, V, R> {
    Nothing(R),
    To(Chain<'g, K, V>, R),
}

fn second<A, B>((_, b): (A, B)) -> B {
    b
}

impl<'g, K: Object<'g>, V: Object<'g>, S: Default + Send + Sync + 'static> Default
    for HashMap<'g, K, V, S>
{
    fn default() -> Self {
        Self::with_hasher(S::default())
    }
}

impl<'g, K, V, S> fmt::Debug for HashMap<'g, K, V, S>
where
    K: Object<'g> + fmt::Debug,
    V: Object<'g> + fmt::Debug,
    S: Send + Sync + 'static,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}
