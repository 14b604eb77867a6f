//! The wakers of the tasks of an [`Executor`](super::Executor) that have waited at least once, so that dropping the executor can end them.
//!
//! Entries live in buckets that double in size and are never moved or freed before the executor's state, so an entry is named
//! by its index. Free entries form chains, and the chains a stack (Treiber's), whose head carries a tag against ABA. A [`Desk`]
//! in front of it, one per `run()` future, makes taking and freeing plain code, and moves entries by chains: one
//! compare-and-swap for [`RUN`] of them. Rejected: a stack of entries, where a burst of tasks that wait pays a compare-and-swap and
//! a cache miss for each (a quarter of the time of `spawn_recursively`); a `Mutex<Slab>` as in async-executor, taken twice per
//! task by all threads; an intrusive list, which needs the lock to unlink.
//!
//! Who touches an entry's waker when: the task it was taken for, which is polled and dropped by one thread at a time; and
//! [`wake_all`](Pending::wake_all), while nobody polls or drops any task.

use std::array;
use std::mem;
use std::ptr;
use std::task::Waker;

use gort_primitives::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering};
use gort_primitives::cell::UnsafeCell;
use gort_primitives::seeded::bug;

#[cfg(all(test, gort_loom))]
mod model;

/// The entries in the first bucket. Thin air.
const FIRST: u32 = if SMALL { 2 } else { 32 };
/// How many entries are used for the first time at once. Divides the length of each bucket, so a run lies in one.
const RUN: u32 = FIRST;
/// Enough buckets for every index.
const BUCKETS: usize = if SMALL { 3 } else { 27 };
/// How many free entries a desk keeps before it gives a quarter back. Thin air.
const DESK: usize = if SMALL { 2 } else { 4 * RUN as usize };
/// Models get by with few of everything.
const SMALL: bool = cfg!(all(test, gort_loom));

/// All entries of an executor.
#[derive(Debug)]
pub(super) struct Pending {
    buckets: [AtomicPtr<Entry>; BUCKETS],
    /// The first entry of the first free chain, as its index + 1, under a tag in the high half that every change increments.
    free: AtomicU64,
    /// The number of entries that were ever used, or lie in a run with one that was.
    used: AtomicU32,
}

#[derive(Debug, Default)]
struct Entry {
    waker: UnsafeCell<Option<Waker>>,
    /// The next entry of its chain, as its index + 1.
    next: AtomicU32,
    /// If it is the first of its chain, the first of the next chain, as its index + 1.
    below: AtomicU32,
}

/// An entry that belongs to a task.
#[derive(Debug)]
pub(super) struct Ticket(u32);

/// Free entries within reach of one `run()` future.
#[derive(Debug, Default)]
pub(super) struct Desk(Vec<u32>);

impl Pending {
    pub(super) fn new() -> Self {
        Self {
            buckets: array::from_fn(|_| AtomicPtr::new(ptr::null_mut())),
            free: AtomicU64::new(0),
            used: AtomicU32::new(0),
        }
    }

    /// Keeps a waker.
    ///
    /// # Safety
    ///
    /// Until it is given back, the ticket is used by one thread at a time, and never during [`wake_all`](Self::wake_all).
    pub(super) unsafe fn keep(&self, desk: Option<&mut Desk>, waker: Waker) -> Ticket {
        let index = match desk {
            Some(desk) => desk.0.pop().unwrap_or_else(|| self.refill(desk)),
            None => self.take_first(),
        };
        let entry = self.entry(index);
        // SAFETY: the entry was free, so we are the only ones to touch it.
        entry.waker.with_mut(|old| unsafe { *old = Some(waker) });
        Ticket(index)
    }

    /// Gives a ticket back and returns its waker.
    pub(super) fn forget(&self, desk: Option<&mut Desk>, ticket: Ticket) -> Option<Waker> {
        let Ticket(index) = ticket;
        let entry = self.entry(index);
        let waker = entry.waker.with_mut(|waker| {
            // SAFETY: the contract of `keep`: nobody else touches the ticket's entry now.
            mem::take(unsafe { &mut *waker })
        });
        match desk {
            Some(desk) => {
                desk.0.push(index);
                if desk.0.len() > DESK {
                    // The oldest: the others are in the cache.
                    self.push_chain(desk.0.drain(..RUN as usize));
                }
            }
            None => self.push_chain([index]),
        }
        waker
    }

