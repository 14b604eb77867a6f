//! A seat: what a `run()` future holds from its first poll to its end. A queue of its own, and numbers that it alone writes.
//!
//! ```text
//!   free --claim--> held by a run() future --sit--> current on the thread that polls it
//!    ^                    |           ^                       |
//!    +------ drop --------+           +------ end of poll ----+
//! ```
//!
//! Seats belong to the executor's state and are never freed before it: a leaked `run()` future leaves its seat held for ever,
//! with a queue that anybody can still empty from the thieves' end.
//!
//! # Who may touch what
//!
//! The owner's end of the ring, the desk, and the writing of the numbers belong to who holds the seat: the thread that polls or
//! drops the `run()` future. A wake or a spawn in such a poll is on that thread too, and finds the seat in
//! [`CURRENT`], which is set during one poll only. So the future may move between threads, or never be polled again.
//! Everything else is shared.
//!
//! # Rejected
//!
//! * A next slot, as an M has. The order of async-executor is first in, first out, and a task that wakes another before it
//!   blocks its thread relies on any other thread to run that: with a slot thieves need a rule for when to look into it.
//! * A bound on the ring, with an overflow to the global queue: thieves and `tick()` take from rings anyway.

use std::cell::{Cell, UnsafeCell};
use std::ptr;
use std::sync::atomic::{AtomicU32, AtomicU64};

use async_task::Runnable;
use gort_primitives::atomic::{AtomicBool, Ordering};
use gort_primitives::thread_local;

use super::pending::Desk;
use super::queues::{Global, Ring};
use super::state::State;

thread_local! {
    /// The seat whose `run()` future is being polled by this thread, the innermost if they are nested. Without a destructor, so
    /// that an access is one instruction.
    static CURRENT: Cell<*const Seat> = const { Cell::new(ptr::null()) };
}

/// A seat.
pub(super) struct Seat {
    /// The executor it belongs to. Only compared.
    state: *const State,
    /// The seat that was made before it. Written once, before others see this one.
    next: *const Seat,
    held: AtomicBool,
    ring: Ring,
    /// Counts the turns. Written by the holder.
    turns: AtomicU32,
    desk: UnsafeCell<Desk>,
    patience: Patience,
    pub(super) tally: Tally,
}

/// Tasks counted by the holder of a seat. Each number only grows.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Tasks made.
    pub(super) spawned: AtomicU64,
    /// Tasks whose future was dropped.
    pub(super) finished: AtomicU64,
}

/// Whether a short wait before a sleep is worth it: it is after one that was, and every so many times to find out.
#[derive(Debug, Default)]
pub(super) struct Patience {
    /// Waits in a row that may be in vain from now on.
    left: Cell<u32>,
    /// Sleeps since there are none.
    passed: Cell<u32>,
}

impl Patience {
    /// Thin air.
    const MOST: u32 = 4;
    /// Thin air.
    const PASS: u32 = if cfg!(all(test, gort_loom)) { 1 } else { 16 };

    /// Returns whether to wait this time.
    pub(super) fn try_now(&self) -> bool {
        let passed = self.passed.get() + 1;
        self.passed.set(passed % Self::PASS);
        self.left.get() > 0 || passed == Self::PASS
    }

    /// Notes whether the wait was worth it.
    pub(super) fn learn(&self, worth: bool) {
        self.left.set(match worth {
            true => Self::MOST,
            false => self.left.get().saturating_sub(1),
        });
    }
}

/// Increments a number that only this thread writes now.
#[inline]
pub(super) fn bump(number: &AtomicU64) {
    let n = number.load(Ordering::Relaxed);
    // Release: who reads the new number (Acquire in `State::unfinished`) sees the numbers before it.
    number.store(n + 1, Ordering::Release);
}

impl Seat {
    /// A seat in the hands of its maker.
    pub(super) fn new(state: *const State) -> Self {
        Self {
            state,
            next: ptr::null(),
            held: AtomicBool::new(true),
            ring: Ring::new(),
            turns: AtomicU32::new(0),
            desk: UnsafeCell::default(),
            patience: Patience::default(),
            tally: Tally::default(),
        }
    }

    pub(super) fn next(&self) -> *const Seat {
        self.next
    }

    pub(super) fn set_next(&mut self, next: *const Seat) {
        self.next = next;
    }

