//! Many threads at once.

use std::cell::Cell;
use std::future::{pending, poll_fn};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Poll, Waker};
use std::thread;

use futures_lite::future::{self, block_on, yield_now};
use gort::{Executor, LocalExecutor, StaticLocalExecutor, Task};

use super::support::{Census, rounds};

#[test]
fn a_local_task_is_woken_and_cancelled_from_other_threads() {
    let census = Census::default();
    for _ in 0..rounds(200) {
        let ex = LocalExecutor::new();
        let (alive, waker) = (census.born(), Arc::new(Mutex::new(None::<Waker>)));
        let woken = Rc::new(Cell::new(false));
        let ready = Arc::new(AtomicBool::new(false));
        let task = ex.spawn({
            let (woken, waker, ready) = (woken.clone(), waker.clone(), ready.clone());
            async move {
                let _alive = alive;
                poll_fn(|cx| {
                    *waker.lock().expect("no panic") = Some(cx.waker().clone());
                    if ready.load(Ordering::SeqCst) {
                        return Poll::Ready(());
                    }
                    Poll::Pending
                })
                .await;
                woken.set(true);
            }
        });
        let other = ex.spawn(pending::<()>());
        thread::scope(|scope| {
            let waker = &waker;
            scope.spawn(move || {
                drop(other);
                loop {
                    if let Some(waker) = waker.lock().expect("no panic").take() {
                        ready.store(true, Ordering::SeqCst);
                        waker.wake();
                        break;
                    }
                    thread::yield_now();
                }
            });
            block_on(ex.run(task));
        });
        assert!(woken.get());
        assert_eq!(census.alive(), 0);
        block_on(ex.run(async {
            while !ex.is_empty() {
                yield_now().await;
            }
        }));
    }
}

#[test]
fn a_finished_local_task_may_be_freed_by_any_thread_at_any_time() {
    for round in 0..rounds(200) {
        let ex = LocalExecutor::new();
        let tasks: Vec<Task<usize>> = (0..10).map(|n| ex.spawn(async move { n })).collect();
        while ex.try_tick() {}
        let free = thread::spawn(move || drop(tasks));
        if round % 2 == 0 {
            thread::yield_now();
        }
        drop(ex);
        free.join().expect("no panic");
    }
}

#[test]
fn many_threads_drive_spawn_wake_cancel_and_drop() {
    let census = Census::default();
    for _ in 0..rounds(20) {
        let ex = Executor::new();
        let (signal, shutdown) = async_channel::bounded::<()>(1);
        thread::scope(|scope| {
            for n in 0..4 {
                let (ex, shutdown) = (&ex, shutdown.clone());
                scope.spawn(move || match n {
                    0 => block_on(future::or(shutdown.recv(), async {
                        loop {
                            ex.tick().await;
                        }
                    })),
                    // Gives its seat up again and again.
                    1 => block_on(async {
                        while !shutdown.is_closed() {
                            ex.run(async {
                                for _ in 0..10 {
                                    yield_now().await;
                                }
                            })
                            .await;
                        }
                        shutdown.recv().await
                    }),
                    _ => block_on(ex.run(shutdown.recv())),
                });
            }
            block_on(async {
                for n in 0..200 {
                    let task = ex.spawn(work(&ex, census.clone(), n));
                    match n % 4 {
                        0 => task.detach(),
                        1 => drop(task),
                        2 => drop(task.cancel().await),
                        _ => task.await,
                    }
                }
            });
            drop(signal);
        });
        // Some are finished, some wait, some were never polled.
        ex.spawn(work(&ex, census.clone(), 1)).detach();
        // Tasks borrow the executor, so it must be leaked or empty: run them to their end.
        while !ex.is_empty() {
            if !ex.try_tick() {
                thread::yield_now();
            }
        }
        assert_eq!(census.alive(), 0);
    }
}

/// Spawns into whatever queue is current, waits for it, and wakes itself.
fn work<'a>(
    ex: &Executor<'a>,
    census: Census,
    n: usize,
) -> impl Future<Output = ()> + Send + use<'a> {
    let children: Vec<Task<usize>> = (0..3)
        .map(|child| {
            let alive = census.born();
            ex.spawn(async move {
                let _alive = alive;
                for _ in 0..child {
                    yield_now().await;
                }
                child
            })
        })
        .collect();
    let alive = census.born();
    async move {
        let _alive = alive;
        for (child, task) in children.into_iter().enumerate() {
            yield_now().await;
            if n.is_multiple_of(3) {
                drop(task);
            } else {
                assert_eq!(task.await, child);
            }
        }
    }
}

#[test]
fn an_executor_is_dropped_while_others_wake_its_tasks() {
    for _ in 0..rounds(200) {
        let census = Census::default();
        let wakers = Arc::new(Mutex::new(Vec::new()));
        let ex = Executor::new();
        for _ in 0..8 {
            let (alive, wakers) = (census.born(), wakers.clone());
            ex.spawn(async move {
                let _alive = alive;
                poll_fn(|cx| {
                    wakers.lock().expect("no panic").push(cx.waker().clone());
                    Poll::<()>::Pending
                })
                .await;
            })
            .detach();
        }
        while ex.try_tick() {}
        let wakers = std::mem::take(&mut *wakers.lock().expect("no panic"));
        let wake = thread::spawn(move || {
            for waker in wakers {
                waker.wake();
            }
        });
        drop(ex);
        assert_eq!(census.alive(), 0);
        wake.join().expect("no panic");
    }
}

#[test]
fn a_local_executor_that_was_moved_belongs_to_the_thread_that_spawns() {
    let ex = StaticLocalExecutor::new();
    block_on(ex.run(yield_now()));
    let waker: &'static Mutex<Option<Waker>> = Box::leak(Box::default());
    let wake = || {
        waker
            .lock()
            .expect("no panic")
            .take()
            .expect("shown")
            .wake()
    };

    let (shown, other_turn) = mpsc::channel();
    let (woken, own_turn) = mpsc::channel();

    let owner = thread::spawn(move || {
        let ex: &'static StaticLocalExecutor = Box::leak(Box::new(ex));
        ex.spawn(super::show_waker(waker)).detach();
        assert!(ex.try_tick());
        wake();
        assert!(format!("{ex:?}").contains("local_queue: 1, woken_elsewhere: 0"));
        assert!(ex.try_tick());
        shown.send(()).expect("the test waits");
        own_turn.recv().expect("the test goes on");
        assert!(format!("{ex:?}").contains("local_queue: 0, woken_elsewhere: 1"));
        assert!(ex.try_tick());
    });
    // The thread that ran it first is one of the others now.
    other_turn.recv().expect("the owner goes on");
    wake();
    woken.send(()).expect("the owner waits");
    owner.join().expect("no panic");
}
