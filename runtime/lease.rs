//! The lease word: whether an M holds the right to run goroutines, and which P gave it that right.
//!
//! One word per M packs a generation, the index of the P, request flags and the state. The hot path of a poll reads it
//! once, with one compare against the value that [`Lease::acquire`] returned; everything else is rare.
//!
//! | | who | transition | when |
//! |---|---|---|---|
//! | T1 [`acquire`](Lease::acquire) | the M | NONE -> HELD, generation + 1 | it was given an idle P |
//! | T2 [`release`](Lease::release) | the M | CAS HELD -> NONE | it parks, blocks, or exits |
//! | T3 [`revoke`](Lease::revoke) | the monitor | CAS HELD, same generation -> REVOKED | its poll does not end |
//! | T4 [`undo`](Lease::undo) | the monitor | CAS REVOKED -> HELD | the poll ended after all |
//! | T5 [`acknowledge`](Lease::acknowledge), `release` | the M | CAS REVOKED -> NONE | end of the poll, or as T2 |
//!
//! # Invariants
//!
//! 1. A live P is in exactly one place: the idle set, one HELD word, one hand that moves it (an M between T2 and the idle set, or
//!    the monitor between T3 and the next owner), or the `next_p` of one parked M. One that has retired is in none.
//! 2. Only the M leaves NONE; only the monitor enters REVOKED.
//! 3. The word is 0 only before the first lease, when the M has not polled yet.
//!
//! # Why each transition is a compare-and-swap
//!
//! * T2 as a store: the monitor's T3 may come between the M's last look and the store. Both then believe they own the P.
//! * T5 as a swap: the monitor's T4 may come between the M's look and the swap. The swap throws away a HELD that names a P,
//!   and nobody owns it any more.
//! * T3 without the generation: an M that parked and came back holds the same P under a new lease; revoking that one on
//!   the evidence of the old poll takes the P from an M that does nothing wrong.
//!
//! Flags share the word, so a CAS can fail because a flag was set: it is read again, and only REVOKED means that P is gone.
//!
//! Rejected: a lock around the P on every scheduling operation (three to four locked instructions per goroutine), and one
//! CAS per poll that announces "in a poll" (5 ns of a 50 ns yield, and the wakes of a long poll stay invisible).

use std::num::NonZeroU64;

use gort_primitives::atomic::{AtomicU64, Ordering};

#[cfg(all(test, gort_loom))]
mod model;

/// The M runs nothing.
const NONE: u64 = 0;
/// The M holds the P named in the word.
const HELD: u64 = 1;
/// The monitor took the P away; the M has not noticed yet.
const REVOKED: u64 = 2;
const STATE: u64 = 3;

const FLAG_SHIFT: u32 = 2;
const FLAGS: u64 = ((1 << 14) - 1) << FLAG_SHIFT;
const P_SHIFT: u32 = 16;
const GENERATION: u64 = 1 << 32;

const _: () = {
    assert!(STATE & FLAGS == 0);
    assert!(STATE + FLAGS < 1 << P_SHIFT);
};

/// A request to the M, seen after the current poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub(crate) enum Flag {
    /// Set if the goroutine has used up its time slice. Set by the monitor only, taken by the M.
    Slice = 1 << FLAG_SHIFT,
    /// Set if the M shall stop for good. Never cleared.
    Shutdown = 1 << (FLAG_SHIFT + 1),
    /// Set if there are more Ps than are wanted, and the M's may be one of them. Set by the monitor only, taken by the M.
    Retire = 1 << (FLAG_SHIFT + 2),
}

/// Proof of a lease: the word as [`Lease::acquire`] left it.
///
/// Equal to the word for as long as the lease is held and nobody asks for anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Held(NonZeroU64);

impl Held {
    /// The lease of a word that says HELD, whatever flags are set.
    fn of(word: u64) -> Self {
        Self(NonZeroU64::new(word & !FLAGS).expect("HELD is not 0"))
    }

    #[inline(always)]
    fn word(self) -> u64 {
        self.0.get()
    }

    /// The P this lease is for.
    pub(crate) fn p(self) -> usize {
        p_of(self.word())
    }
}

/// What [`Lease::release`] found.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Released {
    /// The P is in the caller's hand now.
    P(usize),
    /// The monitor has it; the word says NONE, as after [`Lease::acknowledge`].
    Revoked,
}

/// What [`Lease::acknowledge`] found.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Acknowledged {
    /// The P is gone; the M holds nothing.
    Gone,
    /// An undo won: the M owns its P as if nothing had happened.
    StillHeld(Held),
}