    /// Takes a free seat.
    pub(super) fn try_claim(&self) -> bool {
        // Acquire: pairs with the Release in `free`, for what only the holder touches.
        !self.held.load(Ordering::Relaxed)
            && self
                .held
                .compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed)
                .is_ok()
    }

    /// Gives the seat back.
    ///
    /// # Safety
    ///
    /// The caller holds it, and does nothing more with it.
    pub(super) unsafe fn free(&self) {
        // Release: pairs with the Acquire in `try_claim`.
        self.held.store(false, Ordering::Release);
    }

    /// Puts a task into the ring.
    ///
    /// # Safety
    ///
    /// The caller holds the seat. `Sleepers::wake_one` must follow.
    #[inline]
    pub(super) unsafe fn push(&self, runnable: Runnable) {
        self.ring.push(runnable);
    }

    /// Takes the oldest task out of the ring.
    ///
    /// # Safety
    ///
    /// The caller holds the seat.
    #[inline]
    pub(super) unsafe fn pop(&self) -> Option<Runnable> {
        self.ring.pop()
    }

    /// Moves up to `most` tasks out of the global queue, and up to half of it: one to run, and the others to the ring.
    ///
    /// # Safety
    ///
    /// The caller holds the seat. `Sleepers::wake_one` must follow if the ring is not empty then.
    pub(super) unsafe fn take_from(&self, global: &Global, most: usize) -> Option<Runnable> {
        global.take_batch(&self.ring, most)
    }

    /// Counts a turn, and returns whether it is the last of so many.
    ///
    /// # Safety
    ///
    /// The caller holds the seat.
    #[inline]
    pub(super) unsafe fn every(&self, n: u32) -> bool {
        // Relaxed: others only see that it moves.
        let turns = self.turns.load(Ordering::Relaxed).wrapping_add(1);
        self.turns.store(turns, Ordering::Relaxed);
        turns.is_multiple_of(n)
    }

    /// How many turns there were, modulo 2^32.
    pub(super) fn turns(&self) -> u32 {
        self.turns.load(Ordering::Relaxed)
    }

    /// The free entries of this seat.
    ///
    /// # Safety
    ///
    /// The caller holds the seat, and uses the reference for one call without foreign code in it.
    #[expect(
        clippy::mut_from_ref,
        reason = "the contract makes it the only reference"
    )]
    pub(super) unsafe fn desk(&self) -> &mut Desk {
        // SAFETY: the contract.
        unsafe { &mut *self.desk.get() }
    }

    /// Whether to wait for work with open eyes.
    ///
    /// # Safety
    ///
    /// The caller holds the seat, and uses the reference on this thread.
    pub(super) unsafe fn patience(&self) -> &Patience {
        &self.patience
    }

    /// Takes one task. For everybody.
    pub(super) fn steal_one(&self) -> Option<Runnable> {
        self.ring.steal_one()
    }

    /// Moves half of the ring into the ring of `to`, and takes one of them to run. For everybody.
    ///
    /// # Safety
    ///
    /// The caller holds `to`, and wakes a sleeper if that is not empty afterwards.
    pub(super) unsafe fn steal_half(&self, to: &Seat) -> Option<Runnable> {
        self.ring.steal_half(&to.ring)
    }

    /// Returns whether the ring is empty, without the fence of [`is_empty`](Self::is_empty).
    ///
    /// # Safety
    ///
    /// The caller holds the seat.
    pub(super) unsafe fn is_empty_here(&self) -> bool {
        self.ring.is_empty_here()
    }

    pub(super) fn len(&self) -> usize {
        self.ring.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ring.is_empty()
    }

    /// Makes the seat current on this thread until the guard is dropped.
    ///
    /// # Safety
    ///
    /// The caller holds the seat, which lives longer than the guard, and drops the guard on this thread, before it
    /// lets go of the seat and in the reverse order of such calls.
    pub(super) unsafe fn sit(&self) -> Seated {
        Seated(CURRENT.with(|current| current.replace(self)))
    }
}

/// Restores what was current before.
#[derive(Debug)]
pub(super) struct Seated(*const Seat);

impl Drop for Seated {
    fn drop(&mut self) {
        CURRENT.with(|current| current.set(self.0));
    }
}

/// Calls `f` with the seat of `state` that is current on this thread. The caller holds it during the call.
#[inline(always)]
pub(super) fn with_current<R>(state: *const State, f: impl FnOnce(Option<&Seat>) -> R) -> R {
    // SAFETY: the contract of `sit`: what is current lives, and is held on this thread.
    let seat = unsafe { CURRENT.with(Cell::get).as_ref() };
    f(seat.filter(|seat| ptr::eq(seat.state, state)))
}

#[cfg(all(test, not(gort_loom)))]
mod tests {
    use super::*;

    #[test]
    fn patience_ends_with_waits_in_vain_and_is_tried_again() {
        let patience = Patience::default();
        let in_vain = |sleeps: u32| {
            let tries = (0..sleeps).filter(|_| patience.try_now());
            tries.map(|_| patience.learn(false)).count()
        };
        assert_eq!(in_vain(10 * Patience::PASS), 10, "now and then");
        patience.learn(true);
        assert_eq!(
            in_vain(Patience::MOST),
            Patience::MOST as usize,
            "each time"
        );
        assert!(in_vain(Patience::PASS) <= 1);
    }
}
