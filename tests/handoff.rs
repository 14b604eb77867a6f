//! One goroutine that blocks, or computes, never stalls the others.
//!
//! Each program here hangs, or all but hangs, on a runtime that leaves a stuck worker alone. Each waits for progress, and
//! fails only if there is none for a very long time.

#![cfg(unix)]

use std::future::Future;
use std::io::{PipeWriter, Read, Write};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use futures_lite::AsyncReadExt;
use gort::net::TcpListener;
use gort::sync::chan;
use gort::{Builder, Runtime, StallKind, task, time};
use support::{progress, run, within_patience};

#[path = "handoff/nested.rs"]
mod nested;
mod support;

const PROCS: usize = 2;

fn runtime() -> Runtime {
    quiet().build().expect("threads to run on")
}

/// Stalls are what happens here; most tests need not hear of them.
fn quiet() -> Builder {
    Builder::new().procs(PROCS).on_stall(|_| {})
}

/// Goroutines that block in a read, one per P, and the pipes that set them free.
fn block_all(rt: &Runtime) -> Vec<PipeWriter> {
    let blocked = Arc::new(AtomicUsize::new(0));
    let pipes = (0..PROCS)
        .map(|_| {
            let (mut reader, writer) = std::io::pipe().expect("descriptors");
            let blocked = blocked.clone();
            rt.go(async move {
                blocked.fetch_add(1, Ordering::SeqCst);
                let _ = reader.read(&mut [0]);
            });
            writer
        })
        .collect();
    while blocked.load(Ordering::SeqCst) < PROCS {
        thread::yield_now();
    }
    pipes
}

#[test]
fn reads_that_block_for_ever_on_each_p_stall_nobody() {
    within_patience(|| {
        let rt = runtime();
        let pipes = block_all(&rt);
        run(&rt, progress());
        assert!(rt.handle().handoffs() >= 1);
        drop(pipes);
    });
}

/// Proves that others go on beside so many goroutines that do `work` until they are told to stop.
fn progress_beside<F>(count: usize, work: fn(Arc<AtomicBool>) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    within_patience(move || {
        let rt = runtime();
        let stop = Arc::new(AtomicBool::new(false));
        let all: Vec<_> = (0..count).map(|_| rt.go(work(stop.clone()))).collect();
        run(&rt, progress());
        stop.store(true, Ordering::SeqCst);
        for one in all {
            rt.block_on(one).expect("no panic");
        }
    });
}

#[test]
fn all_workers_may_sleep_over_and_over() {
    progress_beside(2 * PROCS, |stop| async move {
        while !stop.load(Ordering::SeqCst) {
            thread::sleep(Duration::from_millis(20));
            task::yield_now().await;
        }
    });
}

#[test]
fn computing_on_each_p_starves_nobody() {
    progress_beside(PROCS, |stop| async move {
        while !stop.load(Ordering::SeqCst) {
            std::hint::spin_loop();
        }
    });
}

#[test]
fn what_a_blocked_goroutine_has_just_woken_runs() {
    within_patience(|| {
        let rt = Builder::new()
            .procs(1)
            .on_stall(|_| {})
            .build()
            .expect("a thread");
        let (wake, woken) = async_channel_of_one();
        let (tell, told) = mpsc::channel();
        rt.go(async move {
            woken.await;
            tell.send(()).expect("the other waits");
        });
        let blocker = rt.go(async move {
            task::yield_now().await;
            // Into the next slot of this M, which then blocks until that has run.
            wake();
            told.recv().expect("the other has run");
        });
        rt.block_on(blocker).expect("no panic");
    });
}

/// A one-shot signal, by an intermediate goroutine's wake-up.
fn async_channel_of_one() -> (impl FnOnce() + Send, impl Future<Output = ()> + Send) {
    let (sender, receiver) = futures::channel::oneshot::channel::<()>();
    let receive = async move {
        let _ = receiver.await;
    };
    let send = move || sender.send(()).expect("it is awaited");
    (send, receive)
}

#[test]
fn what_a_blocked_goroutine_has_spawned_runs() {
    within_patience(|| {
        let rt = Builder::new()
            .procs(1)
            .on_stall(|_| {})
            .build()
            .expect("a thread");
        let blocker = rt.go(async {
            let (tell, told) = mpsc::channel();
            for i in 0..1_000 {
                let tell = tell.clone();
                gort::go(async move { tell.send(i).expect("it waits") });
            }
            let sum: u32 = told.iter().take(1_000).sum();
            assert_eq!(sum, 499_500);
        });
        rt.block_on(blocker).expect("no panic");
    });
}