/// The word. See the [module](self).
#[derive(Debug)]
pub(crate) struct Lease(AtomicU64);

impl Lease {
    pub(crate) fn new() -> Self {
        Self(AtomicU64::new(NONE))
    }

    /// T1: takes up a lease for a P that the caller has in its hand.
    ///
    /// # Panics
    ///
    /// Panics if the M holds a lease already: two Ps on one thread would run one of them never.
    pub(crate) fn acquire(&self, p: usize) -> Held {
        let mut word = self.0.load(Ordering::Relaxed);
        loop {
            assert_eq!(word & STATE, NONE, "acquire: the M holds a P already");
            let generation = match (word & !(GENERATION - 1)).wrapping_add(GENERATION) {
                // Invariant 3.
                0 => GENERATION,
                next => next,
            };
            let new = generation | (p as u64) << P_SHIFT | (word & FLAGS) | HELD;
            // AcqRel: Acquire pairs with the Release of whoever set a flag; Release publishes the generation to `revoke`.
            match self
                .0
                .compare_exchange(word, new, Ordering::AcqRel, Ordering::Relaxed)
            {
                Ok(_) => return Held::of(new),
                Err(now) => word = now,
            }
        }
    }

    /// Returns whether anything happened since the lease was taken: the one check of the hot path. True without a lease.
    #[inline(always)]
    pub(crate) fn changed(&self, held: Option<Held>) -> bool {
        // Relaxed: a request that is missed now is seen after the next poll. A missed revocation costs one extra runner for
        // one poll; whatever that poll makes ready is caught by `still_held` and by the monitor's second look.
        self.0.load(Ordering::Relaxed) != held.map_or(0, Held::word)
    }

    /// [`changed`](Self::changed) after a push into the M's own slot or ring: false only if the lease is
    /// [`still_held`](Self::still_held).
    #[inline(always)]
    pub(crate) fn changed_by_now(&self, held: Option<Held>) -> bool {
        // SeqCst: as in `still_held`.
        self.0.load(Ordering::SeqCst) != held.map_or(0, Held::word)
    }

    /// Returns whether the M holds its lease, for a decision that may be stale.
    #[inline(always)]
    pub(crate) fn seems_held(&self) -> bool {
        // Relaxed: the answer only chooses a queue; `still_held` decides after the push.
        self.0.load(Ordering::Relaxed) & STATE == HELD
    }

    /// Returns whether the lease is still held after a push into the M's own slot or ring.
    ///
    /// If our push is first in the total order of SeqCst operations, the monitor, which revokes before it drains, finds the
    /// goroutine there. If its revocation is first, we see it here and drain ourselves.
    #[inline(always)]
    pub(crate) fn still_held(&self) -> bool {
        // SeqCst: the second half of a Dekker pair with the CAS in `revoke`; the first half is the SeqCst push or fence of
        // the caller.
        self.0.load(Ordering::SeqCst) & STATE == HELD
    }

    /// T2: gives the lease up. If it was revoked, this is T5.
    ///
    /// One loop for both: an undo between a failed T2 and a T5 of its own would hand the P to an M that is about to sleep.
    pub(crate) fn release(&self) -> Released {
        let mut word = self.0.load(Ordering::Relaxed);
        loop {
            let released = match word & STATE {
                HELD => Released::P(p_of(word)),
                REVOKED => Released::Revoked,
                _ => unreachable!("release: the M holds no P"),
            };
            let new = word & !STATE;
            // AcqRel: Release publishes what this M did under the lease to the next `acquire` of the P, which reads the P
            // through the idle set's lock; Acquire pairs with a revocation that won.
            match self
                .0
                .compare_exchange(word, new, Ordering::AcqRel, Ordering::Relaxed)
            {
                Ok(_) => return released,
                Err(now) => word = now,
            }
        }
    }

    /// T5: takes note that the lease was revoked.
    pub(crate) fn acknowledge(&self) -> Acknowledged {
        let mut word = self.0.load(Ordering::Relaxed);
        loop {
            match word & STATE {
                HELD => return Acknowledged::StillHeld(Held::of(word)),
                NONE => return Acknowledged::Gone,
                _ => {}
            }
            // AcqRel: Acquire pairs with the CAS of `revoke`, so that what the monitor moved is seen as moved.
            match self
                .0
                .compare_exchange(word, word & !STATE, Ordering::AcqRel, Ordering::Relaxed)
            {
                Ok(_) => return Acknowledged::Gone,
                Err(now) => word = now,
            }
        }
    }

    /// Asks the M for something.
    pub(crate) fn raise(&self, flag: Flag) {
        // Release: publishes the reason (the runtime's closing state) to the Acquire in `take` and `raised`.
        self.0.fetch_or(flag as u64, Ordering::Release);
    }

