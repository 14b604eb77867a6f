//! The races of tasks that move in batches, and of futures that wait for a moment before they sleep: no task is left in a
//! queue with everyone asleep.
//!
//! State, seats, futures and sleepers are the real ones, the queues their stand-ins.

use std::future::{Pending, pending};
use std::pin::Pin;
use std::sync::Arc as StdArc;
use std::task::{Context, Poll, Wake, Waker};

use gort_primitives::atomic::AtomicBool;
use gort_primitives::model;
use gort_primitives::seeded::with_bug;
use gort_primitives::sync::Arc;
use gort_primitives::thread;

use super::*;
use crate::executor::run::Run;

/// An executor.
struct World(NonNull<State>);

// SAFETY: a state is shared between threads.
unsafe impl Send for World {}
// SAFETY: as above.
unsafe impl Sync for World {}

impl World {
    fn new() -> Arc<Self> {
        Arc::new(Self(State::new()))
    }

    fn state(&self) -> &'static State {
        // SAFETY: it lives until the last thread of the model has let go of the world, and no future outlives that.
        unsafe { self.0.as_ref() }
    }

    fn spawn(&self, tasks: usize) {
        for _ in 0..tasks {
            // SAFETY: the future is Send and borrows nothing.
            unsafe { self.state().spawn_unlisted(async {}) }.detach();
        }
    }

    /// Takes one task, as a `run()` whose task then blocks its thread. Returns its claim.
    fn take_one(&self) -> Claim {
        let claim = self.state().claim();
        if let Some(runnable) = self.state().take(&claim) {
            runnable.run();
        }
        claim
    }

    /// Puts tasks into a ring, and returns the claim of that.
    fn spawn_seated(&self, tasks: usize) -> Claim {
        let claim = self.state().claim();
        let _seated = State::sit(&claim);
        self.spawn(tasks);
        claim
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // SAFETY: made by `new`, and this is the end of the model.
        unsafe { State::end(self.0) };
    }
}

/// Whether a future was woken.
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: StdArc<Self>) {
        // AcqRel: as the state of a parker.
        self.0.swap(true, Ordering::AcqRel);
    }
}

/// A thread that polls a `run()` future as long as that is woken.
struct Driver {
    run: Pin<Box<Run<'static, State, Pending<()>>>>,
    woken: StdArc<Woken>,
}

impl Driver {
    fn new(world: &World) -> Self {
        Self {
            run: Box::pin(Run::new(world.state(), pending())),
            woken: StdArc::new(Woken(AtomicBool::new(true))),
        }
    }

    fn drive(&mut self) {
        let waker = Waker::from(self.woken.clone());
        // AcqRel: as the state of a parker.
        while self.woken.0.swap(false, Ordering::AcqRel) {
            let poll = self.run.as_mut().poll(&mut Context::from_waker(&waker));
            assert_eq!(poll, Poll::Pending);
        }
    }
}

/// Drives a `run()` beside a thread that leaves work behind, and may keep what it holds for ever. All of the work is done.
fn drive_beside<P, R: 'static>(
    prepare: impl Fn(&World) -> P + Send + Sync + 'static,
    other: impl Fn(&World) -> R + Copy + Send + Sync + 'static,
) {
    model(move || {
        let world = World::new();
        let _prepared = prepare(&world);
        let thread = thread::spawn({
            let world = world.clone();
            move || other(&world)
        });
        let mut driver = Driver::new(&world);
        driver.drive();
        let _held = thread.join().expect("no panic");
        driver.drive();
        assert!(!world.state().has_work(), "asleep beside a task");
    });
}

/// Tasks in the global queue move to the ring of one whose task then blocks.
fn take_a_batch() {
    drive_beside(|world| world.spawn(3), World::take_one);
}

#[test]
fn model_the_rest_of_a_batch_is_found() {
    take_a_batch();
}

#[test]
#[should_panic(expected = "asleep beside a task")]
fn model_who_takes_a_batch_must_wake_for_the_rest() {
    with_bug("no wake-up for the rest of a batch", take_a_batch);
}

/// Tasks move from ring to ring.
fn steal_a_batch() {
    drive_beside(|world| world.spawn_seated(3), World::take_one);
}

#[test]
fn model_the_rest_of_the_loot_is_found() {
    steal_a_batch();
}

#[test]
#[should_panic(expected = "asleep beside a task")]
fn model_a_thief_must_wake_for_the_rest() {
    with_bug("no wake-up for the rest of a batch", steal_a_batch);
}

/// Tasks come from outside.
fn push(tasks: usize) {
    drive_beside(|_| (), move |world| world.spawn(tasks));
}

#[test]
fn model_a_push_beside_one_that_waits_before_it_sleeps() {
    push(1);
}

#[test]
fn model_two_pushes_beside_one_that_waits_before_it_sleeps() {
    push(2);
}

#[test]
#[should_panic(expected = "asleep beside a task")]
fn model_who_goes_to_sleep_must_look_once_more() {
    with_bug("no look after the announcement", || push(1));
}

#[test]
#[should_panic(expected = "asleep beside a task")]
fn model_a_push_comes_before_the_look_for_sleepers() {
    with_bug("no fence before the look for sleepers", || push(1));
}

#[test]
fn model_what_is_left_in_a_ring_is_found() {
    drive_beside(|_| (), |world| drop(world.spawn_seated(1)));
}
