//! Storms: many more Ps than CPUs, random cancellation, wakes from everywhere. `GORT_STRESS` multiplies the rounds.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use futures::channel::{mpsc, oneshot};
use futures::{SinkExt, StreamExt};
use gort::Builder;
use support::{Census, PATIENCE, rounds};

mod support;

#[test]
fn sixty_four_ps_on_few_cpus_lose_nothing() {
    let rt = Builder::new().procs(64).build().expect("a runtime");
    for _ in 0..rounds(3) {
        let done = Arc::new(AtomicUsize::new(0));
        let tasks: Vec<_> = (0..64)
            .map(|_| {
                let done = done.clone();
                rt.spawn(async move {
                    let mut inner = Vec::new();
                    for i in 0..200u64 {
                        let done = done.clone();
                        inner.push(gort::spawn(async move {
                            if i % 3 == 0 {
                                gort::task::yield_now().await;
                            }
                            done.fetch_add(1, Ordering::Relaxed);
                        }));
                    }
                    for task in inner {
                        task.await;
                    }
                })
            })
            .collect();
        rt.block_on(async {
            for task in tasks {
                task.await;
            }
        });
        assert_eq!(done.load(Ordering::Relaxed), 64 * 200);
    }
    rt.shutdown(PATIENCE).expect("nothing is stuck");
}

#[test]
fn values_cross_between_workers_and_foreign_threads() {
    for procs in [1, 2, 4] {
        let rt = Builder::new().procs(procs).build().expect("a runtime");
        let n = rounds(5_000) as u64;
        let (mut to_echo, mut echo_in) = mpsc::channel::<u64>(4);
        let (mut echo_out, mut from_echo) = mpsc::channel::<u64>(4);
        rt.spawn(async move {
            while let Some(v) = echo_in.next().await {
                echo_out.send(v + 1).await.expect("the test listens");
            }
        })
        .detach();
        // A thread that knows no runtime.
        let foreign = thread::spawn(move || {
            futures::executor::block_on(async move {
                let mut sum = 0;
                for i in 0..n {
                    to_echo.send(i).await.expect("the goroutine listens");
                    sum += from_echo.next().await.expect("it answers");
                }
                sum
            })
        });
        let sum = foreign.join().expect("no panics");
        assert_eq!(sum, n * (n - 1) / 2 + n);
    }
}

#[test]
fn random_cancellation_loses_no_memory_and_no_wakes() {
    let rt = Builder::new().procs(4).build().expect("a runtime");
    let census = Census::default();
    for _ in 0..rounds(200) {
        let mut answers = Vec::new();
        for _ in 0..50 {
            let (tell, told) = oneshot::channel();
            let alive = census.born();
            let worker = rt.spawn(async move {
                let _alive = alive;
                for _ in 0..fastrand::usize(..4) {
                    gort::task::yield_now().await;
                }
                let _ = tell.send(());
            });
            let alive = census.born();
            let waiter = rt.go(async move {
                let _alive = alive;
                told.await.is_ok()
            });
            match fastrand::u8(..4) {
                0 => drop(worker),
                1 => {
                    worker.detach();
                    waiter.abort();
                }
                _ => worker.detach(),
            }
            answers.push(waiter);
        }
        rt.block_on(async {
            for answer in answers {
                // Either it ran to its end, or it was aborted; it must not hang.
                let _ = answer.await;
            }
        });
    }
    rt.shutdown(PATIENCE).expect("nothing is stuck");
    assert_eq!(census.alive(), 0);
}

#[test]
fn runtimes_come_and_go_under_load() {
    for round in 0..rounds(100) {
        let rt = Builder::new()
            .procs(1 + round % 4)
            .build()
            .expect("a runtime");
        let census = Census::default();
        for _ in 0..20 {
            let alive = census.born();
            rt.spawn(async move {
                let _alive = alive;
                loop {
                    gort::time::sleep(Duration::from_micros(fastrand::u64(..300))).await;
                    gort::task::yield_now().await;
                }
            })
            .detach();
        }
        if round % 3 == 0 {
            thread::sleep(Duration::from_micros(fastrand::u64(..500)));
        }
        rt.shutdown(PATIENCE).expect("nothing is stuck");
        assert_eq!(census.alive(), 0);
    }
}

#[test]
fn a_blocked_worker_keeps_nobody_from_running() {
    let rt = Builder::new().procs(2).build().expect("a runtime");
    let (release, wait) = std::sync::mpsc::channel::<()>();
    let (blocked, is_blocked) = std::sync::mpsc::channel();
    // Its own child is in its next slot while it blocks.
    let parent = rt.spawn(async move {
        let (give, take) = oneshot::channel();
        gort::go(async move {
            let _ = give.send(gort::go(async { 7 }));
            blocked.send(()).expect("the test waits");
            let _ = wait.recv();
        });
        let child = take.await.expect("it was sent");
        child.await.expect("it ends")
    });
    is_blocked.recv_timeout(PATIENCE).expect("it runs");
    assert_eq!(rt.block_on(parent), 7);
    rt.block_on(async {
        for _ in 0..20 {
            gort::time::sleep(Duration::from_millis(1)).await;
        }
    });
    drop(release);
    rt.shutdown(PATIENCE).expect("nothing is stuck any more");
}

/// An M passes its slot over after three polls from it, for the sake of its ring; if a thief has emptied the ring just then, the
/// slot must still be seen before the M sleeps.
#[test]
fn a_slot_is_not_forgotten_when_a_thief_empties_the_ring() {
    let rt = Builder::new().procs(2).build().expect("a runtime");
    for _ in 0..rounds(300) {
        let pairs: Vec<_> = (0..5)
            .map(|_| {
                let (mut to, mut from) = mpsc::channel::<u32>(0);
                rt.spawn(async move {
                    for i in 0..40 {
                        to.send(i).await.expect("it listens");
                    }
                })
                .detach();
                rt.spawn(async move {
                    let mut n = 0;
                    while from.next().await.is_some() {
                        n += 1;
                    }
                    n
                })
            })
            .collect();
        rt.block_on(async {
            for pair in pairs {
                assert_eq!(pair.await, 40);
            }
        });
    }
}
