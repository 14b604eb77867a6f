//! What a `run()` or `tick()` future may be put through.

use std::future::{pending, ready};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Waker};
use std::thread;

use futures_lite::future::{block_on, poll_once, yield_now};
use gort::{Executor, LocalExecutor, StaticLocalExecutor};

use super::support::{Census, PATIENCE};
use super::{Flag, poll_idle, show_waker};

#[test]
fn a_task_in_the_queue_of_a_leaked_run_is_dropped_with_the_executor() {
    let census = Census::default();
    let wakers = Mutex::new(None);
    let ex = Executor::new();
    // The first task spawns two more into the queue of the `run()`, of which no poll is left to run one.
    let mut run = Box::pin(ex.run(async {
        for _ in 0..300 {
            let alive = census.born();
            ex.spawn(async move {
                let _alive = alive;
                pending::<()>().await;
            })
            .detach();
        }
        show_waker(&wakers).await;
    }));
    assert!(poll_idle(run.as_mut()).is_pending());
    assert_eq!(census.alive(), 300);
    std::mem::forget(run);
    drop(ex);
    assert_eq!(census.alive(), 0);
    // Wakes nobody, and touches nothing that is gone.
    wakers
        .into_inner()
        .expect("no panic")
        .expect("polled")
        .wake();
}

#[test]
fn a_parked_run_strands_no_work() {
    let count = AtomicUsize::new(0);
    let ex = Executor::new();
    let mut parked = pin!(ex.run(async {
        for _ in 0..1_000 {
            ex.spawn(async {
                count.fetch_add(1, Ordering::SeqCst);
            })
            .detach();
        }
        pending::<()>().await;
    }));
    assert!(poll_idle(parked.as_mut()).is_pending());
    let before = count.load(Ordering::SeqCst);
    assert!(before < 1_000, "a poll is bounded");
    // Each way to drive the executor finds what lies in the other's queue.
    assert!(ex.try_tick());
    block_on(ex.tick());
    assert_eq!(count.load(Ordering::SeqCst), before + 2);
    block_on(ex.run(async {
        while count.load(Ordering::SeqCst) < 1_000 {
            yield_now().await;
        }
    }));
    assert!(ex.is_empty());
}

#[test]
fn a_dropped_run_gives_its_queue_back_and_wakes_another() {
    let ex = Executor::new();
    let flag = Arc::new(Flag::default());
    let waker = Waker::from(flag.clone());
    let mut tick = pin!(ex.tick());
    {
        let mut run = pin!(ex.run(async {
            for _ in 0..1_000 {
                ex.spawn(async {}).detach();
            }
            pending::<()>().await;
        }));
        assert!(poll_idle(run.as_mut()).is_pending());
        while ex.try_tick() {}
        assert!(
            tick.as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
        );
        let mut again = pin!(ex.run(async {
            ex.spawn(async {}).detach();
            ready(()).await;
        }));
        assert!(poll_idle(again.as_mut()).is_ready());
    }
    assert!(flag.0.load(Ordering::SeqCst));
    assert!(
        tick.as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_ready()
    );
    assert!(ex.is_empty());
}

#[test]
fn a_sleeper_that_is_dropped_passes_its_wake_up_on() {
    let ex = Executor::new();
    let flags = [Arc::new(Flag::default()), Arc::new(Flag::default())];
    let wakers = flags.clone().map(Waker::from);
    let mut first = pin!(ex.tick());
    assert!(
        first
            .as_mut()
            .poll(&mut Context::from_waker(&wakers[0]))
            .is_pending()
    );
    let mut second = Box::pin(ex.tick());
    assert!(
        second
            .as_mut()
            .poll(&mut Context::from_waker(&wakers[1]))
            .is_pending()
    );
    ex.spawn(async {}).detach();
    let woken = || flags.each_ref().map(|flag| flag.0.load(Ordering::SeqCst));
    assert_eq!(woken(), [false, true]);
    drop(second);
    assert_eq!(woken(), [true, true]);
    assert!(
        first
            .as_mut()
            .poll(&mut Context::from_waker(&wakers[0]))
            .is_ready()
    );
}

