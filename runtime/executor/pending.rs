//! The wakers of the tasks of an [`Executor`](super::Executor) that have waited at least once, so that dropping the executor can end them.
//!
//! Entries live in buckets that double in size and are never moved or freed before the executor's state, so an entry is named
//! by its index. Free entries form a stack (Treiber's), whose head carries a tag against ABA; a [`Desk`] in front of
//! it, one per `run()` future, makes taking and freeing one plain code. Rejected: a `Mutex<Slab>` as in async-executor, taken
//! twice per task by all threads; an intrusive list, which needs the lock to unlink.
//!
//! Who touches an entry's waker when: the task it was taken for, which is polled and dropped by one thread at a time; and
//! [`wake_all`](Pending::wake_all), while nobody polls or drops any task.

use std::cell::UnsafeCell;
use std::mem;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering};
use std::task::Waker;

/// The entries in the first bucket. Thin air.
const FIRST: u32 = 32;
/// Enough buckets for every index.
const BUCKETS: usize = 27;
/// How many free entries a desk keeps before it gives half back. Thin air.
const DESK: usize = 128;

/// All entries of an executor.
#[derive(Debug)]
pub(super) struct Pending {
    buckets: [AtomicPtr<Entry>; BUCKETS],
    /// The first free entry, as its index + 1, under a tag in the high half that every change increments.
    free: AtomicU64,
    /// The number of entries that were ever used.
    used: AtomicU32,
}

#[derive(Debug, Default)]
struct Entry {
    waker: UnsafeCell<Option<Waker>>,
    /// The next free entry, as its index + 1.
    next: AtomicU32,
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
            buckets: [const { AtomicPtr::new(ptr::null_mut()) }; BUCKETS],
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
        let index = desk
            .and_then(|desk| desk.0.pop())
            .or_else(|| self.pop_free())
            .unwrap_or_else(|| self.fresh());
        let entry = self.entry(index);
        // SAFETY: the entry was free, so we are the only ones to touch it.
        unsafe { *entry.waker.get() = Some(waker) };
        Ticket(index)
    }

    /// Gives a ticket back and returns its waker.
    pub(super) fn forget(&self, desk: Option<&mut Desk>, ticket: Ticket) -> Option<Waker> {
        let Ticket(index) = ticket;
        let entry = self.entry(index);
        // SAFETY: the contract of `keep`: nobody else touches the ticket's entry now.
        let waker = unsafe { mem::take(&mut *entry.waker.get()) };
        match desk {
            Some(desk) => {
                desk.0.push(index);
                if desk.0.len() > DESK {
                    self.push_free(desk.0.drain(DESK / 2..));
                }
            }
            None => self.push_free([index]),
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
            let entry = self.entry(index);
            // SAFETY: the contract: nobody writes it.
            let waker = unsafe { &*entry.waker.get() };
            if let Some(waker) = waker {
                waker.wake_by_ref();
            }
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

    fn pop_free(&self) -> Option<u32> {
        // Acquire: pairs with the Release in `push_free`, for the entry's next and its empty waker.
        let mut head = self.free.load(Ordering::Acquire);
        loop {
            let index = (head as u32).checked_sub(1)?;
            // If another takes the entry meanwhile, this is stale, but then the tag has changed.
            let next = self.entry(index).next.load(Ordering::Relaxed);
            let new = tagged(head, next);
            match self.free.compare_exchange_weak(
                head,
                new,
                // Acquire: as above. A pop publishes nothing.
                Ordering::Acquire,
                Ordering::Acquire,
            ) {
                Ok(_) => return Some(index),
                Err(now) => head = now,
            }
        }
    }

    fn push_free(&self, indices: impl IntoIterator<Item = u32>) {
        for index in indices {
            let entry = self.entry(index);
            let mut head = self.free.load(Ordering::Relaxed);
            loop {
                entry.next.store(head as u32, Ordering::Relaxed);
                let new = tagged(head, index + 1);
                match self.free.compare_exchange_weak(
                    head,
                    new,
                    // Release: publishes the entry to the Acquire in `pop_free`.
                    Ordering::Release,
                    Ordering::Relaxed,
                ) {
                    Ok(_) => break,
                    Err(now) => head = now,
                }
            }
        }
    }

    /// Makes one more entry.
    #[cold]
    fn fresh(&self) -> u32 {
        let index = self.used.fetch_add(1, Ordering::Relaxed);
        // The last bucket ends where the indices do.
        assert!(index < u32::MAX - FIRST, "too many tasks wait");
        let (bucket, _) = place(index);
        let cell = &self.buckets[bucket];
        // Acquire: pairs with the Release below.
        if cell.load(Ordering::Acquire).is_null() {
            let new = Box::into_raw(bucket_of(bucket)).cast::<Entry>();
            // Release: publishes the entries to the Acquire in `entry`.
            let set =
                cell.compare_exchange(ptr::null_mut(), new, Ordering::Release, Ordering::Relaxed);
            if set.is_err() {
                // SAFETY: we made it of this bucket's length, and nobody else has seen it.
                drop(unsafe { boxed(new, bucket) });
            }
        }
        index
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        for (bucket, cell) in self.buckets.iter_mut().enumerate() {
            let entries = mem::replace(cell.get_mut(), ptr::null_mut());
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
    let tag = (old >> 32).wrapping_add(1);
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
        assert!(pending.used.load(Ordering::Relaxed) <= 500 + DESK as u32);
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
        assert!(pending.used.load(Ordering::Relaxed) <= 8);
    }
}
