//! Every future is dropped exactly once, on every path, whoever holds or uses its wakers.
//!
//! CI runs these under AddressSanitizer too.

use std::future::{pending, poll_fn};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::thread;

use gort::{Builder, JoinHandle, Task};
use support::{Alive, Census, PATIENCE, rounds};

mod support;

/// Wakers that futures leave where foreign threads find them.
#[derive(Clone, Default)]
struct Litter(Arc<Mutex<Vec<Waker>>>);

impl Litter {
    fn leave(&self, waker: &Waker) {
        self.0.lock().expect("no panics").push(waker.clone());
    }

    /// Does something random with a random waker.
    fn stir(&self) {
        let mut wakers = self.0.lock().expect("no panics");
        if wakers.is_empty() {
            drop(wakers);
            return thread::yield_now();
        }
        let i = fastrand::usize(..wakers.len());
        match fastrand::u8(..5) {
            0 => {
                let waker = wakers.swap_remove(i);
                drop(wakers);
                drop(waker);
            }
            1 => {
                let waker = wakers.swap_remove(i);
                drop(wakers);
                waker.wake();
            }
            2 => {
                let waker = wakers[i].clone();
                drop(wakers);
                waker.wake();
            }
            3 => {
                let waker = wakers[i].clone();
                wakers.push(waker);
            }
            _ => wakers[i].wake_by_ref(),
        }
    }
}

/// One of the ways in which a future can behave.
async fn misbehave(kind: usize, alive: Alive, litter: Litter) {
    let _alive = alive;
    match kind {
        0 => {}
        1 => pending().await,
        2 => {
            // Holds no waker when it returns: async-task alone would leak it.
            poll_fn(|cx| {
                drop(cx.waker().clone());
                Poll::<()>::Pending
            })
            .await;
        }
        3 => {
            for _ in 0..fastrand::usize(..20) {
                gort::task::yield_now().await;
            }
        }
        4 => {
            let mut others = Vec::new();
            for _ in 0..3 {
                others.push(gort::spawn(async { gort::task::yield_now().await }));
            }
            for other in others {
                other.await;
            }
        }
        _ => {
            let mut polls = 0;
            poll_fn(|cx| {
                polls += 1;
                if polls > 3 && fastrand::bool() {
                    return Poll::Ready(());
                }
                litter.leave(cx.waker());
                Poll::Pending
            })
            .await;
        }
    }
}

enum Kept {
    Task(#[expect(dead_code, reason = "held, and dropped at some time")] Task<()>),
    Handle(JoinHandle<()>),
}

#[test]
fn shutdown_drops_every_future_once_while_foreign_threads_wake() {
    let litter = Litter::default();
    let stop = Arc::new(AtomicBool::new(false));
    let foreign: Vec<_> = (0..2)
        .map(|_| {
            let (litter, stop) = (litter.clone(), stop.clone());
            thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    litter.stir();
                }
            })
        })
        .collect();
    for round in 0..rounds(60) {
        let census = Census::default();
        let rt = Builder::new()
            .procs(1 + round % 3)
            .build()
            .expect("a runtime");
        let mut kept = Vec::new();
        for i in 0..300 {
            let future = misbehave(i % 8, census.born(), litter.clone());
            match fastrand::u8(..5) {
                0 => rt.spawn(future).detach(),
                1 => kept.push(Kept::Task(rt.spawn(future))),
                2 => drop(rt.spawn(future)),
                3 => kept.push(Kept::Handle(rt.go(future))),
                _ => {
                    let handle = rt.go(future);
                    if fastrand::bool() {
                        handle.abort();
                    }
                }
            }
            if let Some(Kept::Handle(handle)) = kept.get(fastrand::usize(..i + 1)) {
                handle.abort();
            }
        }
        if round % 2 == 0 {
            thread::yield_now();
        }
        rt.shutdown(PATIENCE).expect("nothing is stuck");
        assert_eq!(census.alive(), 0, "round {round}");
        drop(kept);
    }
    stop.store(true, Ordering::Relaxed);
    for thread in foreign {
        thread.join().expect("no panics");
    }
}

#[test]
fn a_waker_may_outlive_its_goroutine_and_its_runtime() {
    let litter = Litter::default();
    let rt = Builder::new().procs(1).build().expect("a runtime");
    for kind in [1, 7] {
        rt.spawn(misbehave(kind, Census::default().born(), litter.clone()))
            .detach();
    }
    let (seen, litter2) = (Census::default(), litter.clone());
    let alive = seen.born();
    rt.block_on(rt.spawn(async move {
        poll_fn(|cx| {
            litter2.leave(cx.waker());
            Poll::Ready(())
        })
        .await;
        drop(alive);
    }));
    assert_eq!(seen.alive(), 0);
    drop(rt);
    let wakers = std::mem::take(&mut *litter.0.lock().expect("no panics"));
    assert!(!wakers.is_empty());
    for waker in &wakers {
        waker.wake_by_ref();
        drop(waker.clone());
    }
    for waker in wakers {
        waker.wake();
    }
}

#[test]
fn a_destructor_may_spawn_wake_and_block() {
    struct Busy(
        Option<Waker>,
        #[expect(dead_code, reason = "counts")] Alive,
        Census,
    );
    impl Drop for Busy {
        fn drop(&mut self) {
            let alive = self.2.born();
            gort::spawn(async move {
                let _alive = alive;
                pending::<()>().await;
            })
            .detach();
            if let Some(waker) = self.0.take() {
                waker.wake();
            }
            gort::block_on(async {});
        }
    }
    let census = Census::default();
    let rt = Builder::new().procs(2).build().expect("a runtime");
    for _ in 0..100 {
        let (census, alive) = (census.clone(), census.born());
        rt.spawn(async move {
            let mut busy = Busy(None, alive, census);
            poll_fn(|cx| {
                busy.0 = Some(cx.waker().clone());
                Poll::<()>::Pending
            })
            .await;
        })
        .detach();
    }
    rt.block_on(gort::task::yield_now());
    rt.shutdown(PATIENCE).expect("nothing is stuck");
    assert_eq!(census.alive(), 0);
}

#[test]
fn a_detached_goroutine_that_nobody_can_wake_is_reported_and_kept() {
    let before = gort::task::lost_count();
    let census = Census::default();
    let rt = Builder::new().procs(1).build().expect("a runtime");
    let alive = census.born();
    gort::block_on(async {
        rt.handle().go(async move {
            let _alive = alive;
            pending::<()>().await;
        });
    });
    let patience = std::time::Instant::now() + PATIENCE;
    while gort::task::lost_count() == before {
        assert!(std::time::Instant::now() < patience, "not reported");
        // Keeps the monitor from sleeping, as any live program does.
        rt.block_on(gort::time::sleep(std::time::Duration::from_millis(5)));
    }
    assert_eq!(census.alive(), 1);
    rt.shutdown(PATIENCE).expect("nothing is stuck");
    assert_eq!(census.alive(), 0);
}
