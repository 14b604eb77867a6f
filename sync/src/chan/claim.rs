//! The word for which the channels of a waiting select compete.
//!
//! ```text
//!            1 open                2 take
//!   shut ------------> open ---------------> won by an arm
//!     ^                  |                       |
//!     +------------------+                       | 4 the select collects
//!     |     3 shut                               |
//!     +------------------------------------------+
//! ```
//!
//! 1 by the select, which holds the locks of all its channels; 2 by a peer that holds the lock of one of them and finds the
//! select in line there; 3 and 4 by the select.
//!
//! The word decides who wins and nothing else: what is handed over, and the waker, are ordered by the locks. A peer touches the
//! claim only under the lock of a channel in which the select is in line, and the select leaves all lines, under their locks,
//! before it ends. So every access here is relaxed.

use std::ptr::NonNull;
use std::task::Waker;

use gort_primitives::atomic::{AtomicUsize, Ordering};
use gort_primitives::cell::UnsafeCell;

/// Nobody may win: the select is not in line, or it is about to leave.
const SHUT: usize = usize::MAX;
/// The first to come wins.
const OPEN: usize = usize::MAX - 1;

/// What peers compete for; see the head of the file.
#[derive(Debug)]
pub struct Claim {
    /// `SHUT`, `OPEN`, or the arm that won.
    word: AtomicUsize,
    /// Touched by the select while it holds all locks or is in no line, and by the one who won.
    waker: UnsafeCell<Option<Waker>>,
}

// SAFETY: the waker may move between threads, and its cell is guarded as its comment says.
unsafe impl Sync for Claim {}

impl Claim {
    #[inline]
    pub(crate) fn new() -> Self {
        Self {
            word: AtomicUsize::new(SHUT),
            waker: UnsafeCell::new(None),
        }
    }

    /// Opens the claim to all, or leaves it open with another waker; returns the old one, to be dropped after the locks.
    ///
    /// # Safety
    ///
    /// The caller is the select, holds the locks of all its channels, and no arm has won.
    #[must_use]
    pub(crate) unsafe fn open(&self, waker: Waker) -> Option<Waker> {
        // Relaxed: the locks publish it.
        self.word.store(OPEN, Ordering::Relaxed);
        // SAFETY: no peer has the lock of a channel of ours.
        self.waker
            .with_mut(|cell| unsafe { (*cell).replace(waker) })
    }

    /// Whether `waker` is the one to be woken.
    ///
    /// # Safety
    ///
    /// As for [`open`](Self::open).
    pub(crate) unsafe fn would_wake(&self, waker: &Waker) -> bool {
        // SAFETY: no peer has the lock of a channel of ours.
        let own = self.waker.with(|cell| unsafe { (*cell).as_ref() });
        own.is_some_and(|own| own.will_wake(waker))
    }

    /// Closes the claim, or tells which arm has won it.
    pub(crate) fn shut(&self) -> Result<(), usize> {
        // Relaxed: see the head of the file.
        match self
            .word
            .compare_exchange(OPEN, SHUT, Ordering::Relaxed, Ordering::Relaxed)
        {
            Ok(_) | Err(SHUT) => Ok(()),
            Err(arm) => Err(arm),
        }
    }

    /// Which arm has won.
    pub(crate) fn winner(&self) -> Option<usize> {
        // Relaxed: see the head of the file.
        Some(self.word.load(Ordering::Relaxed)).filter(|&word| word < OPEN)
    }

    /// Makes the claim as it was at first, once all lines were left.
    pub(crate) fn reset(&mut self) -> Option<Waker> {
        // Relaxed: nobody else knows the claim any more.
        self.word.store(SHUT, Ordering::Relaxed);
        // SAFETY: we have it to ourselves.
        self.waker.with_mut(|cell| unsafe { (*cell).take() })
    }
}

/// An arm's share in a claim, as it stands in the line of a channel.
#[derive(Debug)]
pub(crate) struct ClaimRef {
    claim: NonNull<Claim>,
    arm: usize,
}

// SAFETY: a claim may be shared between threads.
unsafe impl Send for ClaimRef {}

impl ClaimRef {
    pub(crate) fn new(claim: &Claim, arm: usize) -> Self {
        let claim = NonNull::from(claim);
        Self { claim, arm }
    }

    /// Wins the claim for this arm if it is open; then the caller wakes the select after the lock.
    ///
    /// # Safety
    ///
    /// The caller holds the lock of the channel, and since it took the lock the arm was in line there.
    pub(crate) unsafe fn take(&self) -> Option<Option<Waker>> {
        // SAFETY: a select leaves the line under this lock before its claim goes away.
        let claim = unsafe { self.claim.as_ref() };
        // Relaxed: see the head of the file.
        claim
            .word
            .compare_exchange(OPEN, self.arm, Ordering::Relaxed, Ordering::Relaxed)
            .ok()?;
        // SAFETY: only one wins, and the select changes the waker only under our lock and only as long as nobody won.
        Some(claim.waker.with_mut(|cell| unsafe { (*cell).take() }))
    }
}