    /// Wakes every task that has a ticket.
    ///
    /// # Safety
    ///
    /// Nobody keeps or forgets a waker meanwhile, and what they did before happened before.
    pub(super) unsafe fn wake_all(&self) {
        for index in 0..self.used.load(Ordering::Relaxed) {
            self.entry(index).waker.with(|waker| {
                // SAFETY: the contract: nobody writes it.
                if let Some(waker) = unsafe { &*waker } {
                    waker.wake_by_ref();
                }
            });
        }
    }

    fn entry(&self, index: u32) -> &Entry {
        let (bucket, offset) = place(index);
        // Acquire: pairs with the Release in `fresh`.
        let bucket = self.buckets[bucket].load(Ordering::Acquire);
        // SAFETY: an index that was given out lies in a bucket that exists and is as long.
        let entry = unsafe { bucket.add(offset) };
        // SAFETY: buckets live as long as `self`, and their entries are shared.
        unsafe { &*entry }
    }

    /// Fills an empty desk, but for the entry that it returns.
    #[cold]
    fn refill(&self, desk: &mut Desk) -> u32 {
        let first = self.pop_chain().unwrap_or_else(|| self.fresh());
        let next = |index: &u32| self.next_of(*index);
        desk.0.extend(std::iter::successors(next(&first), next));
        first
    }

    /// Takes one entry, and leaves the rest of its chain.
    #[cold]
    fn take_first(&self) -> u32 {
        let first = self.pop_chain().unwrap_or_else(|| self.fresh());
        if let Some(rest) = self.next_of(first) {
            self.push_linked(rest);
        }
        first
    }

    /// The next entry of a chain that is the caller's.
    fn next_of(&self, index: u32) -> Option<u32> {
        // Relaxed: with the chain, which was popped by Acquire or is new.
        self.entry(index)
            .next
            .load(Ordering::Relaxed)
            .checked_sub(1)
    }

    fn pop_chain(&self) -> Option<u32> {
        // Acquire: pairs with the Release in `push_linked`, for the chain's links and its empty wakers.
        let mut head = self.free.load(Ordering::Acquire);
        loop {
            let index = (head as u32).checked_sub(1)?;
            // If another takes the chain meanwhile, this is stale, but then the tag has changed.
            let below = self.entry(index).below.load(Ordering::Relaxed);
            let new = tagged(head, below);
            match self.free.compare_exchange_weak(
                head,
                new,
                // Relaxed: the load of this very head acquired it. A pop publishes nothing.
                Ordering::Relaxed,
                // Acquire: as above.
                Ordering::Acquire,
            ) {
                Ok(_) => return Some(index),
                Err(now) => head = now,
            }
        }
    }

    /// Makes a chain of free entries that are the caller's, and gives it back.
    fn push_chain(&self, indices: impl IntoIterator<Item = u32>) {
        let mut next = 0;
        for index in indices {
            // Relaxed: `push_linked` publishes it.
            self.entry(index).next.store(next, Ordering::Relaxed);
            next = index + 1;
        }
        if let Some(first) = next.checked_sub(1) {
            self.push_linked(first);
        }
    }

    /// Gives a chain back.
    fn push_linked(&self, first: u32) {
        let order = if bug("chains are given back without a release") {
            Ordering::Relaxed
        } else {
            // Release: publishes the chain to the Acquire in `pop_chain`.
            Ordering::Release
        };
        let below = &self.entry(first).below;
        let mut head = self.free.load(Ordering::Relaxed);
        loop {
            below.store(head as u32, Ordering::Relaxed);
            let new = tagged(head, first + 1);
            match self
                .free
                .compare_exchange_weak(head, new, order, Ordering::Relaxed)
            {
                Ok(_) => return,
                Err(now) => head = now,
            }
        }
    }

