//! The races of tasks that move in batches, and of futures that wait for a moment before they sleep: no task is left in a
//! queue with everyone asleep.
//!
//! State, seats, futures and sleepers are the real ones, the queues their stand-ins.

use std::future::{Pending, pending};
use std::pin::Pin;
use std::sync::Arc as StdArc;
use std::sync::atomic::AtomicBool as Flag;
use std::task::{Context, Poll, Wake, Waker};

use gort_primitives::atomic::AtomicBool;
use gort_primitives::seeded::with_bug;
use gort_primitives::sync::Arc;
use gort_primitives::thread;

use super::*;
use crate::executor::run::Run;

/// As loom's, with at most two preemptions: whole futures make many steps.
fn model(f: impl Fn() + Send + Sync + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(2);
    model.check(f);
}

/// An executor, and whether a task of it ran.
// Not loom's: it tells the model what happened, and orders nothing.
struct World(NonNull<State>, StdArc<Flag>);

// SAFETY: a state is shared between threads.
unsafe impl Send for World {}
// SAFETY: as above.
unsafe impl Sync for World {}

impl World {
    fn new() -> Arc<Self> {
        Arc::new(Self(State::new(), StdArc::default()))
    }

    fn state(&self) -> &'static State {
        // SAFETY: it lives until the last thread of the model has let go of the world, and no future outlives that.
        unsafe { self.0.as_ref() }
    }

    fn spawn(&self, tasks: usize) {
        for _ in 0..tasks {
            let ran = self.1.clone();
            let task = async move { ran.store(true, Ordering::SeqCst) };
            // SAFETY: the future is Send and borrows nothing.
            unsafe { self.state().spawn_unlisted(task) }.detach();
        }
    }

    fn ran(&self) -> bool {
        self.1.load(Ordering::SeqCst)
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

    fn poll(&mut self) {
        let waker = Waker::from(self.woken.clone());
        let poll = self.run.as_mut().poll(&mut Context::from_waker(&waker));
        assert_eq!(poll, Poll::Pending);
    }

    fn drive(&mut self) {
        self.drive_until(|| false);
    }

    /// Stops when `blocked` says so after a poll, which runs one task at most.
    fn drive_until(&mut self, blocked: impl Fn() -> bool) {
        // AcqRel: as the state of a parker.
        while !blocked() && self.woken.0.swap(false, Ordering::AcqRel) {
            self.poll();
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

/// One watches and takes one task, which then blocks its thread; another sleeps.
fn leave_a_watch() {
    model(|| {
        let world = World::new();
        let mut asleep = Driver::new(&world);
        asleep.drive();
        let thread = thread::spawn({
            let world = world.clone();
            move || world.spawn(2)
        });
        let mut watcher = Driver::new(&world);
        watcher.drive_until(|| world.ran());
        thread.join().expect("no panic");
        watcher.drive_until(|| world.ran());
        asleep.drive();
        assert!(!world.state().has_work(), "asleep beside a task");
    });
}

#[test]
fn model_what_came_during_a_watch_is_found() {
    leave_a_watch();
}

#[test]
#[should_panic(expected = "asleep beside a task")]
fn model_who_watched_must_wake_for_the_rest() {
    with_bug("no wake-up after a watch", leave_a_watch);
}

/// One that sleeps is polled for another reason, and watches while it is among the sleepers.
fn watch_from_the_list() {
    model(|| {
        let world = World::new();
        let mut driver = Driver::new(&world);
        driver.drive();
        let thread = thread::spawn({
            let world = world.clone();
            move || world.spawn(1)
        });
        driver.poll();
        thread.join().expect("no panic");
        driver.drive();
        assert!(!world.state().has_work(), "asleep beside a task");
    });
}

#[test]
fn model_a_sleeper_that_watches_misses_nothing() {
    watch_from_the_list();
}

#[test]
#[should_panic(expected = "asleep beside a task")]
fn model_who_watched_must_look_once_more() {
    with_bug("no look after a watch", watch_from_the_list);
}

#[test]
fn model_what_is_left_in_a_ring_is_found() {
    drive_beside(|_| (), |world| drop(world.spawn_seated(1)));
}
