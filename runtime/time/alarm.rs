//! Until when the driver of the reactor sleeps, and until when the monitor does: two words of the process, so that an earlier timer
//! can shorten the sleep.
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
//! While nobody drives, the monitor sees to the timers, by the same table and with a word of its own ([`Alarms`]): an armer that finds
//! no driver looks there, and wakes the monitor only if that means to sleep past the deadline. A monitor that is awake looks at
//! the shards before it sleeps. So a thread outside a runtime that arms and cancels one timer after the other wakes it once.
//!
//! Beside a driver that sleeps, the monitor wakes [`RARELY`] after the earliest deadline, in case that the driver does something else
//! by then. So a driver that wakes, and may compute for long, looks at the monitor's word in the same way, with so much more patience.
//! The monitor asks for a driver after the fence of its own announcement: then, if the armer's fence is first, it sees the timer;
//! if its own is first, the armer reads its word, or saw a driver, who reads it on leaving.
//!
//! Rejected: a lock around the words (each foreign timer would take the same one); notifying on every insert, as reactors with
//! one global set of timers do (a system call per timer).

use gort_primitives::atomic::{AtomicU64, Ordering, fence};

use super::clock::NEVER;

/// How late a timer may be while the driver that covered it does something else. As with sockets: a shorter time costs a wake-up
/// for each timer that the driver runs, and this one a hundred in a second at most.
const RARELY: u64 = 10_000_000;

/// Nobody sleeps. As a deadline it is earlier than any, so that no one is asked to shorten a sleep that does not happen.
const NOBODY: u64 = 0;

/// Until when one thread sleeps that sees to timers.
#[derive(Debug)]
pub(super) struct Alarm {
    until: AtomicU64,
}

/// What a sleeper has to do with a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Watch {
    /// It wakes in time.
    Covered,
    /// It sleeps longer; the caller must wake it now.
    Oversleeps,
    /// It does not sleep.
    Nobody,
}

/// Until when the two threads sleep that see to the timers of all others.
#[derive(Debug)]
pub(super) struct Alarms {
    /// The driver of the reactor, whichever thread that is.
    pub(super) driver: Alarm,
    /// The monitor. Until it is started it sleeps for ever.
    monitor: Alarm,
}

impl Alarms {
    pub(super) fn new() -> Alarms {
        Alarms {
            driver: Alarm::new(NOBODY),
            monitor: Alarm::new(NEVER),
        }
    }

    /// Sees to it that somebody wakes for `deadline`, which is in its shard's `next` by now.
    pub(super) fn see_to(&self, deadline: u64, driver: impl FnOnce(), monitor: impl FnOnce()) {
        match self.driver.look(deadline) {
            Watch::Covered => {}
            Watch::Oversleeps => driver(),
            // Who does not sleep looks before it does.
            Watch::Nobody => match self.monitor.look(deadline) {
                Watch::Covered | Watch::Nobody => {}
                Watch::Oversleeps => monitor(),
            },
        }
    }

    /// Sees to it that the monitor wakes not long after `next`, the earliest deadline of all shards. Called by a driver that is awake
    /// and may not look at the shards for some time.
    pub(super) fn driver_leaves(&self, next: u64, monitor: impl FnOnce()) {
        if next != NEVER && self.monitor.look(patient(next)) == Watch::Oversleeps {
            monitor();
        }
    }

    /// Announces that the monitor sleeps until the earliest deadline, or not much longer if a driver sees to that; returns until
    /// when it may. `notify` wakes a driver that sleeps past the deadline.
    pub(super) fn monitor_sleeps(&self, next: impl FnOnce() -> u64, notify: impl FnOnce()) -> u64 {
        self.monitor.announce(NEVER, || {
            let next = next();
            match self.driver.look(next) {
                Watch::Nobody => next,
                Watch::Covered => patient(next),
                Watch::Oversleeps => {
                    notify();
                    patient(next)
                }
            }
        })
    }

    /// Announces that the monitor sleeps until `wanted`, or until the earliest deadline of those that nobody else may be looking at
    /// now; returns until when it may.
    pub(super) fn monitor_pauses(&self, wanted: u64, next: impl FnOnce() -> u64) -> u64 {
        self.monitor
            .announce(wanted, || match self.driver.sleeps() {
                true => NEVER,
                false => next(),
            })
    }