    /// Makes a chain of new entries, the caller's.
    #[cold]
    fn fresh(&self) -> u32 {
        let first = self.used.fetch_add(RUN, Ordering::Relaxed);
        // The last bucket ends where the indices do.
        assert!(first < u32::MAX - FIRST - RUN, "too many tasks wait");
        let (bucket, _) = place(first);
        let cell = &self.buckets[bucket];
        // Acquire: pairs with the Release below.
        if cell.load(Ordering::Acquire).is_null() {
            let new = Box::into_raw(bucket_of(bucket)).cast::<Entry>();
            let order = if bug("buckets are published without a release") {
                Ordering::Relaxed
            } else {
                // Release: publishes the entries to the Acquire in `entry`.
                Ordering::Release
            };
            let set = cell.compare_exchange(ptr::null_mut(), new, order, Ordering::Relaxed);
            if set.is_err() {
                // SAFETY: we made it of this bucket's length, and nobody else has seen it.
                drop(unsafe { boxed(new, bucket) });
            }
        }
        for index in first..first + RUN - 1 {
            // Relaxed: nobody else knows the chain.
            self.entry(index).next.store(index + 2, Ordering::Relaxed);
        }
        first
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        for (bucket, cell) in self.buckets.iter().enumerate() {
            // Relaxed: ours alone.
            let entries = cell.load(Ordering::Relaxed);
            if !entries.is_null() {
                // SAFETY: `fresh` made it of this bucket's length, and nobody uses it any more.
                drop(unsafe { boxed(entries, bucket) });
            }
        }
    }
}

/// The bucket of an index, and the place in it.
fn place(index: u32) -> (usize, usize) {
    let shifted = u64::from(index) + u64::from(FIRST);
    let bucket = shifted.ilog2() - FIRST.ilog2();
    (
        bucket as usize,
        (shifted - (u64::from(FIRST) << bucket)) as usize,
    )
}

fn bucket_len(bucket: usize) -> usize {
    (FIRST as usize) << bucket
}

fn bucket_of(bucket: usize) -> Box<[Entry]> {
    (0..bucket_len(bucket)).map(|_| Entry::default()).collect()
}

/// # Safety
///
/// The pointer came from a box of [`bucket_of`] for the same bucket, and is used once.
unsafe fn boxed(entries: *mut Entry, bucket: usize) -> Box<[Entry]> {
    let slice = ptr::slice_from_raw_parts_mut(entries, bucket_len(bucket));
    // SAFETY: the contract.
    unsafe { Box::from_raw(slice) }
}

fn tagged(old: u64, next: u32) -> u64 {
    let tag = (old >> 32).wrapping_add(u64::from(!bug("free chains have no tag")));
    (tag << 32) | u64::from(next)
}

#[cfg(all(test, not(gort_loom)))]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_index_has_a_place_of_its_own() {
        let mut expected = (0, 0);
        for index in 0..10_000 {
            assert_eq!(place(index), expected);
            expected.1 += 1;
            if expected.1 == bucket_len(expected.0) {
                expected = (expected.0 + 1, 0);
            }
        }
        let (bucket, offset) = place(u32::MAX - FIRST);
        assert!(bucket < BUCKETS && offset < bucket_len(bucket));
    }

    #[test]
    fn entries_are_used_again_with_and_without_a_desk() {
        let pending = Pending::new();
        let mut desk = Desk::default();
        for _ in 0..10 {
            let mut tickets = Vec::new();
            for n in 0..500 {
                let desk = (n % 2 == 0).then_some(&mut desk);
                // SAFETY: one thread.
                tickets.push(unsafe { pending.keep(desk, Waker::noop().clone()) });
            }
            let distinct: HashSet<u32> = tickets.iter().map(|ticket| ticket.0).collect();
            assert_eq!(distinct.len(), 500);
            for (n, ticket) in tickets.into_iter().enumerate() {
                let desk = (n % 3 == 0).then_some(&mut desk);
                assert!(pending.forget(desk, ticket).is_some());
            }
        }
        assert!(pending.used.load(Ordering::Relaxed) <= 500 + DESK as u32 + RUN);
    }

    #[test]
    fn free_entries_have_one_taker() {
        let pending = Pending::new();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                let pending = &pending;
                scope.spawn(move || {
                    for _ in 0..5_000 {
                        // SAFETY: the ticket stays on this thread.
                        let mine = unsafe { pending.keep(None, Waker::noop().clone()) };
                        // SAFETY: as above.
                        let other = unsafe { pending.keep(None, Waker::noop().clone()) };
                        assert!(pending.forget(None, mine).is_some());
                        assert!(pending.forget(None, other).is_some());
                    }
                });
            }
        });
        // Each of four threads may hold a chain while it takes one entry of it, and that for two entries.
        assert!(pending.used.load(Ordering::Relaxed) <= 8 * RUN);
    }
}
