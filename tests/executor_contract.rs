//! The contract of executors in detail: what a `run()` or `tick()` future may be put through, and what happens to the tasks.

use std::cell::Cell;
use std::future::{pending, poll_fn, ready};
use std::panic::{AssertUnwindSafe, RefUnwindSafe, UnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use futures_lite::future::{self, block_on, poll_once, yield_now};
use gort::{Executor, FallibleTask, LocalExecutor, StaticExecutor, StaticLocalExecutor, Task};
use support::{Census, PATIENCE, rounds};

mod support;

/// Polls a future once, with a waker that does nothing.
fn poll_idle<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Remembers that it was woken.
#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Gives away its waker in the first poll, and never ends.
fn show_waker(to: &Mutex<Option<Waker>>) -> impl Future<Output = ()> + '_ {
    poll_fn(|cx| {
        *to.lock().expect("no panic") = Some(cx.waker().clone());
        Poll::Pending
    })
}

#[test]
fn the_types_are_what_those_of_async_executor_are() {
    fn shared<T: Send + Sync + Unpin + UnwindSafe + RefUnwindSafe + Default>() {}
    fn local<T: Unpin + UnwindSafe + RefUnwindSafe + Default>() {}
    fn send<T: Send>(_: &T) {}
    shared::<Executor<'static>>();
    shared::<StaticExecutor>();
    local::<LocalExecutor<'static>>();
    local::<StaticLocalExecutor>();
    assert_eq!(size_of::<Executor<'static>>(), size_of::<usize>());
    assert_eq!(size_of::<LocalExecutor<'static>>(), size_of::<usize>());
    assert_eq!(size_of::<Task<String>>(), size_of::<usize>());
    assert_eq!(size_of::<FallibleTask<String>>(), size_of::<usize>());

    let ex = Executor::new();
    send(&ex.run(async {}));
    send(&ex.tick());
}

#[test]
fn debug_tells_what_there_is() {
    let ex = Executor::new();
    assert_eq!(format!("{ex:?}"), "Executor(<uninitialized>)");
    ex.spawn(pending::<()>()).detach();
    assert_eq!(
        format!("{ex:?}"),
        "Executor { tasks: 1, global_queue: 1, local_queues: [], sleepers: 0 }"
    );
    let mut run = pin!(ex.run(pending::<()>()));
    assert!(poll_idle(run.as_mut()).is_pending());
    assert_eq!(
        format!("{ex:?}"),
        "Executor { tasks: 1, global_queue: 0, local_queues: [0], sleepers: 1 }"
    );
    let ex = LocalExecutor::new();
    assert_eq!(format!("{ex:?}"), "LocalExecutor(<uninitialized>)");
    ex.spawn(pending::<()>()).detach();
    assert_eq!(
        format!("{ex:?}"),
        "LocalExecutor { tasks: 1, local_queue: 1, woken_elsewhere: 0, sleepers: 0 }"
    );
}

#[test]
fn tasks_borrow_and_end_with_their_executor() {
    let census = Census::default();
    let ex = Executor::new();
    let done = ex.spawn(async { &census });
    let started = ex.spawn(async {
        let _alive = census.born();
        pending::<()>().await;
    });
    assert!(ex.try_tick() && ex.try_tick() && !ex.try_tick());
    let queued = ex.spawn(async {
        let _alive = census.born();
        pending::<()>().await;
    });
    assert_eq!(census.alive(), 1);
    drop(ex);
    assert_eq!(census.alive(), 0);
    assert!(catch_unwind(AssertUnwindSafe(|| block_on(started))).is_err());
    assert_eq!(block_on(queued.fallible()), None);
    assert_eq!(block_on(done).alive(), 0);
}

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
fn a_panic_goes_to_the_awaiter_only() {
    let ex = Executor::new();
    let task = ex.spawn(async { panic!("on purpose") });
    let detached = ex.spawn(async {
        yield_now().await;
        panic!("on purpose")
    });
    detached.detach();
    while ex.try_tick() {}
    assert!(ex.is_empty());
    assert!(catch_unwind(AssertUnwindSafe(|| block_on::<()>(task))).is_err());
}

#[test]
fn an_iterator_that_panics_leaves_what_it_gave() {
    let ex = LocalExecutor::new();
    let mut tasks = Vec::new();
    let futures = (0..10).map(|n| {
        assert!(n < 5, "on purpose");
        ready(n)
    });
    let panicked = catch_unwind(AssertUnwindSafe(|| ex.spawn_many(futures, &mut tasks)));
    assert!(panicked.is_err());
    assert_eq!(block_on(ex.run(ex.spawn(ready(7)))), 7);
}

#[test]
fn a_detached_task_that_waits_for_nothing_is_dropped_with_the_executor() {
    let census = Census::default();
    let local = LocalExecutor::new();
    let ex = Executor::new();
    for _ in 0..100 {
        let alive = [census.born(), census.born()];
        let [one, other] = alive;
        local
            .spawn(async move { drop((pending::<()>().await, one)) })
            .detach();
        ex.spawn(async move { drop((pending::<()>().await, other)) })
            .detach();
    }
    while ex.try_tick() || local.try_tick() {}
    assert_eq!(census.alive(), 200);
    drop((ex, local));
    assert_eq!(census.alive(), 0);
}

#[test]
fn a_future_that_wakes_others_in_its_destructor_ends_with_them() {
    struct WakeOnDrop(Arc<Mutex<Vec<Waker>>>);
    impl Drop for WakeOnDrop {
        fn drop(&mut self) {
            for waker in self.0.lock().expect("no panic").iter() {
                waker.wake_by_ref();
            }
        }
    }
    let wakers = Arc::new(Mutex::new(Vec::new()));
    let ex = Executor::new();
    for _ in 0..10 {
        let wakers = wakers.clone();
        ex.spawn(async move {
            let _wake = WakeOnDrop(wakers.clone());
            poll_fn(|cx| {
                wakers.lock().expect("no panic").push(cx.waker().clone());
                Poll::<()>::Pending
            })
            .await;
        })
        .detach();
    }
    while ex.try_tick() {}
    drop(ex);
    assert_eq!(Arc::strong_count(&wakers), 1);
    // The memory of the tasks goes with the last waker, long after the executor.
    drop(wakers);
}

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
fn leaked_executors_keep_their_tasks() {
    let ex = Executor::new();
    let task = ex.spawn(async {
        yield_now().await;
        3
    });
    assert!(ex.try_tick());
    let ex = ex.leak();
    assert_eq!(block_on(ex.run(task)), 3);
    let ex = LocalExecutor::new();
    let task = ex.spawn(async { Rc::new(3) });
    let ex = ex.leak();
    assert_eq!(*block_on(ex.run(task)), 3);
    assert!(format!("{ex:?}").starts_with("StaticLocalExecutor {"));
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
