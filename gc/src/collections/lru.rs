//! A cache that evicts exactly the least recently used entry, without a lock.
//!
//! A doubly linked list, which others use, has to be changed in six places for each access, under one lock. Here an access
//! appends a *record* to a queue, and so fixes its place in the order of all accesses; the entry remembers the number of its
//! latest record. The first record that is still its entry's latest is that of the least recently used entry.
//!
//! # Invariants
//!
//! 1. The numbers of records rise along the queue: each is one more than that of the record it was appended to.
//! 2. [`Item::latest`] rises only, up to `DEAD`, which it keeps. The one who sets it to `DEAD` has removed the entry and
//!    accounts for it; whoever finds it `DEAD` has found no entry.
//! 3. A record whose number is below the latest of its entry is *stale* for ever, and may be dropped by anybody. One whose
//!    number is above is an access that is not finished yet: whoever comes first finishes it.
//!
//! So an entry that is not dead has a record that is not stale, or its insertion is about to append it.
//!
//! # Stale records
//!
//! They are unlinked from the middle of the queue by a thread that has appended a record when there are as many of them as
//! there may be entries. One thread at a time does this; nobody waits for it. It only makes `next` of a record skip stale
//! ones, and never touches the last record, so it does not disturb those who take records from the front or append them.

use std::borrow::Borrow;
use std::fmt;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::atomic::{AtomicBool, AtomicIsize, AtomicU64, Ordering};

use super::HashMap;
use super::hash_map::Entry;
use crate::{Edge, Gc, Guard, Object, Trace};

/// The latest record of an entry that is no more in the cache.
const DEAD: u64 = u64::MAX;
/// The number of the record of a new cache, and so of no entry: those have 0 before their first.
const FIRST: u64 = 1;
/// Records beyond twice the capacity that are not worth a walk through the queue. Thin air.
const SLACK: u64 = 64;

/// A cache of bounded size that any number of threads use.
///
/// When it is full, an insertion evicts the entry whose last use, by [`get`](Lru::get) or [`insert`](Lru::insert), is the
/// longest ago. This is exact, not by samples or shards: the uses have one order, across all threads. All operations are
/// lock-free and take O(1) steps, amortised. Values that were removed or evicted stay in memory until others have been used
/// as many times as there can be entries.
///
/// # Examples
///
/// ```
/// use gort_gc::collections::Lru;
/// use gort_gc::with;
///
/// with(|g| {
///     let cache = Lru::new(g, 2);
///     cache.insert(g, "a", 1);
///     cache.insert(g, "b", 2);
///     assert_eq!(cache.get(g, "a"), Some(&1));
///     cache.insert(g, "c", 3);
///     assert_eq!(cache.get(g, "b"), None, "it was the least recently used");
///     assert_eq!(cache.len(), 2);
/// });
/// ```
#[derive(Trace)]
pub struct Lru<'g, K, V, S: 'static = RandomState> {
    map: HashMap<'g, K, Item<V>, S>,
    /// A record that has been taken already; the next one is the first.
    head: Edge<'g, Record<'g, K, V>>,
    /// The last record, or one on the way to it.
    tail: Edge<'g, Record<'g, K, V>>,
    capacity: usize,
    /// The number of entries, less those that somebody has undertaken to evict. Above the capacity only for a moment, and
    /// below zero for another, when an entry is removed before it is counted.
    len: AtomicIsize,
    /// The number of the record that makes a walk worthwhile.
    next_walk: AtomicU64,
    walking: AtomicBool,
}

/// What the map holds for a key.
#[derive(Trace)]
struct Item<V> {
    value: V,
    /// The number of the latest record of this entry, 0 before the first, or `DEAD`.
    latest: AtomicU64,
}

/// One use of an entry.
#[derive(Trace)]
struct Record<'g, K, V> {
    /// Constant once the record is in the queue.
    number: AtomicU64,
    /// Only the record of a new cache has none.
    entry: Option<Gc<'g, Entry<K, Item<V>>>>,
    next: Edge<'g, Record<'g, K, V>>,
}

impl<'g, K: Object<'g>, V: Object<'g>> Lru<'g, K, V> {
    /// Creates an empty cache for `capacity` entries, with the hasher of std's.
    ///
    /// # Panics
    ///
    /// Panics if `capacity` is 0.
    #[must_use]
    #[track_caller]
    pub fn new(g: &'g Guard, capacity: usize) -> Self {
        Self::with_hasher(g, capacity, RandomState::new())
    }
}

