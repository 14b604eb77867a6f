//! The number of Ps changes while the runtime runs, and nothing is lost.

#![cfg(unix)]

use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::thread;
use std::time::Duration;

use gort::{Builder, Runtime, task, time};
#[cfg(target_os = "linux")]
use rustix::process::Pid;
#[cfg(target_os = "linux")]
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use support::{progress, rounds, run, within_patience};

mod support;

fn runtime(procs: usize) -> Runtime {
    let builder = Builder::new().procs(procs).on_stall(|_| {});
    builder.build().expect("threads to run on")
}

#[test]
fn a_number_that_no_runtime_can_have_is_a_clear_error() {
    let rt = runtime(3);
    for bad in [0, 65_536] {
        let error = rt.handle().set_procs(bad).expect_err("out of range");
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert!(error.to_string().contains("from 1 to 65535"), "{error}");
    }
    assert_eq!(rt.handle().procs(), 3);
    let local = Builder::new().local().build().expect("a runtime");
    let error = local.handle().set_procs(2).expect_err("it has one");
    assert!(error.to_string().contains("exactly one P"), "{error}");
    assert_eq!(local.handle().set_procs(1).expect("as it is"), 1);
}

#[test]
fn one_p_and_then_many_serve_everybody() {
    within_patience(|| {
        let rt = runtime(4);
        run(&rt, progress());
        assert_eq!(rt.handle().set_procs(1).expect("in range"), 4);
        run(&rt, progress());
        assert_eq!(rt.handle().set_procs(8).expect("in range"), 1);
        run(&rt, progress());
        // As many at once as there are Ps.
        let meet = Arc::new(Barrier::new(8));
        let all: Vec<_> = (0..8)
            .map(|_| {
                let meet = meet.clone();
                rt.go(async move { meet.wait() })
            })
            .collect();
        for one in all {
            rt.block_on(one).expect("no panic");
        }
        assert_eq!(rt.handle().procs(), 8);
    });
}

#[test]
fn a_goroutine_may_change_the_number_it_runs_with() {
    within_patience(|| {
        let rt = runtime(2);
        let changer = rt.go(async {
            let handle = gort::Handle::current();
            for procs in [1, 5, 2, 1, 3] {
                handle.set_procs(procs).expect("in range");
                task::yield_now().await;
                gort::go(progress()).await.expect("no panic");
            }
        });
        rt.block_on(changer).expect("no panic");
    });
}

#[test]
fn changes_under_load_lose_no_goroutine_no_wake_and_no_timer() {
    const GOROUTINES: usize = 200;
    within_patience(|| {
        let rt = runtime(2);
        let stop = Arc::new(AtomicBool::new(false));
        let changer = thread::spawn({
            let (handle, stop) = (rt.handle().clone(), stop.clone());
            move || {
                while !stop.load(Ordering::SeqCst) {
                    handle.set_procs(fastrand::usize(1..=8)).expect("in range");
                    thread::sleep(Duration::from_micros(fastrand::u64(0..2_000)));
                }
            }
        });
        for _ in 0..rounds(3) {
            storm(&rt, GOROUTINES);
        }
        stop.store(true, Ordering::SeqCst);
        changer.join().expect("no panic");
        rt.handle().set_procs(2).expect("in range");
        run(&rt, progress());
        rt.shutdown(support::PATIENCE).expect("nothing is stuck");
    });
}

/// Goroutines that spawn, yield, wake each other, sleep, compute and block, all of which end.
fn storm(rt: &Runtime, goroutines: usize) {
    let ended = Arc::new(AtomicUsize::new(0));
    let all: Vec<_> = (0..goroutines)
        .map(|i| {
            let ended = ended.clone();
            rt.go(async move {
                for step in 0..10 {
                    match (i + step) % 5 {
                        0 => time::sleep(Duration::from_micros(500)).await,
                        1 => gort::go(task::yield_now()).await.expect("no panic"),
                        2 => task::yield_now().await,
                        3 if i % 16 == 0 => thread::sleep(Duration::from_millis(2)),
                        _ => assert_eq!(gort::blocking(|| step), step),
                    }
                }
                ended.fetch_add(1, Ordering::SeqCst);
            })
        })
        .collect();
    for one in all {
        rt.block_on(one).expect("no panic");
    }
    assert_eq!(ended.load(Ordering::SeqCst), goroutines);
}

#[test]
fn a_p_whose_holder_blocks_can_be_taken_from_a_runtime() {
    within_patience(|| {
        let rt = runtime(2);
        let (tell, told) = mpsc::channel();
        let pipes: Vec<_> = (0..2)
            .map(|i| {
                let (mut reader, writer) = io::pipe().expect("descriptors");
                let tell = tell.clone();
                rt.go(async move {
                    // Behind it in the queues of its M.
                    gort::go(async move { tell.send(i) });
                    let _ = reader.read(&mut [0]);
                });
                writer
            })
            .collect();
        rt.handle().set_procs(1).expect("in range");
        let mut behind: Vec<i32> = told.iter().take(2).collect();
        behind.sort_unstable();
        assert_eq!(behind, [0, 1]);
        run(&rt, progress());
        // They come back to a runtime that has no P for both, and then to one that has.
        drop(pipes);
        run(&rt, progress());
        rt.handle().set_procs(2).expect("in range");
        run(&rt, progress());
    });
}

/// Restricts every thread of this process to the first `cpus` of `allowed`, as `taskset -a` does.
#[cfg(target_os = "linux")]
fn allow_cpus(allowed: &CpuSet, cpus: usize) {
    let mut set = CpuSet::new();
    let all = (0..CpuSet::MAX_CPU).filter(|&cpu| allowed.is_set(cpu));
    all.take(cpus).for_each(|cpu| set.set(cpu));
    for thread in std::fs::read_dir("/proc/self/task").expect("it is there") {
        let name = thread.expect("it can be read").file_name();
        let tid = name.to_str().and_then(|name| name.parse().ok());
        let tid = tid.and_then(Pid::from_raw).expect("a number");
        // A thread may have ended since.
        let _ = sched_setaffinity(Some(tid), &set);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn the_number_follows_the_cpus_that_the_process_may_use() {
    let name = "the_number_follows_the_cpus_that_the_process_may_use";
    if !support::is_child() {
        // A process of its own: the other tests want their CPUs.
        let status = support::child(name).status().expect("it starts");
        return assert!(status.success(), "{status}");
    }
    within_patience(|| {
        let allowed = sched_getaffinity(None).expect("it is known");
        let all = gort::available_procs();
        let following = Builder::new().build().expect("threads");
        let fixed = runtime(all);
        let set = Builder::new().build().expect("threads");
        assert_eq!(set.handle().set_procs(all).expect("in range"), all);
        for cpus in [1, all] {
            allow_cpus(&allowed, cpus);
            // The monitor looks once a second while somebody is at work.
            while following.handle().procs() != cpus {
                run(&following, time::sleep(Duration::from_millis(1)));
            }
        }
        assert_eq!(fixed.handle().procs(), all);
        assert_eq!(set.handle().procs(), all);
    });
}
