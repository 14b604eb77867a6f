//! Until when the driver of the reactor sleeps: one word of the process, so that an earlier timer can shorten the sleep.
//!
//! A driver takes the earliest deadline of all shards as its timeout. An earlier timer armed meanwhile must either be seen by
//! the driver before it sleeps, or its armer must see the driver and wake it. Each side writes, fences and reads the other's word:
//!
//! | driver ([`Alarm::announce`]) | armer (arm, then [`Alarm::look`]) |
//! |---|---|
//! | 1. `until` = the deadline it means to sleep to | 1. `shard.next` = the new deadline (under the shard's lock) |
//! | 2. SeqCst fence | 2. SeqCst fence |
//! | 3. read `next` of every shard; sleep to the earliest | 3. read `until`: later than the deadline? notify the driver |
//!
//! If the driver's fence is first, the armer reads its `until` (or a later value) and notifies. If the armer's fence is first,
//! the driver reads the new `next`. Both may happen: one spurious wake.
//!
//! Who notifies first lowers `until` to its deadline, so that the armers behind it need not notify again.
//!
//! Leaving is the same race with [`Alarm::clear`] in the driver's place. An armer that read the old `until` relies on somebody
//! who looks at the shards again after the clear: the leaver itself, or the thread it leaves the driving to.
//!
//! Who arms into the shard of its own P does not look: it has the P, so it will run its timers or look before it parks. Who arms
//! into any other shard looks at once.
//!
//! Rejected: a lock around both words (each foreign timer would take the same one); notifying on every insert, as reactors with
//! one global set of timers do (a system call per timer).

use gort_primitives::atomic::{AtomicU64, Ordering, fence};

/// Nobody sleeps. As a deadline it is earlier than any, so that no one is asked to shorten a sleep that does not happen.
const NOBODY: u64 = 0;

/// Until when the driver of the reactor sleeps.
#[derive(Debug)]
pub(crate) struct Alarm {
    until: AtomicU64,
}

/// Who sees to a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Watch {
    /// The driver wakes in time.
    Covered,
    /// The driver sleeps longer; the caller must notify it now.
    Oversleeps,
    /// No driver sleeps.
    Nobody,
}

impl Alarm {
    pub(super) fn new() -> Alarm {
        Alarm {
            until: AtomicU64::new(NOBODY),
        }
    }

    /// Announces that the caller is going to sleep until `wanted`; returns until when it may, given what `next` says now.
    ///
    /// One driver at a time: the caller holds the baton.
    pub(super) fn announce(&self, wanted: u64, next: impl FnOnce() -> u64) -> u64 {
        // Relaxed: the fence orders it before the reads of `next`.
        self.until.store(wanted.max(1), Ordering::Relaxed);
        // SeqCst: pairs with the fence in `look`; see the table above.
        fence(Ordering::SeqCst);
        let earliest = next();
        if earliest >= wanted {
            return wanted;
        }
        // Relaxed: who still reads the later value notifies without need. It may overwrite the lower value of an armer; that
        // armer's notification is under way, so `until` is never earlier than the driver wakes.
        self.until.store(earliest.max(1), Ordering::Relaxed);
        earliest
    }

    /// Announces that the driver is awake. Somebody must look at the shards again afterwards.
    pub(crate) fn clear(&self) {
        // Relaxed: ordered by the fence.
        self.until.store(NOBODY, Ordering::Relaxed);
        // SeqCst: pairs with the fence in `look`. If ours is first, the armer reads `NOBODY`; if theirs is first, what is read of
        // the shards after this call includes their timer.
        fence(Ordering::SeqCst);
    }

    /// Finds out who sees to `deadline`, which is in its shard's `next` by now.
    pub(crate) fn look(&self, deadline: u64) -> Watch {
        // SeqCst: pairs with the fences in `announce` and `clear`.
        fence(Ordering::SeqCst);
        // Relaxed: ordered by the fence.
        let mut until = self.until.load(Ordering::Relaxed);
        while until > deadline {
            // Relaxed, both: the notification that follows carries its own ordering.
            match self.until.compare_exchange_weak(
                until,
                deadline.max(1),
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Watch::Oversleeps,
                Err(now) => until = now,
            }
        }
        match until {
            NOBODY => Watch::Nobody,
            _ => Watch::Covered,
        }
    }
}

#[cfg(all(test, gort_loom))]
mod model;

#[cfg(all(test, not(gort_loom)))]
mod tests {
    use super::*;
    use crate::time::clock::NEVER;

    #[test]
    fn only_the_first_of_several_armers_notifies() {
        let alarm = Alarm::new();
        assert_eq!(alarm.look(50), Watch::Nobody);
        assert_eq!(alarm.announce(NEVER, || NEVER), NEVER);
        assert_eq!(alarm.look(50), Watch::Oversleeps);
        assert_eq!(alarm.look(60), Watch::Covered);
        assert_eq!(alarm.look(40), Watch::Oversleeps);
        alarm.clear();
        assert_eq!(alarm.look(50), Watch::Nobody);
    }

    #[test]
    fn a_driver_sleeps_no_longer_than_the_earliest_timer() {
        let alarm = Alarm::new();
        assert_eq!(alarm.announce(100, || 70), 70);
        assert_eq!(alarm.look(80), Watch::Covered);
        assert_eq!(alarm.announce(100, || 0), 0);
        assert_eq!(
            alarm.look(0),
            Watch::Oversleeps,
            "a deadline of 0 is not nobody"
        );
    }
}
