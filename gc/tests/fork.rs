//! A child of `fork`: it cannot use the heap if its parent has, and is told so; else the heap is its own.

#![cfg(unix)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::time::{Duration, Instant};
use std::{env, thread};

use gort_gc::{External, collect, heap_profile, hooks, pin, set_gc_percent, stats, with};

/// Set in a process that was started by a test, and so has few threads, which hold no locks of the standard library.
const CHILD: &str = "GORT_TEST_CHILD";

/// Far more than anything takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs the test with this name in a process of its own, unless this is that process already.
#[track_caller]
fn alone(test: &str) -> bool {
    if env::var_os(CHILD).is_some() {
        return true;
    }
    let output = Command::new(env::current_exe().expect("a test is a program"))
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(CHILD, "1")
        .output()
        .expect("it can be started again");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    false
}

/// Calls `f` in a child of `fork`, and waits for its end.
#[track_caller]
fn in_fork(f: impl FnOnce()) {
    // SAFETY: there is no other thread that is at work and holds a lock.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0, "no child");
    if pid == 0 {
        let ended = catch_unwind(AssertUnwindSafe(f)).is_ok();
        // SAFETY: it ends the process, and runs nothing of ours.
        unsafe { libc::_exit(i32::from(!ended)) };
    }
    let end = Instant::now() + PATIENCE;
    let mut status = 0;
    // SAFETY: our own child, and a place for its status.
    while unsafe { libc::waitpid(pid, &raw mut status, libc::WNOHANG) } == 0 {
        if Instant::now() > end {
            // SAFETY: our own child, which has not been waited for.
            unsafe { libc::kill(pid, libc::SIGKILL) };
            panic!("the child hangs");
        }
        thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(status, 0, "the child has failed");
}

/// Tells whether `f` panics because of the fork.
fn is_refused<R>(f: impl FnOnce() -> R) -> bool {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(_) => false,
        Err(payload) => payload
            .downcast_ref::<&str>()
            .is_some_and(|text| text.contains("a fork of one that has used the gc heap")),
    }
}

#[test]
fn a_child_is_told_that_it_has_no_heap() {
    if !alone("a_child_is_told_that_it_has_no_heap") {
        return;
    }
    let root = with(|g| g.alloc(String::from("seven")).root(g));
    let external = External::new(1_000);
    collect();
    in_fork(|| {
        assert!(is_refused(pin));
        assert!(is_refused(|| with(|g| *g.alloc(7))));
        assert!(is_refused(|| root.clone()));
        assert!(is_refused(|| root.downgrade()));
        assert!(is_refused(collect) && is_refused(stats));
        assert!(is_refused(|| set_gc_percent(None)));
        assert!(is_refused(heap_profile));
        assert!(is_refused(|| External::new(1)));
        // A thread of the child's own.
        assert!(thread::spawn(|| is_refused(pin)).join().expect("it ends"));
        // What ends, ends.
        drop((root, external));
        hooks::flush();
        assert!(!hooks::help());
    });
}

#[test]
fn the_parent_goes_on() {
    if !alone("the_parent_goes_on") {
        return;
    }
    let root = with(|g| g.alloc(String::from("seven")).root(g));
    for _ in 0..3 {
        in_fork(|| assert!(is_refused(pin)));
        collect();
        with(|g| {
            g.alloc([0_u8; 1_000]);
            assert_eq!(*root.get(g), "seven");
        });
    }
}

#[test]
fn a_guard_that_is_held_over_the_fork_ends() {
    if !alone("a_guard_that_is_held_over_the_fork_ends") {
        return;
    }
    let mut g = pin();
    let seven = g.alloc(7);
    assert_eq!(*seven, 7);
    in_fork(|| {
        assert!(is_refused(|| g.repin()));
        drop(g);
        assert!(is_refused(pin));
    });
}

#[test]
fn a_guard_that_is_held_over_the_fork_gets_no_memory() {
    if !alone("a_guard_that_is_held_over_the_fork_gets_no_memory") {
        return;
    }
    let g = pin();
    let root = g.alloc(7).root(&g);
    in_fork(|| {
        assert_eq!(*root.get(&g), 7);
        // What the thread has at hand, and not more: others may have held the locks when the process forked.
        assert!(is_refused(|| (0..10_000).for_each(|n| _ = g.alloc(n))));
        assert!(is_refused(|| g.alloc([0_u8; 1 << 20])));
        assert!(is_refused(|| vec![root.clone(); 10_000]));
        assert!(is_refused(|| g.defer(|| ())));
        drop(root);
    });
}

#[test]
fn a_child_of_a_process_without_a_heap_has_its_own() {
    if !alone("a_child_of_a_process_without_a_heap_has_its_own") {
        return;
    }
    in_fork(|| {
        let root = with(|g| g.alloc(String::from("seven")).root(g));
        collect();
        with(|g| assert_eq!(*root.get(g), "seven"));
    });
    // And the parent.
    assert_eq!(with(|g| *g.alloc(8)), 8);
    collect();
}
