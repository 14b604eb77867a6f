//! Who waits for whom: deferred functions for guards, tasks for cycles.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use futures_lite::future::{block_on, zip};
use gort_gc::hooks::GuardWatch;
use gort_gc::{Report, collect, collect_async, set_report_hook, with};

/// Far more than anything takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// The test may have failed, and its end of the channel be gone.
fn send<T>(sender: &Sender<T>, message: T) {
    let _ = sender.send(message);
}

#[test]
fn a_deferred_function_runs_when_all_guards_that_were_there_have_ended() {
    let (end, ended) = channel::<()>();
    let (pinned, is_pinned) = channel();
    let may_run = Arc::new(AtomicBool::new(false));
    let holder = thread::spawn({
        let may_run = may_run.clone();
        move || {
            let g = gort_gc::pin();
            pinned.send(()).expect("the test waits");
            ended.recv().expect("the test says when");
            may_run.store(true, Ordering::SeqCst);
            drop(g);
        }
    });
    is_pinned.recv().expect("the thread is there");
    let (run, has_run) = channel();
    with(|g| g.defer(move || send(&run, may_run.load(Ordering::SeqCst))));
    let collecting = thread::spawn(collect);
    // It may not come, however long we wait.
    assert!(has_run.recv_timeout(Duration::from_millis(50)).is_err());
    end.send(()).expect("the thread waits");
    assert_eq!(has_run.recv_timeout(PATIENCE), Ok(true));
    collecting.join().expect("the cycle ends");
    holder.join().expect("the guard has ended");
}

#[test]
fn a_deferred_function_that_panics_holds_up_no_other() {
    let (run, has_run) = channel();
    with(|g| {
        g.defer(|| panic!("on purpose"));
        g.defer(move || send(&run, ()));
    });
    collect();
    assert_eq!(has_run.recv_timeout(PATIENCE), Ok(()));
}

#[test]
fn functions_deferred_by_a_thread_that_has_ended_run_too() {
    let (run, has_run) = channel();
    let deferring = thread::spawn(move || with(|g| g.defer(move || send(&run, ()))));
    deferring.join().expect("it only defers");
    collect();
    assert_eq!(has_run.recv_timeout(PATIENCE), Ok(()));
}

#[test]
fn a_function_may_defer_another() {
    let (run, has_run) = channel();
    let again = move || with(|g| g.defer(move || send(&run, ())));
    with(|g| g.defer(again));
    let done = Arc::new(AtomicBool::new(false));
    let collecting = thread::spawn({
        let done = done.clone();
        move || {
            while !done.load(Ordering::SeqCst) {
                collect();
            }
        }
    });
    assert_eq!(has_run.recv_timeout(PATIENCE), Ok(()));
    done.store(true, Ordering::SeqCst);
    collecting.join().expect("cycles end");
}

#[test]
fn a_task_that_waits_for_a_cycle_is_woken_by_one_that_began_later() {
    let before = collect().cycles;
    assert!(block_on(collect_async()).cycles > before);
    let (one, other) = block_on(zip(collect_async(), collect_async()));
    assert!(one.cycles > before + 1 && other.cycles > before + 1);
}

#[test]
fn a_dropped_wait_leaves_no_waker_behind() {
    struct Counted(AtomicUsize);
    impl Wake for Counted {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let counted = Arc::new(Counted(AtomicUsize::new(0)));
    let waker = Waker::from(counted.clone());
    let g = gort_gc::pin();
    {
        let mut waits = pin!(collect_async());
        for _ in 0..3 {
            let poll = waits.as_mut().poll(&mut Context::from_waker(&waker));
            // Our guard holds the cycle up.
            assert_eq!(poll, Poll::Pending);
        }
        // One for the test, one in its waker, and one that is registered.
        assert_eq!(Arc::strong_count(&counted), 3);
    }
    assert_eq!(Arc::strong_count(&counted), 2);
    drop(g);
    collect();
    assert_eq!(counted.0.load(Ordering::SeqCst), 0);
}

#[test]
fn a_panic_of_a_waker_stops_nobody() {
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("on purpose");
        }
    }
    let waker = Waker::from(Arc::new(Panics));
    let g = gort_gc::pin();
    let mut waits = pin!(collect_async());
    let poll = waits.as_mut().poll(&mut Context::from_waker(&waker));
    assert_eq!(poll, Poll::Pending);
    drop(g);
    collect();
    assert!(block_on(waits).cycles > 0);
}

#[test]
fn a_look_reports_a_guard_that_is_left_and_none_that_was_there() {
    let (sender, reports) = channel();
    set_report_hook(move |report| {
        if let Report::LeftGuard { thread, .. } = report {
            send(&sender, thread.clone());
        }
    });
    let named = |name: &str| thread::Builder::new().name(name.to_owned());
    let quiet = named("quiet").spawn(|| {
        let _held = gort_gc::pin();
        let watch = GuardWatch::new();
        with(|_| ());
        watch.look();
    });
    quiet.expect("it starts").join().expect("no panic");
    let leaving = named("leaving").spawn(|| {
        let watch = GuardWatch::new();
        let _left = gort_gc::pin();
        watch.look();
        watch.look();
    });
    leaving.expect("it starts").join().expect("no panic");
    let thread = reports.recv_timeout(PATIENCE).expect("one is left");
    assert_eq!(thread.as_deref(), Some("leaving"));
}
