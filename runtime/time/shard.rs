//! One heap of timers behind its lock, and beside it the earliest deadline as a word that anybody may read.
//!
//! Each P owns a shard, and foreign threads have a few of their own. A timer stays in the shard where it was armed, whatever
//! thread resets or drops it; its owner runs it at the top of find-work, others when it is overdue.
//!
//! `next` is written under the lock only. Read without the lock it may be early (somebody is about to cancel the earliest
//! timer), never late but for an arming that has not returned yet; [`Alarm`](super::alarm::Alarm) closes that window.
//!
//! No waker is cloned, dropped or woken under the lock: that is a user's code, and it may arm, reset or drop another timer of
//! this shard.

use std::sync::PoisonError;
use std::task::Waker;

use gort_primitives::atomic::{AtomicU64, Ordering};
use gort_primitives::sync::{Mutex, MutexGuard};

use super::clock::NEVER;
use super::heap::{Heap, Slot};

/// The timers of a P, or of some foreign threads.
pub(crate) struct Shard {
    next: AtomicU64,
    heap: Mutex<Heap>,
}

/// Whether a timer became the earliest of its shard, so that somebody may have to shorten his sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Place {
    /// It is the next of its shard to fire.
    First,
    /// An earlier timer of its shard is being watched already.
    Behind,
}

impl Shard {
    pub(super) fn new() -> Shard {
        Shard {
            next: AtomicU64::new(NEVER),
            heap: Mutex::new(Heap::new()),
        }
    }

    /// The earliest deadline, [`NEVER`] when there is none.
    #[inline]
    pub(crate) fn next(&self) -> u64 {
        // Relaxed: a hint. Who is about to sleep by it has passed the fence in `Alarm::announce` or `Alarm::look`; who runs timers
        // because of it takes the lock.
        self.next.load(Ordering::Relaxed)
    }

    /// Adds a timer.
    #[inline]
    pub(super) fn arm(&self, deadline: u64, waker: Waker) -> (Slot, Place) {
        let mut heap = self.lock();
        let before = heap.first();
        let slot = heap.insert(deadline, waker);
        self.publish(&heap);
        (slot, place(before, deadline))
    }

    /// Moves a timer; one that has fired stays as it is.
    pub(super) fn reset(&self, slot: &Slot, deadline: u64) -> Place {
        let mut heap = self.lock();
        let before = heap.first();
        heap.reset(slot, deadline);
        let after = self.publish(&heap);
        place(before, after)
    }

    /// Whether the timer has not fired and wakes the same task as `waker`.
    #[inline]
    pub(super) fn would_wake(&self, slot: &Slot, waker: &Waker) -> bool {
        self.lock()
            .waker(slot)
            .is_some_and(|armed| armed.will_wake(waker))
    }

    /// Takes a timer out; says whether it had not fired yet.
    #[inline]
    pub(super) fn cancel(&self, slot: Slot) -> bool {
        let waker = {
            let mut heap = self.lock();
            let waker = heap.remove(slot);
            self.publish(&heap);
            waker
        };
        waker.is_some()
    }

    /// Moves the wakers of at most `limit` due timers into `due`; the caller wakes them. Says how many there were.
    #[inline]
    pub(crate) fn run_due(&self, now: u64, due: &mut Vec<Waker>, limit: usize) -> usize {
        if self.next() > now {
            return 0;
        }
        self.take_due(now, due, limit)
    }

    #[cold]
    fn take_due(&self, now: u64, due: &mut Vec<Waker>, limit: usize) -> usize {
        let mut heap = self.lock();
        let before = due.len();
        due.extend(std::iter::from_fn(|| heap.pop_due(now)).take(limit));
        self.publish(&heap);
        due.len() - before
    }

    /// Makes `next` what the heap says.
    #[inline]
    fn publish(&self, heap: &Heap) -> u64 {
        let first = heap.first();
        // Relaxed, both: only the holder of the lock stores. The armer's fence in `Alarm::look` publishes the store to the loads
        // behind the fence in `Alarm::announce`.
        if self.next.load(Ordering::Relaxed) != first {
            self.next.store(first, Ordering::Relaxed);
        }
        first
    }

    #[inline]
    fn lock(&self) -> MutexGuard<'_, Heap> {
        // A poisoned heap is whole: the only panic under the lock, "too many timers", comes before any change to the entries.
        self.heap.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Shard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shard").field("next", &self.next()).finish()
    }
}

#[inline]
fn place(before: u64, deadline: u64) -> Place {
    if deadline < before {
        Place::First
    } else {
        Place::Behind
    }
}
