//! The bell: makes a thread that waits in the kernel come back, at the price of a system call only if there is one.
//!
//! | | who | transition | then |
//! |---|---|---|---|
//! | B1 [`about_to_wait`](Bell::about_to_wait) | the driver | QUIET -> WAITING | waits in the kernel |
//! | | | RUNG -> QUIET | does not wait |
//! | B2 [`ring`](Bell::ring) | anybody | WAITING -> RUNG | writes to the eventfd |
//! | | | QUIET or RUNG -> RUNG | nothing |
//! | B3 [`back`](Bell::back) | the driver | any -> QUIET | looks at its queues |
//!
//! # No ring is lost
//!
//! A ringer queues work, then does B2; the driver does B1, waits, does B3, then looks at its queues. All three are
//! read-modify-writes of one word, so they have one order. If B2 comes before B1, the driver does not wait, and sees the
//! work when it looks. If B2 comes between B1 and B3, it finds WAITING and writes to the eventfd: the kernel remembers the
//! write, so it does not matter whether the driver is in the kernel yet. If B2 comes after B3, the driver's look at its queues
//! may have missed the work, but RUNG stays and the driver's next B1 finds it.
//!
//! A write may arrive after the driver has left (B2 is descheduled between its exchange and the write): the next wait
//! returns early, once, and finds nothing. That is why [`Driver::wait`](crate::Driver::wait) may return without a reason.
//!
//! Rejected: writing to the eventfd always (a system call per wake-up; smol does it), and a flag that the driver sets when
//! it blocks and a ringer only reads (two ringers both write).

use gort_primitives::atomic::{AtomicU32, Ordering};

const QUIET: u32 = 0;
const WAITING: u32 = 1;
const RUNG: u32 = 2;

/// The word of the module.
#[derive(Debug)]
pub(crate) struct Bell(AtomicU32);

/// Whether the ringer must make the kernel end the wait.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct MustWrite(pub(crate) bool);

/// Whether the driver may block.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct MayBlock(pub(crate) bool);

impl Bell {
    pub(crate) fn new() -> Self {
        Self(AtomicU32::new(QUIET))
    }

    /// B2: the driver that waits now, or else the next one that wants to, comes back at once.
    #[inline]
    pub(crate) fn ring(&self) -> MustWrite {
        // SeqCst: the work queued before this is seen by whoever does B1 or B3 after it; pairs with the exchanges there. It must be
        // an exchange even when the bell has rung already: a plain look could read the RUNG that the driver is
        // about to take down, without the driver seeing our work.
        MustWrite(self.0.swap(RUNG, Ordering::SeqCst) == WAITING)
    }

    /// B1: only the holder of the baton may call this. After `MayBlock(true)` it must call [`back`](Self::back).
    #[inline]
    pub(crate) fn about_to_wait(&self) -> MayBlock {
        // SeqCst: if this is first, a ringer finds WAITING; if the ringer is first, we find RUNG. Pairs with `ring`.
        let quiet = self
            .0
            .compare_exchange(QUIET, WAITING, Ordering::SeqCst, Ordering::SeqCst);
        if quiet.is_err() {
            self.back();
        }
        MayBlock(quiet.is_ok())
    }

    /// B3: only the holder of the baton may call this.
    #[inline]
    pub(crate) fn back(&self) {
        // SeqCst: acquires the work of every ringer up to here; pairs with `ring`. It must be an exchange: a store would not read
        // what the ringer wrote, and its work might stay invisible.
        self.0.swap(QUIET, Ordering::SeqCst);
    }
}

#[cfg(all(test, not(gort_loom)))]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_ring_of_a_wait_costs_a_write() {
        let bell = Bell::new();
        assert_eq!(bell.about_to_wait(), MayBlock(true));
        assert_eq!(bell.ring(), MustWrite(true));
        assert_eq!(bell.ring(), MustWrite(false));
        bell.back();
        assert_eq!(bell.about_to_wait(), MayBlock(true));
    }

    #[test]
    fn a_ring_with_nobody_there_is_kept_for_one_wait() {
        let bell = Bell::new();
        assert_eq!(bell.ring(), MustWrite(false));
        assert_eq!(bell.ring(), MustWrite(false));
        assert_eq!(bell.about_to_wait(), MayBlock(false));
        assert_eq!(bell.about_to_wait(), MayBlock(true));
    }
}

#[cfg(all(test, gort_loom))]
mod model {
    use super::*;
    use gort_primitives::atomic::AtomicBool;
    use gort_primitives::sync::{Arc, Condvar, Mutex};
    use gort_primitives::thread;

    /// The kernel's part: an eventfd in edge mode, which remembers a write until a wait reports it.
    struct Kernel {
        edge: Mutex<u32>,
        arrived: Condvar,
    }

    impl Kernel {
        fn write(&self) {
            *self.edge.lock().unwrap() += 1;
            self.arrived.notify_one();
        }

        fn wait(&self) {
            let mut edge = self.edge.lock().unwrap();
            while *edge == 0 {
                edge = self.arrived.wait(edge).unwrap();
            }
            *edge = 0;
        }
    }

    /// A driver waits without a timeout until it has seen the work of every ringer. loom reports a deadlock if a ring is lost.
    fn every_ringer_is_heard(ringers: usize) {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(3);
        builder.check(move || {
            let bell = Arc::new(Bell::new());
            let kernel = Arc::new(Kernel {
                edge: Mutex::new(0),
                arrived: Condvar::new(),
            });
            let work: Vec<_> = (0..ringers)
                .map(|_| Arc::new(AtomicBool::new(false)))
                .collect();
            let writes = Arc::new(Mutex::new(0));
            let threads: Vec<_> = work
                .iter()
                .map(|work| {
                    let (bell, kernel) = (Arc::clone(&bell), Arc::clone(&kernel));
                    let (work, writes) = (Arc::clone(work), Arc::clone(&writes));
                    thread::spawn(move || {
                        // Relaxed: the bell alone must make it visible.
                        work.store(true, Ordering::Relaxed);
                        if bell.ring() == MustWrite(true) {
                            *writes.lock().unwrap() += 1;
                            kernel.write();
                        }
                    })
                })
                .collect();
            let mut waits = 0;
            while !work.iter().all(|work| work.load(Ordering::Relaxed)) {
                if bell.about_to_wait() == MayBlock(true) {
                    waits += 1;
                    kernel.wait();
                    bell.back();
                }
            }
            for thread in threads {
                thread.join().unwrap();
            }
            assert!(
                *writes.lock().unwrap() <= waits,
                "at most one system call for each wait"
            );
        });
    }

    #[test]
    fn model_no_ring_is_lost() {
        every_ringer_is_heard(1);
    }

    #[test]
    fn model_two_ringers_are_both_heard() {
        every_ringer_is_heard(2);
    }
}
