//! The races of a goroutine's references, and of a request to stop, on the record and the waker that ship.
//!
//! async-task's part is a [`Task`] that counts its wakers and says when the last one was dropped.

use std::mem::ManuallyDrop;
use std::sync::atomic::AtomicU32 as Count;
use std::task::{RawWaker, RawWakerVTable, Waker};

use gort_primitives::atomic::AtomicBool;
use gort_primitives::cell::UnsafeCell;
use gort_primitives::model;
use gort_primitives::thread;

use super::*;
use crate::g::G;

static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, drop_waker);

/// The memory of a task. The poll's own waker is borrowed and does not count.
#[derive(Debug)]
struct Task {
    // Not loom's: they count, and order nothing.
    made: Count,
    dropped: Count,
    /// Read by each use of a waker, written when the last one goes: loom reports a use that is not ordered before that.
    memory: UnsafeCell<()>,
    /// async-task's state word.
    scheduled: AtomicBool,
}

// SAFETY: loom checks each access to `memory`.
unsafe impl Sync for Task {}

impl Task {
    fn wakers(&self) -> u32 {
        self.made.load(Ordering::SeqCst) - self.dropped.load(Ordering::SeqCst)
    }

    fn waker(&'static self) -> ManuallyDrop<Waker> {
        // SAFETY: the table is for tasks, which are never freed.
        ManuallyDrop::new(unsafe { Waker::from_raw(self.raw()) })
    }

    fn raw(&'static self) -> RawWaker {
        RawWaker::new(std::ptr::from_ref(self).cast(), &VTABLE)
    }

    /// The wake-up that ended a sleep, if there was one.
    fn take_wake(&self) -> bool {
        // AcqRel: as async-task's.
        self.scheduled.swap(false, Ordering::AcqRel)
    }
}

/// # Safety
///
/// `data` comes from [`Task::raw`].
unsafe fn task(data: *const ()) -> &'static Task {
    // SAFETY: such data is a task, and tasks are never freed.
    unsafe { &*data.cast::<Task>() }
}

unsafe fn clone(data: *const ()) -> RawWaker {
    // SAFETY: called through the table.
    let task = unsafe { task(data) };
    task.made.fetch_add(1, Ordering::SeqCst);
    task.raw()
}

unsafe fn wake(_: *const ()) {
    unreachable!("the record wakes by reference");
}

unsafe fn wake_by_ref(data: *const ()) {
    // SAFETY: called through the table.
    let task = unsafe { task(data) };
    assert_ne!(task.wakers(), 0, "woken through a waker that exists");
    task.memory.with(|_| ());
    // AcqRel: as async-task's.
    task.scheduled.swap(true, Ordering::AcqRel);
}

unsafe fn drop_waker(data: *const ()) {
    // SAFETY: called through the table.
    let task = unsafe { task(data) };
    assert_ne!(task.wakers(), 0, "dropped as often as made");
    task.dropped.fetch_add(1, Ordering::SeqCst);
    if task.wakers() == 0 {
        task.memory.with_mut(|_| ());
    }
}

/// A goroutine of generation 1 whose task is `task`. Leaked: a record outlives everything, and these are small.
fn goroutine() -> (&'static G, &'static Task) {
    let g: &G = Box::leak(Box::default());
    g.generation.store(1, Ordering::Relaxed);
    let task = Box::leak(Box::new(Task {
        made: Count::new(0),
        dropped: Count::new(0),
        memory: UnsafeCell::new(()),
        scheduled: AtomicBool::new(false),
    }));
    (g, task)
}

/// A goroutine in its first poll.
fn polled() -> (&'static G, &'static Task) {
    let (g, task) = goroutine();
    g.begin_poll(&task.waker());
    (g, task)
}

/// A goroutine that waits.
fn waiting() -> (&'static G, &'static Task) {
    let (g, task) = polled();
    assert!(g.end_poll(0));
    (g, task)
}

/// Asserts that nothing of the goroutine is left.
fn is_gone(g: &'static G, task: &Task) {
    assert_eq!(task.wakers(), 0, "the inner waker is dropped");
    assert!(g.refs.is_none());
    assert!(!g.wake_if_reachable());
}

#[test]
fn two_threads_that_borrow_the_waker_make_one() {
    model(|| {
        let (g, task) = polled();
        // A scoped thread of the poll.
        let scoped = thread::spawn(move || Waker::clone(&g.waker()));
        let mine = Waker::clone(&g.waker());
        let theirs = scoped.join().unwrap();
        assert_eq!(task.wakers(), 1);
        assert!(!g.end_poll(0), "the future has its reference");
        drop(mine);
        drop(theirs);
        assert!(g.refs.only_future());
        g.future_dropped();
        is_gone(g, task);
    });
}