    /// Announces that the monitor is awake.
    pub(super) fn monitor_wakes(&self) {
        self.monitor.clear();
    }
}

/// [`RARELY`] after `deadline`.
fn patient(deadline: u64) -> u64 {
    deadline.saturating_add(RARELY)
}

impl Alarm {
    fn new(until: u64) -> Alarm {
        Alarm {
            until: AtomicU64::new(until),
        }
    }

    /// Announces that the caller is going to sleep until `wanted`; returns until when it may, given what `next` says now.
    ///
    /// One caller at a time: the driver holds the baton, and there is one monitor.
    pub(super) fn announce(&self, wanted: u64, next: impl FnOnce() -> u64) -> u64 {
        self.set(wanted.max(1));
        // SeqCst: pairs with the fence in `look`; see the table above.
        fence(Ordering::SeqCst);
        let earliest = next();
        if earliest >= wanted {
            return wanted;
        }
        // Who still reads the later value notifies without need. This may overwrite the lower value of an armer; that armer's
        // notification is under way, so `until` is never earlier than the driver wakes.
        self.set(earliest.max(1));
        earliest
    }

    /// Stores what nobody else does but armers, in exchange for what was stored here before.
    fn set(&self, until: u64) {
        // Relaxed: the callers' fences order it before the reads of `next`, where it matters.
        #[cfg(not(gort_loom))]
        self.until.store(until, Ordering::Relaxed);
        // loom does not know that this follows each exchange of what its thread stored before, if it does not read.
        #[cfg(gort_loom)]
        self.until.swap(until, Ordering::Relaxed);
    }

    /// Announces that the caller is awake. Somebody must look at the shards again afterwards.
    pub(super) fn clear(&self) {
        self.set(NOBODY);
        // SeqCst: pairs with the fence in `look`. If ours is first, the armer reads `NOBODY`; if theirs is first, what is read of
        // the shards after this call includes their timer.
        fence(Ordering::SeqCst);
    }

    /// Whether the thread sleeps.
    pub(super) fn sleeps(&self) -> bool {
        // Relaxed: a hint.
        self.until.load(Ordering::Relaxed) != NOBODY
    }

    /// Finds out whether the thread sees to `deadline`, which is in its shard's `next` by now.
    pub(super) fn look(&self, deadline: u64) -> Watch {
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

    #[test]
    fn only_the_first_of_several_armers_notifies() {
        let alarm = Alarm::new(NOBODY);
        assert_eq!(alarm.look(50), Watch::Nobody);
        assert_eq!(alarm.announce(NEVER, || NEVER), NEVER);
        assert_eq!(alarm.look(50), Watch::Oversleeps);
        assert_eq!(alarm.look(60), Watch::Covered);
        assert_eq!(alarm.look(40), Watch::Oversleeps);
        alarm.clear();
        assert_eq!(alarm.look(50), Watch::Nobody);
    }

    #[test]
    fn the_monitor_is_woken_once_for_timers_that_come_and_go() {
        let alarms = Alarms::new();
        let woken = std::cell::Cell::new(0);
        let see_to = |deadline| {
            let driver = || unreachable!("nobody drives");
            alarms.see_to(deadline, driver, || woken.set(woken.get() + 1));
        };
        see_to(50);
        alarms.monitor_wakes();
        see_to(45);
        assert_eq!(alarms.monitor_sleeps(|| 50, || ()), 50);
        for deadline in 50..100 {
            see_to(deadline);
        }
        assert_eq!(woken.get(), 1);
        see_to(40);
        assert_eq!(woken.get(), 2);
    }

    #[test]
    fn the_monitor_leaves_timers_to_a_driver_but_not_for_ever() {
        let alarms = Alarms::new();
        assert_eq!(alarms.driver.announce(NEVER, || 50), 50);
        let until = alarms.monitor_sleeps(|| 50, || ());
        assert!(until > 50 && until < NEVER);
        alarms.driver.clear();
        alarms.driver_leaves(60, || unreachable!("it wakes in time"));
        let mut woken = false;
        alarms.driver_leaves(40, || woken = true);
        assert!(woken);
    }

    #[test]
    fn a_driver_sleeps_no_longer_than_the_earliest_timer() {
        let alarm = Alarm::new(NOBODY);
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
