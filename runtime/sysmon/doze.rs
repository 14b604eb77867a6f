//! The word of the monitor's deep sleep: the table of the module above.

use gort_primitives::atomic::{AtomicBool, Ordering, fence};

/// Whether the monitor sleeps deeply, or is about to.
#[derive(Debug)]
pub(super) struct Doze(AtomicBool);

impl Doze {
    #[cfg(not(gort_loom))]
    pub(super) const fn new() -> Self {
        Self(AtomicBool::new(false))
    }

    #[cfg(gort_loom)]
    pub(super) fn new() -> Self {
        Self(AtomicBool::new(false))
    }

    /// Step 1 of the left column. Step 2 follows.
    pub(super) fn begin(&self) {
        self.0.store(true, Ordering::SeqCst);
        // SeqCst: before the look at the idle sets; pairs with the count of an M that takes up a P, which `is_set` follows.
        fence(Ordering::SeqCst);
    }

    pub(super) fn end(&self) {
        // Relaxed: an M that reads the old value wakes a monitor that is awake.
        self.0.store(false, Ordering::Relaxed);
    }

    /// Step 2 of the right column. Whoever reads true [disturbs](Self::disturb) the sleep.
    #[inline]
    pub(super) fn is_set(&self) -> bool {
        // SeqCst: after the count of the P; see `begin`.
        gort_primitives::atomic::totally_ordered();
        self.0.load(Ordering::SeqCst)
    }

    /// Ends the sleep. Returns whether the caller is the one to kick the monitor.
    pub(super) fn disturb(&self) -> bool {
        // AcqRel: of many one kicks; the monitor learns the rest from its own round.
        self.0.swap(false, Ordering::AcqRel)
    }
}

#[cfg(all(test, gort_loom))]
mod model {
    use gort_primitives::atomic::AtomicBool;
    use gort_primitives::sync::{Arc, Condvar, Mutex};
    use gort_primitives::thread;

    use super::*;
    use crate::idle::Idle;

    /// A runtime, the monitor's word and bell, and the baton of the reactor.
    struct World {
        idle: Idle<u8>,
        doze: Doze,
        kicked: Mutex<bool>,
        wake: Condvar,
        driven: AtomicBool,
    }

    impl World {
        fn new(procs: usize) -> Arc<Self> {
            Arc::new(Self {
                idle: Idle::new(procs),
                doze: Doze::new(),
                kicked: Mutex::new(false),
                wake: Condvar::new(),
                driven: AtomicBool::new(true),
            })
        }

        fn kick(&self) {
            *self.kicked.lock().unwrap() = true;
            self.wake.notify_one();
        }

        /// `Here::gain_p`.
        fn take_up_a_p(&self) {
            assert!(self.idle.take_p().is_some());
            if self.doze.is_set() && self.doze.disturb() {
                self.kick();
            }
        }

        /// A thread that has driven, and will not any more.
        fn stop_driving(&self) {
            // Release: as `Baton::give_back`.
            self.driven.store(false, Ordering::Release);
            self.kick();
        }

        /// `all_idle`.
        fn may_sleep(&self) -> bool {
            // Relaxed: as `Reactor::is_driven`.
            self.driven.load(Ordering::Relaxed) && self.idle.all_idle()
        }

        /// `Monitor::run`, until there is something to see.
        fn monitor(&self) {
            loop {
                self.doze.begin();
                if !self.may_sleep() {
                    return;
                }
                let mut kicked = self.kicked.lock().unwrap();
                while !*kicked {
                    kicked = self.wake.wait(kicked).unwrap();
                }
                *kicked = false;
                drop(kicked);
                self.doze.end();
            }
        }
    }

    /// loom reports a deadlock if the monitor sleeps on.
    fn model(model: impl Fn() + Send + Sync + 'static) {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(2);
        builder.check(model);
    }

    #[test]
    fn model_the_monitor_sees_each_m_that_takes_up_a_p() {
        model(|| {
            let world = World::new(2);
            let ms = [(); 2].map(|()| {
                let world = Arc::clone(&world);
                thread::spawn(move || world.take_up_a_p())
            });
            world.monitor();
            for m in ms {
                m.join().unwrap();
            }
        });
    }

    #[test]
    fn model_the_monitor_sees_a_driver_that_leaves_and_says_so() {
        model(|| {
            let world = World::new(1);
            let driver = {
                let world = Arc::clone(&world);
                thread::spawn(move || world.stop_driving())
            };
            world.monitor();
            driver.join().unwrap();
        });
    }

    #[test]
    fn model_a_driver_that_leaves_beside_an_m_that_takes_up_a_p_is_seen() {
        model(|| {
            let world = World::new(1);
            let driver = {
                let world = Arc::clone(&world);
                thread::spawn(move || world.stop_driving())
            };
            let m = {
                let world = Arc::clone(&world);
                thread::spawn(move || world.take_up_a_p())
            };
            world.monitor();
            driver.join().unwrap();
            m.join().unwrap();
        });
    }
}