impl<'g, K: Object<'g>, V: Object<'g>, S: Send + Sync + 'static> Lru<'g, K, V, S> {
    /// Creates an empty cache for `capacity` entries, with the given hasher.
    ///
    /// # Panics
    ///
    /// Panics if `capacity` is 0.
    #[must_use]
    #[track_caller]
    pub fn with_hasher(g: &'g Guard, capacity: usize, hasher: S) -> Self {
        assert!(capacity > 0, "a cache holds at least one entry");
        let taken = Record::new(g, FIRST, None);
        Self {
            map: HashMap::with_hasher(hasher),
            head: Edge::new(Some(taken)),
            tail: Edge::new(Some(taken)),
            capacity,
            len: AtomicIsize::new(0),
            next_walk: AtomicU64::new(capacity as u64 + SLACK),
            walking: AtomicBool::new(false),
        }
    }

    /// Returns the number of entries.
    ///
    /// While others insert, it may be above the capacity by one for each of them.
    pub fn len(&self) -> usize {
        // Relaxed: a number, not a message. The same holds for all accesses to `len`.
        self.len.load(Ordering::Relaxed).try_into().unwrap_or(0)
    }

    /// Tells whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the number of entries there can be.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Visits the entries in no particular order, without using them.
    pub fn iter(&self) -> impl Iterator<Item = (&'g K, &'g V)> + use<'g, K, V, S> {
        let alive = self.map.iter().filter(|(_, item)| !item.is_dead());
        alive.map(|(key, item)| (key, &item.value))
    }
}

