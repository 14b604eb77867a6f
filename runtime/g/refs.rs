//! The count that keeps a goroutine's task reachable: who may wake it, and whether anyone still can.
//!
//! async-task counts references too, but its count cannot be upgraded from a pointer that owns nothing (what a registry
//! has), and a detached task that returns `Pending` while nobody holds a waker frees its memory *without dropping its future*. So
//! the future is polled with a waker of gort's own, whose data is the record, and the record owns at most one waker of
//! async-task's (the *inner* waker) for all of them together.
//!
//! ```text
//!   0 = no inner waker        n > 0 = the inner waker exists; n owners: the future, and n - 1 wakers of the user
//!
//!   0 --first_clone--> 2      a user's waker, during the first poll
//!   0 --arm----------> 1      the first poll returned Pending
//!   n --clone--------> n + 1
//!   n --upgrade------> n + 1  shutdown, abort, dump: by a pointer from the registry
//!   n --release------> n - 1  at 0 the inner waker is dropped, by the last owner
//! ```
//!
//! # Invariants
//!
//! 1. The future owns one reference from the moment the count leaves 0 until the future is dropped.
//! 2. A count of 0 with a living future means that the goroutine is in a queue or in its first poll: nobody but the queue or
//!    the running M can reach it. So a spawn that runs to its end in one poll pays nothing for this file.
//! 3. A parked goroutine (Waiting) with a count of 1 can never run again: it is lost, and reported.

use gort_primitives::atomic::{AtomicU32, Ordering};

#[cfg(all(test, gort_loom))]
mod model;

/// The count. See the [module](self).
#[derive(Debug)]
pub(crate) struct Refs(AtomicU32);

/// Whether a reference was the last one.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Release {
    /// The caller drops the inner waker, and must not touch the record afterwards.
    Last,
    /// Somebody else still owns it.
    Shared,
}

impl Default for Refs {
    fn default() -> Self {
        Self(AtomicU32::new(0))
    }
}

/// A count above this is a leak of wakers in a loop; going on would wrap.
const TOO_MANY: u32 = u32::MAX / 2;

impl Refs {
    /// Returns whether there is no inner waker.
    ///
    /// Exact for the thread that polls the future or drops it; a guess for others.
    #[inline(always)]
    pub(crate) fn is_none(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }

    /// Returns whether the future is the only owner, as it was a moment ago.
    pub(crate) fn only_future(&self) -> bool {
        // Acquire: pairs with the Release in `release`, so that the last waker's thread is done with the record.
        self.0.load(Ordering::Acquire) == 1
    }

    /// Adds an owner while the caller holds a reference, or borrows the waker of a poll.
    ///
    /// `make` creates the inner waker; it is called if there is none yet, and undone by `unmake` if another thread was faster.
    #[inline(always)]
    pub(crate) fn clone_ref(&self, make: impl FnOnce(), unmake: impl FnOnce()) {
        // Acquire: pairs with the Release in `first_clone` of another thread that borrows the same waker.
        if self.0.load(Ordering::Acquire) == 0 {
            return self.first_clone(make, unmake);
        }
        self.add_one();
    }

    #[inline(always)]
    fn add_one(&self) {
        // Relaxed: the caller's own reference, or borrow, keeps the count above 0, as with `Arc`.
        if self.0.fetch_add(1, Ordering::Relaxed) > TOO_MANY {
            std::process::abort();
        }
    }

    #[cold]
    fn first_clone(&self, make: impl FnOnce(), unmake: impl FnOnce()) {
        make();
        // Release: publishes the inner waker to the Acquire of `upgrade`. One of 2 is the future's.
        let first = self
            .0
            .compare_exchange(0, 2, Ordering::Release, Ordering::Relaxed);
        if first.is_err() {
            // A scoped thread that borrows the same waker cloned it too.
            unmake();
            self.add_one();
        }
    }

    /// Gives the future its reference, after the first poll that returned `Pending`. Called by the polling thread.
    ///
    /// Returns whether this was the first.
    #[inline(always)]
    pub(crate) fn arm(&self, make: impl FnOnce()) -> bool {
        if !self.is_none() {
            return false;
        }
        make();
        // Release: publishes the inner waker to the Acquire of `upgrade`. A plain store: no waker exists that could be
        // cloned, and `upgrade` leaves 0 alone.
        self.0.store(1, Ordering::Release);
        true
    }

    /// Adds an owner if there is one at all: the way from a pointer that owns nothing to one that does.
    pub(crate) fn upgrade(&self) -> bool {
        let mut n = self.0.load(Ordering::Relaxed);
        while n > 0 {
            // Acquire: pairs with the Release that published the inner waker.
            match self
                .0
                .compare_exchange_weak(n, n + 1, Ordering::Acquire, Ordering::Relaxed)
            {
                Ok(_) => return true,
                Err(now) => n = now,
            }
        }
        false
    }

    /// Gives a reference back.
    #[inline(always)]
    pub(crate) fn release(&self) -> Release {
        // AcqRel: Release orders this owner's use of the record before the last owner's; Acquire makes the last owner see
        // all of them before it drops the inner waker.
        if self.0.fetch_sub(1, Ordering::AcqRel) == 1 {
            Release::Last
        } else {
            Release::Shared
        }
    }
}
