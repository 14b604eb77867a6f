//! The races of the list of sleepers: no task is left in a queue with everyone asleep.
//!
//! The rings and the global queue are stood in for by counters: a push is a plain Release store or an increment, a take a
//! decrement that fails at zero.

use std::sync::Arc as StdArc;
use std::task::Wake;

use gort_primitives::atomic::AtomicBool;
use gort_primitives::model;
use gort_primitives::sync::Arc;
use gort_primitives::thread;

use super::*;

/// Queues, and who sleeps.
struct World {
    sleepers: Sleepers,
    queues: [AtomicUsize; 2],
}

/// Whether a future was woken.
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: StdArc<Self>) {
        // A swap: loom does not order a store against the swap of `drive`.
        self.0.swap(true, Ordering::SeqCst);
    }
}

/// A `run()` or `tick()` future.
struct Driver {
    place: Place,
    woken: StdArc<Woken>,
}

impl Driver {
    fn new() -> Self {
        Self {
            place: Place::default(),
            woken: StdArc::new(Woken(AtomicBool::new(false))),
        }
    }

    /// `Sleep::poll_take`. Returns whether it took a task.
    fn poll(&mut self, world: &World) -> bool {
        let waker = Waker::from(self.woken.clone());
        loop {
            if world.take() {
                if world.sleepers.withdraw(&mut self.place) && world.has_work() {
                    world.sleepers.wake_one();
                }
                return true;
            }
            if !world.sleepers.announce(&mut self.place, &waker) {
                return false;
            }
        }
    }

    /// As its caller does: polls as long as it is woken.
    fn drive(&mut self, world: &World) {
        while self.poll(world) || self.woken.0.swap(false, Ordering::SeqCst) {}
    }

    /// `Sleep::drop`.
    fn drop(mut self, world: &World) {
        if world.sleepers.withdraw(&mut self.place) {
            world.sleepers.wake_one();
        }
    }
}

impl World {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            sleepers: Sleepers::new(),
            queues: [AtomicUsize::new(0), AtomicUsize::new(0)],
        })
    }

    /// `State::schedule` into a queue that has one writer.
    fn push(&self, queue: usize) {
        let len = self.queues[queue].load(Ordering::Relaxed);
        // Release: a push into a ring.
        self.queues[queue].store(len + 1, Ordering::Release);
        self.sleepers.wake_one();
    }

    fn take(&self) -> bool {
        self.queues.iter().any(|queue| {
            queue
                .fetch_update(Ordering::AcqRel, Ordering::Acquire, |len| {
                    len.checked_sub(1)
                })
                .is_ok()
        })
    }

    fn has_work(&self) -> bool {
        let len = |queue: &AtomicUsize| queue.load(Ordering::Acquire);
        self.queues.iter().any(|queue| len(queue) != 0)
    }
}

#[test]
fn model_a_push_against_a_sleeper() {
    model(|| {
        let world = World::new();
        let other = world.clone();
        let push = thread::spawn(move || other.push(0));
        let mut driver = Driver::new();
        driver.drive(&world);
        push.join().expect("no panic");
        // What was pushed after its last look has woken it.
        if driver.woken.0.load(Ordering::SeqCst) {
            driver.drive(&world);
        }
        assert!(!world.has_work(), "asleep beside a task");
    });
}

#[test]
fn model_a_push_while_one_of_two_sleepers_is_dropped() {
    model(|| {
        let world = World::new();
        let mut first = Driver::new();
        let mut second = Driver::new();
        assert!(!first.poll(&world) && !second.poll(&world));
        let other = world.clone();
        let push = thread::spawn(move || other.push(0));
        second.drop(&world);
        push.join().expect("no panic");
        if world.has_work() {
            assert!(first.woken.0.load(Ordering::SeqCst), "asleep beside a task");
            first.drive(&world);
        }
        assert!(!world.has_work());
    });
}

#[test]
fn model_a_task_that_moves_between_queues_is_not_missed() {
    model(|| {
        let world = World::new();
        // In the global queue; a seat takes it into its ring, and will not look there for long: its future is parked.
        world.queues[1].store(1, Ordering::Relaxed);
        let other = world.clone();
        let moves = thread::spawn(move || {
            if other.take() {
                other.push(0);
            }
        });
        let mut driver = Driver::new();
        driver.drive(&world);
        moves.join().expect("no panic");
        if driver.woken.0.load(Ordering::SeqCst) {
            driver.drive(&world);
        }
        assert!(!world.has_work(), "asleep beside a task");
    });
}

#[test]
fn model_two_pushes_and_two_sleepers() {
    model(|| {
        let world = World::new();
        let mut first = Driver::new();
        assert!(!first.poll(&world));
        let other = world.clone();
        let pushes = thread::spawn(move || {
            other.push(0);
            other.push(0);
        });
        let mut second = Driver::new();
        // Takes one at most, as a future that runs a task which blocks.
        let took = second.poll(&world);
        pushes.join().expect("no panic");
        if world.has_work() {
            let woken = |driver: &Driver| driver.woken.0.load(Ordering::SeqCst);
            assert!(
                woken(&first) || (!took && woken(&second)),
                "a task waits, and nobody that may take it is awake"
            );
        }
    });
}
