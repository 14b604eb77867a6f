//! Values that are used again.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use gort_sync::Pool;

use super::support::{on_each_executor, yield_now};

const FAR: Duration = Duration::from_secs(3600);
const GUARD: Duration = Duration::from_secs(60);

/// Tells when it is dropped.
struct Tell(Sender<Instant>);

impl Drop for Tell {
    fn drop(&mut self) {
        let _ = self.0.send(Instant::now());
    }
}

#[test]
fn what_was_put_is_taken_before_anything_is_made() {
    let made = Arc::new(AtomicUsize::new(0));
    let count = made.clone();
    let pool = Pool::with_idle(move || count.fetch_add(1, Ordering::SeqCst), FAR);
    assert_eq!((pool.take(), pool.take()), (0, 1));
    pool.put(7);
    assert_eq!(pool.idle_len(), 1);
    assert_eq!((pool.take(), pool.take()), (7, 2));
    let kept = pool.get();
    assert_eq!(*kept, 3);
    assert_eq!(kept.into_inner(), 3);
    assert_eq!(pool.idle_len(), 0);
    *pool.get() = 9;
    assert_eq!(*pool.get(), 9, "it went back, and is as it was left");
    assert_eq!(made.load(Ordering::SeqCst), 5);
}

#[test]
fn what_one_thread_puts_another_takes() {
    let pool = Arc::new(Pool::with_idle(|| 0, FAR));
    let puts = pool.clone();
    thread::spawn(move || (1..=8).for_each(|n| puts.put(n)))
        .join()
        .expect("no panic");
    let takes = pool.clone();
    let taken = thread::spawn(move || [(); 4].map(|()| takes.take()))
        .join()
        .expect("no panic");
    assert!(taken.iter().all(|&n| n > 0));
    assert_eq!(pool.idle_len(), 4);
}

#[test]
fn what_nobody_takes_is_dropped_after_a_while_and_not_before() {
    let idle = Duration::from_millis(20);
    let (sender, dropped) = channel();
    let tell = sender.clone();
    let pool = Pool::with_idle(move || Tell(tell.clone()), idle);
    // Twice, so that the timer is armed anew for a pool that it has emptied.
    for _ in 0..2 {
        let put = Instant::now();
        pool.put(Tell(sender.clone()));
        let at = dropped.recv_timeout(GUARD).expect("it is dropped");
        assert!(at - put >= idle);
        assert_eq!(pool.idle_len(), 0);
    }
    pool.put(Tell(sender.clone()));
    drop(pool);
    dropped.recv_timeout(GUARD).expect("it goes with the pool");
}

#[test]
fn a_pool_goes_on_although_a_maker_panics() {
    let pool = Pool::with_idle(|| -> u8 { panic!("a maker that panics") }, FAR);
    catch_unwind(AssertUnwindSafe(|| pool.take())).expect_err("it made one");
    pool.put(1);
    assert_eq!(pool.take(), 1);
}

#[test]
fn nobody_has_what_another_has() {
    on_each_executor(|spawn| async move {
        let made = Arc::new(AtomicUsize::new(0));
        let count = made.clone();
        // Aged all the time.
        let pool = Arc::new(Pool::with_idle(
            move || {
                count.fetch_add(1, Ordering::SeqCst);
                AtomicUsize::new(0)
            },
            Duration::from_micros(50),
        ));
        let tasks: Vec<_> = (0..8)
            .map(|_| {
                let pool = pool.clone();
                spawn(Box::pin(async move {
                    for _ in 0..100 {
                        let value = pool.get();
                        assert_eq!(value.fetch_add(1, Ordering::SeqCst), 0);
                        yield_now().await;
                        value.fetch_sub(1, Ordering::SeqCst);
                    }
                }))
            })
            .collect();
        for task in tasks {
            task.await;
        }
        assert!(made.load(Ordering::SeqCst) > 0);
    });
}

/// Tells that it is dropped, and panics.
struct Sour(Sender<()>);

impl Drop for Sour {
    fn drop(&mut self) {
        let _ = self.0.send(());
        if !thread::panicking() {
            panic!("a value that panics");
        }
    }
}

#[test]
fn a_value_that_panics_when_it_is_dropped_keeps_no_other_from_it() {
    let (tell, told) = channel();
    let idle = Duration::from_millis(5);
    let pool = Arc::new(Pool::with_idle(|| unreachable!("nobody takes"), idle));
    // On threads of their own: a thread has its own part of the pool.
    for _ in 0..8 {
        let (pool, value) = (pool.clone(), Sour(tell.clone()));
        thread::spawn(move || pool.put(value))
            .join()
            .expect("no panic");
    }
    for _ in 0..8 {
        told.recv_timeout(GUARD).expect("each is dropped");
    }
}