#[test]
fn timers_of_a_blocked_p_fire() {
    within_patience(|| {
        let rt = Builder::new()
            .procs(1)
            .on_stall(|_| {})
            .build()
            .expect("a thread");
        let blocker = rt.go(async {
            let (tell, told) = mpsc::channel();
            let sleepers: Vec<_> = (0..10)
                .map(|i| {
                    let tell = tell.clone();
                    gort::go(async move {
                        time::sleep(Duration::from_millis(5 * i)).await;
                        tell.send(()).expect("it waits");
                    })
                })
                .collect();
            // They arm their timers on this P, which then blocks.
            task::yield_now().await;
            task::yield_now().await;
            assert_eq!(told.iter().take(10).count(), 10);
            drop(sleepers);
        });
        rt.block_on(blocker).expect("no panic");
    });
}

#[test]
fn the_worker_that_drove_the_reactor_may_block() {
    within_patience(|| {
        let rt = Builder::new()
            .procs(1)
            .on_stall(|_| {})
            .build()
            .expect("a thread");
        let done = rt.go(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let address = listener.local_addr().expect("it is bound");
            let (tell, told) = mpsc::channel();
            gort::go(async move {
                let (mut stream, _) = listener.accept().await.expect("somebody connects");
                let mut byte = [0];
                stream.read_exact(&mut byte).await.expect("it writes");
                tell.send(byte[0]).expect("it waits");
            });
            time::sleep(Duration::from_millis(2)).await;
            // A thread of its own makes the events; this one, which has just come from the reactor, waits for what they lead to.
            let peer = thread::spawn(move || {
                let mut stream = std::net::TcpStream::connect(address).expect("it listens");
                stream.write_all(&[7]).expect("it is open");
                stream
            });
            assert_eq!(told.recv(), Ok(7));
            drop(peer.join());
        });
        rt.block_on(done).expect("no panic");
    });
}

#[test]
fn a_convoy_behind_a_mutex_needs_few_threads_and_recovers() {
    const GOROUTINES: usize = 10_000;
    const THREADS: usize = 32;
    within_patience(|| {
        let rt = quiet()
            .max_blocking_threads(THREADS)
            .build()
            .expect("threads");
        let lock = Arc::new(Mutex::new(0));
        let most = Arc::new(AtomicUsize::new(0));
        let holder = {
            let lock = lock.clone();
            let held = Arc::new(Barrier::new(2));
            let holds = held.clone();
            let holder = rt.go(async move {
                let guard = lock.lock().expect("no panic");
                holds.wait();
                thread::sleep(Duration::from_millis(200));
                drop(guard);
            });
            held.wait();
            holder
        };
        let all: Vec<_> = (0..GOROUTINES)
            .map(|_| {
                let (lock, most, handle) = (lock.clone(), most.clone(), rt.handle().clone());
                rt.go(async move {
                    *lock.lock().expect("no panic") += 1;
                    most.fetch_max(handle.threads(), Ordering::Relaxed);
                })
            })
            .collect();
        rt.block_on(holder).expect("no panic");
        for one in all {
            rt.block_on(one).expect("no panic");
        }
        assert_eq!(*lock.lock().expect("no panic"), GOROUTINES);
        assert!(most.load(Ordering::Relaxed) <= THREADS + PROCS);
        run(&rt, progress());
    });
}

#[test]
fn more_goroutines_than_threads_may_block_lose_nothing() {
    within_patience(|| {
        let rt = quiet().max_blocking_threads(1).build().expect("threads");
        let (tell, told) = mpsc::channel();
        for i in 0..20 {
            let tell = tell.clone();
            rt.go(async move {
                thread::sleep(Duration::from_millis(10));
                tell.send(i).expect("the test waits");
            });
        }
        drop(tell);
        let mut all: Vec<i32> = told.iter().collect();
        all.sort_unstable();
        assert_eq!(all, (0..20).collect::<Vec<_>>());
        assert!(rt.handle().threads() <= PROCS + 1);
    });
}

#[test]
fn blocking_sections_stall_nobody_and_nest() {
    within_patience(|| {
        let rt = runtime();
        let gate = Arc::new(Barrier::new(8 * PROCS + 1));
        let all: Vec<_> = (0..8 * PROCS)
            .map(|i| {
                let gate = gate.clone();
                rt.go(async move {
                    let here = task::current().map(|g| g.id());
                    let i = gort::blocking(|| {
                        gort::blocking(|| gate.wait());
                        i
                    });
                    assert_eq!(task::current().map(|g| g.id()), here);
                    task::yield_now().await;
                    i
                })
            })
            .collect();
        run(&rt, progress());
        gate.wait();
        let sum: usize = all
            .into_iter()
            .map(|one| rt.block_on(one).expect("no panic"))
            .sum();
        assert_eq!(sum, (0..8 * PROCS).sum());
        assert_eq!(gort::blocking(|| 7), 7, "outside a runtime it is a call");
    });
}