#[test]
fn a_future_that_is_woken_and_never_polled_holds_back_one_wake_up_only() {
    let ex = Executor::new();
    let flags = [Arc::new(Flag::default()), Arc::new(Flag::default())];
    let wakers = flags.clone().map(Waker::from);
    let mut first = pin!(ex.tick());
    let mut parked = pin!(ex.run(pending::<()>()));
    let poll = |tick: Pin<&mut _>| Future::poll(tick, &mut Context::from_waker(&wakers[0]));
    assert!(poll(first.as_mut()).is_pending());
    let mut cx = Context::from_waker(&wakers[1]);
    assert!(parked.as_mut().poll(&mut cx).is_pending());
    ex.spawn(async {}).detach();
    assert!(flags[1].0.load(Ordering::SeqCst));
    ex.spawn(async {}).detach();
    assert!(flags[0].0.load(Ordering::SeqCst));
    assert!(poll(first.as_mut()).is_ready());
}

#[test]
fn a_run_moves_between_threads() {
    let count = AtomicUsize::new(0);
    let ex = Executor::new();
    let mut run = Box::pin(ex.run(async {
        for _ in 0..50 {
            let tasks: Vec<_> = (0..20)
                .map(|_| {
                    ex.spawn(async {
                        yield_now().await;
                        count.fetch_add(1, Ordering::SeqCst);
                    })
                })
                .collect();
            yield_now().await;
            for task in tasks {
                task.await;
            }
        }
    }));
    // Each poll on a thread of its own.
    while thread::scope(|scope| {
        let poll = scope.spawn(|| poll_idle(run.as_mut()));
        poll.join().expect("no panic")
    })
    .is_pending()
    {}
    assert_eq!(count.load(Ordering::SeqCst), 1_000);
    drop(run);
    assert!(ex.is_empty());
}

#[test]
fn executors_nest() {
    static OUTER: Executor<'static> = Executor::new();
    static INNER: Executor<'static> = Executor::new();
    let task = OUTER.spawn(async {
        let task = OUTER.spawn(yield_now());
        // A task of the outer executor, and that itself once more, inside the inner one.
        let also = INNER.spawn(async {
            let task = OUTER.spawn(async { 1 });
            task.await + block_on(OUTER.run(OUTER.spawn(async { 2 })))
        });
        let sum = block_on(INNER.run(also));
        task.await;
        sum
    });
    // The first of them needs another thread, for this one is inside the inner executor.
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                if !OUTER.try_tick() {
                    thread::yield_now();
                }
            }
        });
        assert_eq!(block_on(OUTER.run(task)), 3);
        done.store(true, Ordering::SeqCst);
    });
}

#[test]
fn a_task_that_blocks_its_thread_holds_up_no_other() {
    static EX: Executor<'static> = Executor::new();
    let (give, take) = mpsc::channel();
    let (signal, shutdown) = async_channel::bounded::<()>(1);
    thread::scope(|scope| {
        for _ in 0..2 {
            let shutdown = shutdown.clone();
            scope.spawn(move || block_on(EX.run(shutdown.recv())));
        }
        let task = EX.spawn(async move {
            // Goes to the queue of this thread, which then waits for it.
            EX.spawn(async move { give.send(()).expect("received") })
                .detach();
            take.recv_timeout(PATIENCE).expect("another thread runs it");
        });
        block_on(task);
        drop(signal);
    });
}

#[test]
fn two_local_executors_on_one_thread_do_not_mix() {
    let a: &StaticLocalExecutor = LocalExecutor::new().leak();
    let b: &StaticLocalExecutor = LocalExecutor::new().leak();
    let task = a.spawn(async move {
        let of_b = b.spawn(async { 1 });
        let of_a = a.spawn(async { 2 });
        assert!(b.try_tick());
        assert!(!b.try_tick());
        of_a.await + of_b.await
    });
    assert_eq!(block_on(a.run(task)), 3);
    assert!(block_on(poll_once(b.tick())).is_none());
}

#[test]
fn the_oldest_task_runs_first() {
    let ex = LocalExecutor::new();
    let order = Rc::new(Mutex::new(Vec::new()));
    for n in 0..3 {
        let order = order.clone();
        ex.spawn(async move {
            for round in 0..3 {
                order.lock().expect("no panic").push((round, n));
                yield_now().await;
            }
        })
        .detach();
    }
    while ex.try_tick() {}
    let expected: Vec<_> = (0..3).flat_map(|r| (0..3).map(move |n| (r, n))).collect();
    assert_eq!(*order.lock().expect("no panic"), expected);
}