impl<'g, K, V, S> Lru<'g, K, V, S>
where
    K: Object<'g> + Hash + Eq,
    V: Object<'g>,
    S: BuildHasher + Send + Sync + 'static,
{
    /// Returns the value of `key`, and makes it the most recently used.
    pub fn get<Q>(&self, g: &'g Guard, key: &Q) -> Option<&'g V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let entry = self.map.entry(key)?;
        self.touch(g, entry).then(|| &entry.as_ref().value.value)
    }

    /// Returns the value of `key` without using it.
    pub fn peek<Q>(&self, key: &Q) -> Option<&'g V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let item = &self.map.entry(key)?.as_ref().value;
        (!item.is_dead()).then_some(&item.value)
    }

    /// Inserts an entry as the most recently used, and returns the value that was there before.
    ///
    /// If the cache is full, the least recently used entry is evicted.
    pub fn insert(&self, g: &'g Guard, key: K, value: V) -> Option<&'g V> {
        let latest = AtomicU64::new(0);
        let value = Item { value, latest };
        let entry = g.alloc(Entry { key, value });
        let old = self.map.insert_entry(g, entry);
        let old = old.map(|old| &old.as_ref().value).filter(|old| old.die());
        if old.is_none() {
            self.len.fetch_add(1, Ordering::Relaxed);
        }
        self.touch(g, entry);
        self.evict(g);
        old.map(|old| &old.value)
    }

    /// Removes the entry of `key`, and returns its value.
    pub fn remove<Q>(&self, g: &'g Guard, key: &Q) -> Option<&'g V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let item = self.map.remove(g, key)?;
        item.die().then(|| {
            self.len.fetch_sub(1, Ordering::Relaxed);
            &item.value
        })
    }

    /// Makes an entry the most recently used. Returns false if it is dead.
    fn touch(&self, g: &'g Guard, entry: Gc<'g, Entry<K, Item<V>>>) -> bool {
        let latest = &entry.as_ref().value.latest;
        let last = self.last(g, self.tail());
        // Relaxed: the word itself decides who is dead and which record is stale. What it guards, a place in the queue and
        // in the map, is published by edges. The same holds for all accesses to `latest`.
        if latest.load(Ordering::Relaxed) == last.number() {
            return true;
        }
        let number = self.append(g, last, Record::new(g, 0, Some(entry)));
        let alive = latest.fetch_max(number, Ordering::Relaxed) != DEAD;
        self.drop_stale(g, number);
        alive
    }

    /// Evicts entries until there are no more than there can be.
    fn evict(&self, g: &'g Guard) {
        let capacity = isize::try_from(self.capacity).unwrap_or(isize::MAX);
        let undertake = |len: isize| (len > capacity).then(|| len - 1);
        while self
            .len
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, undertake)
            .is_ok()
        {
            if !self.evict_first(g) {
                // The entries are still on their way into the queue, and those who insert them will come here.
                self.len.fetch_add(1, Ordering::Relaxed);
                return;
            }
        }
    }

    /// Evicts the least recently used entry, if there is any in the queue.
    fn evict_first(&self, g: &'g Guard) -> bool {
        loop {
            let head = self.head.load().expect("the head is never null");
            let Some(first) = head.next.load() else {
                return false;
            };
            let Some(entry) = first.entry else {
                unreachable!("only the first head has no entry")
            };
            let (latest, number) = (&entry.as_ref().value.latest, first.number());
            let mut evicted = false;
            // This finishes an access that is still going on.
            if latest.fetch_max(number, Ordering::Relaxed) <= number {
                let dead =
                    latest.compare_exchange(number, DEAD, Ordering::Relaxed, Ordering::Relaxed);
                if dead.is_err() {
                    continue;
                }
                evicted = true;
            }
            // If this fails, somebody else has seen that the record is stale.
            let _ = self.head.compare_exchange(g, Some(head), Some(first));
            if evicted {
                let hash = self.map.hash(&entry.key);
                self.map
                    .remove_entry(g, hash, |other| std::ptr::eq(other, entry.as_ref()));
                return true;
            }
        }
    }

    /// Appends a record to the queue, somewhere behind `last`, and returns its number.
    fn append(
        &self,
        g: &'g Guard,
        mut last: Gc<'g, Record<'g, K, V>>,
        record: Gc<'g, Record<'g, K, V>>,
    ) -> u64 {
        loop {
            let number = last.number() + 1;
            // Relaxed: published by the edge.
            record.number.store(number, Ordering::Relaxed);
            if last.next.compare_exchange(g, None, Some(record)).is_ok() {
                // If this fails, somebody else has moved it on already.
                let _ = self.tail.compare_exchange(g, Some(last), Some(record));
                return number;
            }
            last = self.last(g, last);
        }
    }

    fn tail(&self) -> Gc<'g, Record<'g, K, V>> {
        self.tail.load().expect("the tail is never null")
    }

    /// Returns the last record, which is at or behind `from`, and moves `tail` on to it.
    fn last(&self, g: &'g Guard, from: Gc<'g, Record<'g, K, V>>) -> Gc<'g, Record<'g, K, V>> {
        let mut last = from;
        while let Some(next) = last.next.load() {
            let _ = self.tail.compare_exchange(g, Some(last), Some(next));
            last = next;
        }
        last
    }

    /// Unlinks stale records, if `number`, the latest of all, says that there may be many, and nobody is at it.
    fn drop_stale(&self, g: &'g Guard, number: u64) {
        // Relaxed: a hint.
        if number < self.next_walk.load(Ordering::Relaxed) {
            return;
        }
        // Acquire: pairs with the Release below; the last walk's changes come before ours.
        if self.walking.swap(true, Ordering::Acquire) {
            return;
        }
        let mut kept = self.head.load().expect("the head is never null");
        let mut at = kept.next.load();
        while let Some(record) = at {
            at = record.next.load();
            // The last record is kept, or those who append would append to nothing.
            if at.is_some() && record.is_stale() {
                continue;
            }
            if kept
                .next
                .load()
                .is_some_and(|next| !Gc::ptr_eq(next, record))
            {
                kept.next.store(g, Some(record));
            }
            kept = record;
        }
        let next_walk = kept.number() + self.capacity as u64 + SLACK;
        self.next_walk.store(next_walk, Ordering::Relaxed);
        // Release: pairs with the Acquire above.
        self.walking.store(false, Ordering::Release);
    }
}

impl<V> Item<V> {
    /// Takes the entry out of account. Returns false if somebody else has done so.
    fn die(&self) -> bool {
        self.latest.swap(DEAD, Ordering::Relaxed) != DEAD
    }

    fn is_dead(&self) -> bool {
        self.latest.load(Ordering::Relaxed) == DEAD
    }
}

impl<'g, K: Object<'g>, V: Object<'g>> Record<'g, K, V> {
    fn new(g: &'g Guard, number: u64, entry: Option<Gc<'g, Entry<K, Item<V>>>>) -> Gc<'g, Self> {
        g.alloc(Self {
            number: AtomicU64::new(number),
            entry,
            next: Edge::null(),
        })
    }

    fn number(&self) -> u64 {
        // Relaxed: constant since the record was published by an edge.
        self.number.load(Ordering::Relaxed)
    }

    fn is_stale(&self) -> bool {
        let latest =
            |entry: Gc<'g, Entry<K, Item<V>>>| entry.as_ref().value.latest.load(Ordering::Relaxed);
        self.entry
            .map(latest)
            .is_none_or(|latest| latest > self.number())
    }
}

impl<'g, K, V, S> fmt::Debug for Lru<'g, K, V, S>
where
    K: Object<'g> + fmt::Debug,
    V: Object<'g> + fmt::Debug,
    S: Send + Sync + 'static,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}