#[test]
fn a_panic_in_a_blocking_section_ends_it() {
    within_patience(|| {
        let rt = runtime();
        let failed = rt.block_on(rt.go(async {
            gort::blocking(|| panic!("a test's own panic"));
        }));
        assert!(failed.is_err());
        run(&rt, progress());
    });
}

#[test]
fn a_blocked_worker_is_named_at_shutdown_and_not_waited_for() {
    within_patience(|| {
        let rt = quiet().build().expect("threads");
        let (mut reader, writer) = std::io::pipe().expect("descriptors");
        let (tell, told) = mpsc::channel();
        rt.block_on(async {
            task::Builder::new().name("stuck in a read").go(async move {
                tell.send(()).expect("the test waits");
                let _ = reader.read(&mut [0]);
            });
        });
        told.recv().expect("it runs");
        // The P is taken away first.
        run(&rt, progress());
        let error = rt
            .shutdown(Duration::from_millis(50))
            .expect_err("it blocks");
        assert!(error.to_string().contains("stuck in a read"), "{error}");
        drop(writer);
    });
}

#[test]
fn a_stall_is_told_with_what_and_where() {
    within_patience(|| {
        let (tell, told) = mpsc::channel();
        let rt = Builder::new()
            .procs(1)
            .stall_threshold(Duration::from_millis(20))
            .on_stall(move |stall| {
                let _ = tell.send(stall.clone());
            })
            .build()
            .expect("a thread");
        let (mut reader, writer) = std::io::pipe().expect("descriptors");
        let builder = task::Builder::new().name("reader");
        let read = async move { reader.read(&mut [0]) };
        let line = line!() + 1;
        let blocker = rt.handle().block_on(async { (builder.go(read),) }).0;
        let stall = told.recv().expect("the monitor looks");
        let goroutine = stall.goroutine().expect("it is one");
        assert_eq!(goroutine.name(), Some("reader"));
        let at = goroutine.spawned_at().expect("it is known");
        assert_eq!((at.file(), at.line()), (file!(), line));
        assert!(stall.duration() >= Duration::from_millis(20));
        if cfg!(target_os = "linux") && stall.kind() == StallKind::Blocked {
            assert!(stall.to_string().contains("blocked"), "{stall}");
        }
        assert!(rt.handle().stalls() >= 1);
        drop(writer);
        assert_eq!(rt.block_on(blocker).expect("no panic").expect("closed"), 0);
    });
}

#[test]
fn a_threshold_or_a_cap_out_of_range_is_a_clear_error() {
    let error = Builder::new()
        .stall_threshold(Duration::ZERO)
        .build()
        .expect_err("too short");
    assert!(error.to_string().contains("at least 1ms"), "{error}");
    let error = Builder::new()
        .max_blocking_threads(0)
        .build()
        .expect_err("too few");
    assert!(error.to_string().contains("from 1 to 65535"), "{error}");
}

/// In a local runtime there is no other thread to run the others.
#[test]
fn what_is_always_ready_starves_nobody() {
    async fn hog_channel(enough: impl Fn() -> bool) {
        let (sender, receiver) = chan::bounded(1);
        sender.send(()).await.expect("it is open");
        while !enough() {
            receiver.recv().await.expect("it is open");
            sender.send(()).await.expect("it is open");
        }
    }
    async fn hog_select(enough: impl Fn() -> bool) {
        let (sender, receiver) = chan::bounded(1);
        while !enough() {
            gort::select! {
                send(sender, ()) -> sent => sent.expect("it is open"),
                recv(receiver) -> received => received.expect("it is open"),
            }
        }
    }
    async fn hog_lock(enough: impl Fn() -> bool) {
        let lock = gort::sync::Mutex::new(());
        while !enough() {
            drop(lock.lock().await);
        }
    }
    async fn hog_politely(enough: impl Fn() -> bool) {
        while !enough() {
            if task::should_yield() {
                task::yield_now().await;
            }
        }
    }
    within_patience(|| {
        let rt = Builder::new().local().on_stall(|_| {}).build();
        let rt = rt.expect("a runtime");
        rt.block_on(async {
            for which in 0..4 {
                let ran = Arc::new(AtomicBool::new(false));
                let seen = ran.clone();
                let enough = move || seen.load(Ordering::SeqCst);
                let hog = gort::go(async move {
                    gort::spawn(async move { ran.store(true, Ordering::SeqCst) }).detach();
                    match which {
                        0 => hog_channel(enough).await,
                        1 => hog_select(enough).await,
                        2 => hog_lock(enough).await,
                        _ => hog_politely(enough).await,
                    }
                });
                hog.await.expect("no panic");
            }
        });
    });
}