    /// Returns whether `flag` is set, and clears it.
    pub(crate) fn take(&self, flag: Flag) -> bool {
        // Acquire: pairs with `raise`.
        self.0.fetch_and(!(flag as u64), Ordering::Acquire) & flag as u64 != 0
    }

    /// Returns whether `flag` is set.
    pub(crate) fn raised(&self, flag: Flag) -> bool {
        // Acquire: pairs with `raise`.
        self.0.load(Ordering::Acquire) & flag as u64 != 0
    }

    /// Returns the lease that is held now, for a later [`revoke`](Self::revoke).
    pub(crate) fn observe(&self) -> Option<Held> {
        let word = self.0.load(Ordering::Relaxed);
        (word & STATE == HELD).then(|| Held::of(word))
    }

    /// Returns whether the P was taken away, and the M has not noticed yet: whether it is an orphan.
    pub(crate) fn is_revoked(&self) -> bool {
        self.0.load(Ordering::Relaxed) & STATE == REVOKED
    }

    /// T3: takes the P away from an M that is stuck in the poll during which `seen` was observed.
    ///
    /// On success the P is in the caller's hand.
    #[must_use]
    pub(crate) fn revoke(&self, seen: Held) -> bool {
        let mut word = self.0.load(Ordering::Relaxed);
        loop {
            if word & !FLAGS != seen.word() {
                return false;
            }
            let new = word & !STATE | REVOKED;
            // SeqCst: the first half of the Dekker pair with `still_held`; draining the M's queues comes after.
            match self
                .0
                .compare_exchange(word, new, Ordering::SeqCst, Ordering::Relaxed)
            {
                Ok(_) => {
                    gort_primitives::atomic::totally_ordered();
                    return true;
                }
                Err(now) => word = now,
            }
        }
    }

    /// T4: gives the P back, before anyone else has heard of it.
    ///
    /// Fails if the M has acknowledged meanwhile; the P stays in the caller's hand then.
    #[must_use]
    pub(crate) fn undo(&self, seen: Held) -> bool {
        let mut word = self.0.load(Ordering::Relaxed);
        loop {
            if word & !FLAGS != seen.word() & !STATE | REVOKED {
                return false;
            }
            let new = word & !STATE | HELD;
            // AcqRel: Release lets the M's `acknowledge` see what the monitor did with the P in hand.
            match self
                .0
                .compare_exchange(word, new, Ordering::AcqRel, Ordering::Relaxed)
            {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
    }
}

fn p_of(word: u64) -> usize {
    (word >> P_SHIFT) as u16 as usize
}

/// The most Ps a runtime can have.
pub(crate) const MAX_PROCS: usize = u16::MAX as usize;

#[cfg(all(test, not(gort_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_flag_changes_the_word_but_not_the_lease() {
        let lease = Lease::new();
        let held = lease.acquire(3);
        assert!(!lease.changed(Some(held)));
        assert!(lease.changed(None));
        lease.raise(Flag::Slice);
        assert!(lease.changed(Some(held)) && lease.changed_by_now(Some(held)));
        assert!(lease.still_held());
        assert!(lease.take(Flag::Slice));
        assert!(!lease.take(Flag::Slice));
        assert!(!lease.changed(Some(held)) && !lease.changed_by_now(Some(held)));
        assert_eq!(lease.release(), Released::P(3));
        assert!(lease.changed(None) && lease.changed(Some(held)));
    }

    #[test]
    fn a_stale_observation_revokes_nothing() {
        let lease = Lease::new();
        lease.acquire(1);
        let seen = lease.observe().expect("held");
        assert_eq!(lease.release(), Released::P(1));
        lease.acquire(1);
        assert!(!lease.revoke(seen));
        let seen = lease.observe().expect("held");
        assert!(lease.revoke(seen));
        assert_eq!(lease.release(), Released::Revoked);
        assert_eq!(lease.acknowledge(), Acknowledged::Gone);
        assert!(!lease.undo(seen));
    }

    #[test]
    fn a_flag_survives_revocation_and_undo() {
        let lease = Lease::new();
        let held = lease.acquire(MAX_PROCS);
        let seen = lease.observe().expect("held");
        lease.raise(Flag::Shutdown);
        assert!(lease.revoke(seen));
        assert!(lease.undo(seen));
        assert_eq!(lease.acknowledge(), Acknowledged::StillHeld(held));
        assert!(lease.raised(Flag::Shutdown));
        assert_eq!(held.p(), MAX_PROCS);
    }
}
