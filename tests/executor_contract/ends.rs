//! How tasks and executors end.

use std::future::{pending, poll_fn, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

use futures_lite::future::{block_on, yield_now};
use gort::{Executor, LocalExecutor};

use super::support::Census;

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
fn a_detached_task_of_a_leaked_executor_is_neither_freed_nor_dropped_while_it_waits() {
    let census = Census::default();
    let local = LocalExecutor::new().leak();
    let ex = Executor::new().leak();
    let (send, receive) = gort::channel::bounded::<()>(1);
    for _ in 0..100 {
        let alive = [census.born(), census.born(), census.born()];
        let [one, other, third] = alive;
        local
            .spawn(async move { drop((pending::<()>().await, one)) })
            .detach();
        ex.spawn(async move { drop((pending::<()>().await, other)) })
            .detach();
        let receive = receive.clone();
        ex.spawn(async move { drop((receive.recv().await, third)) })
            .detach();
    }
    while ex.try_tick() || local.try_tick() {}
    assert_eq!(census.alive(), 300);
    drop(send);
    while ex.try_tick() {}
    assert_eq!(census.alive(), 200, "what was woken has ended");
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
    let cancelled = ex.spawn(pending::<()>());
    assert!(ex.try_tick());
    drop(cancelled);
    assert!(ex.try_tick(), "its future is dropped by the executor");
}
