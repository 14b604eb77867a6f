//! A task that is queued is found, or somebody was woken for it.

use std::sync::Arc as StdArc;
use std::sync::atomic::AtomicUsize as Count;
use std::task::Wake;

use gort_primitives::atomic::AtomicUsize;
use gort_primitives::model;
use gort_primitives::sync::Arc;
use gort_primitives::thread;

use super::*;

/// Counts its wake-ups. Not loom's: it orders nothing.
#[derive(Default)]
struct Wakes(Count);

impl Wake for Wakes {
    fn wake(self: StdArc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

struct World {
    sleepers: Sleepers,
    tasks: AtomicUsize,
}

impl World {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            sleepers: Sleepers::new(),
            tasks: AtomicUsize::new(0),
        })
    }

    /// `State::schedule`.
    fn push(&self) {
        // AcqRel: as a queue's own.
        self.tasks.fetch_add(1, Ordering::AcqRel);
        fence(Ordering::SeqCst);
        self.sleepers.wake_one();
    }

    fn take(&self) -> bool {
        let take = |tasks: usize| tasks.checked_sub(1);
        self.tasks
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, take)
            .is_ok()
    }

    /// `run::find`. Returns whether it found a task.
    fn find(&self, name: &Name, waker: &Waker) -> bool {
        loop {
            if self.take() {
                if self.sleepers.wake_up(name) {
                    fence(Ordering::SeqCst);
                    if self.tasks.load(Ordering::Acquire) > 0 {
                        self.sleepers.wake_one();
                    }
                }
                return true;
            }
            if self.sleepers.sleep(name, waker) == Look::No {
                return false;
            }
        }
    }
}

#[test]
fn a_task_beside_one_who_falls_asleep_is_found() {
    model(|| {
        let world = World::new();
        let pusher = thread::spawn({
            let world = world.clone();
            move || world.push()
        });
        let wakes = StdArc::new(Wakes::default());
        let found = world.find(&Name::default(), &Waker::from(wakes.clone()));
        pusher.join().unwrap();
        assert!(found || wakes.0.load(Ordering::SeqCst) == 1);
    });
}

#[test]
fn a_task_left_to_one_who_was_woken_is_found() {
    model(|| {
        let world = World::new();
        // Two sleep; each task wakes one, or relies on who is on the way.
        let all: Vec<_> = (0..2)
            .map(|_| {
                let wakes = StdArc::new(Wakes::default());
                let (name, waker) = (Name::default(), Waker::from(wakes.clone()));
                assert!(!world.find(&name, &waker));
                (name, waker, wakes)
            })
            .collect();
        let pusher = thread::spawn({
            let world = world.clone();
            move || {
                world.push();
                world.push();
            }
        });
        let poll_woken = |seen: &mut [usize; 2]| {
            let mut any = false;
            for ((name, waker, wakes), seen) in all.iter().zip(seen) {
                let woken = wakes.0.load(Ordering::SeqCst);
                if woken > *seen {
                    *seen = woken;
                    any = true;
                    while world.find(name, waker) {}
                }
            }
            any
        };
        let mut seen = [0; 2];
        poll_woken(&mut seen);
        pusher.join().unwrap();
        while poll_woken(&mut seen) {}
        assert_eq!(world.tasks.load(Ordering::Acquire), 0, "left behind");
    });
}