#[test]
fn a_clone_beside_a_drop_of_the_first_clone_keeps_the_futures_reference() {
    model(|| {
        let (g, task) = polled();
        let scoped = thread::spawn(move || drop(Waker::clone(&g.waker())));
        drop(Waker::clone(&g.waker()));
        scoped.join().unwrap();
        assert!(g.refs.only_future());
        assert_eq!(task.wakers(), 1);
        g.future_dropped();
        is_gone(g, task);
    });
}

#[test]
fn the_last_owner_drops_the_inner_waker() {
    model(|| {
        let (g, task) = polled();
        let waker = Waker::clone(&g.waker());
        assert!(!g.end_poll(0));
        let user = thread::spawn(move || {
            let second = waker.clone();
            waker.wake();
            drop(second);
        });
        // Cancelled.
        g.future_dropped();
        user.join().unwrap();
        assert_eq!(task.made.load(Ordering::SeqCst), 1);
        is_gone(g, task);
    });
}

#[test]
fn an_upgrade_reaches_a_goroutine_that_waits_or_nobody() {
    model(|| {
        let (g, task) = waiting();
        let registry = thread::spawn(move || g.wake_if_reachable());
        g.future_dropped();
        let reached = registry.join().unwrap();
        assert_eq!(task.take_wake(), reached);
        is_gone(g, task);
    });
}

#[test]
fn an_upgrade_beside_the_last_waker_and_the_future_keeps_the_inner_waker() {
    model(|| {
        let (g, task) = polled();
        let waker = Waker::clone(&g.waker());
        assert!(!g.end_poll(0));
        let user = thread::spawn(move || drop(waker));
        let registry = thread::spawn(move || g.wake_if_reachable());
        g.future_dropped();
        user.join().unwrap();
        registry.join().unwrap();
        is_gone(g, task);
    });
}

#[test]
fn an_upgrade_beside_the_first_poll_sees_a_whole_waker() {
    model(|| {
        let (g, task) = goroutine();
        let registry = thread::spawn(move || g.wake_if_reachable());
        g.begin_poll(&task.waker());
        assert!(g.end_poll(0));
        let reached = registry.join().unwrap();
        assert_eq!(task.take_wake(), reached);
        assert!(g.wake_if_reachable());
        g.future_dropped();
        is_gone(g, task);
    });
}

#[test]
fn an_upgrade_beside_the_first_clone_sees_a_whole_waker() {
    model(|| {
        let (g, task) = goroutine();
        let registry = thread::spawn(move || g.wake_if_reachable());
        g.begin_poll(&task.waker());
        drop(Waker::clone(&g.waker()));
        let reached = registry.join().unwrap();
        assert_eq!(task.take_wake(), reached);
        // Ready in the first poll.
        g.future_dropped();
        is_gone(g, task);
    });
}

#[test]
fn what_an_owner_did_is_seen_when_the_future_is_the_only_one_left() {
    model(|| {
        let (g, _) = polled();
        let waker = Waker::clone(&g.waker());
        assert!(!g.end_poll(0));
        let user = thread::spawn(move || {
            g.wait.store(7, Ordering::Relaxed);
            drop(waker);
        });
        if g.looks_lost() {
            assert_eq!(g.wait.load(Ordering::Relaxed), 7);
        }
        user.join().unwrap();
        assert!(g.looks_lost());
    });
}

/// Polls until the goroutine was asked to stop or nobody has woken it. Returns whether it stopped.
fn run(g: &'static G, task: &'static Task) -> bool {
    let mut wanted = false;
    loop {
        g.begin_poll(&task.waker());
        if g.is_aborted() {
            return true;
        }
        assert!(!wanted, "only an abort wakes it");
        if g.end_poll(0) && g.is_aborted_after_arming() {
            return true;
        }
        wanted = task.take_wake();
        if !wanted {
            return false;
        }
    }
}

#[test]
fn a_goroutine_that_parks_misses_no_abort() {
    model(|| {
        let (g, task) = goroutine();
        let aborter = thread::spawn(move || g.abort(1));
        let stopped = run(g, task);
        aborter.join().unwrap();
        if !stopped {
            assert!(task.take_wake(), "it waits, and was woken");
            assert!(run(g, task));
        }
        g.future_dropped();
        is_gone(g, task);
    });
}

#[test]
fn an_abort_beside_the_end_of_a_goroutine_touches_nothing_that_is_gone() {
    model(|| {
        let (g, task) = waiting();
        let aborter = thread::spawn(move || g.abort(1));
        g.future_dropped();
        aborter.join().unwrap();
        is_gone(g, task);
    });
}

#[test]
fn a_stale_abort_stops_nobody_and_hides_no_other() {
    model(|| {
        let (g, _) = goroutine();
        let stale = thread::spawn(move || g.abort(1));
        // The record is used again; see `G::begin`.
        g.generation.store(2, Ordering::Relaxed);
        assert!(!g.is_aborted());
        g.abort(2);
        stale.join().unwrap();
        assert!(g.is_aborted());
    });
}
