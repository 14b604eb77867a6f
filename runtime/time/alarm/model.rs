//! The races of the alarm, on the shard and the alarm that ship.

use std::sync::Arc as StdArc;
use std::task::{Wake, Waker};

use gort_primitives::sync::{Arc, Condvar, Mutex};
use gort_primitives::thread;

use super::{Alarm, Alarms, NOBODY, Watch, patient};
use crate::time::clock::NEVER;
use crate::time::shard::Shard;

/// A waker that loom does not know of: the models are about the words, not about it.
struct Silent;

impl Wake for Silent {
    fn wake(self: StdArc<Self>) {}
}

struct World {
    alarm: Alarm,
    shard: Shard,
    notified: Mutex<bool>,
    changed: Condvar,
}

impl World {
    fn new() -> Arc<World> {
        Arc::new(World {
            alarm: Alarm::new(NOBODY),
            shard: Shard::new(),
            notified: Mutex::new(false),
            changed: Condvar::new(),
        })
    }

    /// A foreign thread arms a timer and does what the protocol asks of it.
    fn arm(&self, deadline: u64) -> Watch {
        let (_slot, _) = self.shard.arm(deadline, Waker::from(StdArc::new(Silent)));
        let watch = self.alarm.look(deadline);
        if watch == Watch::Oversleeps {
            *self.notified.lock().unwrap() = true;
            self.changed.notify_one();
        }
        watch
    }

    /// The reactor's wait without a timeout: a lost notification is a deadlock, which loom reports.
    fn wait(&self) {
        let mut notified = self.notified.lock().unwrap();
        while !*notified {
            notified = self.changed.wait(notified).unwrap();
        }
        *notified = false;
    }

    /// Drives until the sleep would end at `deadline` or before.
    fn drive_to(&self, deadline: u64) {
        while self.alarm.announce(NEVER, || self.shard.next()) > deadline {
            self.wait();
            self.alarm.clear();
        }
        self.alarm.clear();
        assert_eq!(self.shard.run_due(deadline, &mut Vec::new(), usize::MAX), 1);
    }
}

#[test]
fn model_a_driver_never_oversleeps_a_new_timer() {
    loom::model(|| {
        let world = World::new();
        let armer = thread::spawn({
            let world = world.clone();
            move || world.arm(50)
        });
        world.drive_to(50);
        let _ = armer.join().unwrap();
    });
}

#[test]
fn model_the_second_armer_may_rely_on_the_first() {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(|| {
        let world = World::new();
        let armers = [60, 50].map(|deadline| {
            let world = world.clone();
            thread::spawn(move || world.arm(deadline))
        });
        world.drive_to(50);
        for armer in armers {
            let _ = armer.join().unwrap();
        }
        assert_eq!(world.shard.next(), 60);
    });
}

#[test]
fn model_a_timer_behind_a_leaving_driver_is_seen_by_it_or_by_nobody() {
    loom::model(|| {
        let world = World::new();
        assert_eq!(world.alarm.announce(100, || world.shard.next()), 100);
        let armer = thread::spawn({
            let world = world.clone();
            move || world.arm(150)
        });
        world.alarm.clear();
        let seen = world.shard.next() == 150;
        let watch = armer.join().unwrap();
        assert!(seen || watch == Watch::Nobody);
        assert_ne!(watch, Watch::Oversleeps);
    });
}

/// The monitor, while a driver goes.
struct Alone {
    alarms: Alarms,
    shard: Shard,
    kicked: Mutex<bool>,
    wake: Condvar,
}

impl Alone {
    /// A driver sleeps until `until`.
    fn new(until: u64) -> Arc<Alone> {
        let alone = Alone {
            alarms: Alarms::new(),
            shard: Shard::new(),
            kicked: Mutex::new(false),
            wake: Condvar::new(),
        };
        assert_eq!(alone.alarms.driver.announce(until, || NEVER), until);
        Arc::new(alone)
    }

    fn kick(&self) {
        *self.kicked.lock().unwrap() = true;
        self.wake.notify_one();
    }

    /// A foreign thread arms a timer. Nobody answers when the driver is notified: it goes.
    fn arm(&self, deadline: u64) {
        let (_slot, _) = self.shard.arm(deadline, Waker::from(StdArc::new(Silent)));
        self.alarms.see_to(deadline, || (), || self.kick());
    }

    /// The driver wakes, and does something else from then on.
    fn stop_driving(&self) {
        self.alarms.driver.clear();
        self.alarms.driver_leaves(self.shard.next(), || self.kick());
    }

    /// The monitor sleeps deeply, until the sleep would end at `limit` or before. The timer of `deadline` is due then.
    fn watch(&self, deadline: u64, limit: u64) {
        while self.alarms.monitor_sleeps(|| self.shard.next(), || ()) > limit {
            let mut kicked = self.kicked.lock().unwrap();
            while !*kicked {
                kicked = self.wake.wait(kicked).unwrap();
            }
            *kicked = false;
            drop(kicked);
            self.alarms.monitor_wakes();
        }
        assert_eq!(self.shard.run_due(deadline, &mut Vec::new(), usize::MAX), 1);
    }
}

#[test]
fn model_the_monitor_sees_to_a_timer_that_a_leaving_driver_may_have_covered() {
    for deadline in [50, 150] {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(3);
        builder.check(move || {
            let world = Alone::new(100);
            let armer = thread::spawn({
                let world = world.clone();
                move || world.arm(deadline)
            });
            let driver = thread::spawn({
                let world = world.clone();
                move || world.stop_driving()
            });
            world.watch(deadline, patient(deadline));
            armer.join().unwrap();
            driver.join().unwrap();
        });
    }
}

#[test]
fn model_the_monitor_is_woken_for_the_earliest_of_the_timers_that_nobody_else_covers() {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(|| {
        let world = Alone::new(100);
        world.alarms.driver.clear();
        let armers = [60, 50].map(|deadline| {
            let world = world.clone();
            thread::spawn(move || world.arm(deadline))
        });
        world.watch(50, 50);
        for armer in armers {
            armer.join().unwrap();
        }
    });
}
