//! Executors on the user's own threads: nothing is stranded, whatever becomes of a `run()` future.

use std::future::{pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread;

use futures_lite::future::{self, poll_once};
use gort::{Executor, LocalExecutor, StaticExecutor, Task, block_on};
use support::{Alive, Census, rounds};

mod support;

const _: () = {
    const fn send_and_sync<T: Send + Sync>() {}
    send_and_sync::<Executor<'_>>();
    send_and_sync::<StaticExecutor>();
    assert!(size_of::<Executor<'_>>() == 8);
    assert!(size_of::<LocalExecutor<'_>>() == 8);
    assert!(size_of::<Task<()>>() == 8);
};

fn send<T: Send>(value: T) -> T {
    value
}

#[test]
fn what_a_dropped_run_has_queued_is_run_by_others() {
    let done = AtomicUsize::new(0);
    let ex = Executor::new();
    {
        // Polled once: the root spawns into the seat's own ring, and never lets it run.
        let mut run = Box::pin(send(ex.run(async {
            for _ in 0..100 {
                ex.spawn(async { done.fetch_add(1, Ordering::SeqCst) })
                    .detach();
            }
            // Two hundred tasks per poll are run, so it sees to it that none is.
            done.fetch_add(1_000, Ordering::SeqCst);
        })));
        assert!(block_on(poll_once(&mut run)).is_some());
    }
    assert_eq!(done.load(Ordering::SeqCst), 1_000);
    while ex.try_tick() {}
    assert_eq!(done.load(Ordering::SeqCst), 1_100);
    assert!(ex.is_empty());
}

#[test]
fn a_run_that_is_parked_keeps_nothing_from_ticks() {
    let ex = Executor::new();
    let done = Arc::new(AtomicUsize::new(0));
    let mut run = Box::pin(ex.run(poll_fn(|_| {
        for _ in 0..300 {
            let done = done.clone();
            ex.spawn(async move { done.fetch_add(1, Ordering::SeqCst) })
                .detach();
        }
        Poll::<()>::Pending
    })));
    // One poll runs two hundred of three hundred; then nobody polls it any more.
    assert!(block_on(poll_once(&mut run)).is_none());
    assert_eq!(done.load(Ordering::SeqCst), 200);
    while ex.try_tick() {}
    assert_eq!(done.load(Ordering::SeqCst), 300);
    drop(run);
}

#[test]
fn a_run_may_move_between_threads_from_poll_to_poll() {
    let ex = Arc::new(Executor::new());
    let tasks: Vec<_> = (0..4)
        .map(|i| {
            ex.spawn(async move {
                for _ in 0..1_000 {
                    future::yield_now().await;
                }
                i
            })
        })
        .collect();
    let sum = Arc::new(AtomicUsize::new(0));
    let mut run = {
        let (ex, sum) = (ex.clone(), sum.clone());
        Box::pin(async move {
            ex.run(async {
                for task in tasks {
                    sum.fetch_add(task.await, Ordering::SeqCst);
                }
            })
            .await;
        })
    };
    loop {
        let moved = thread::spawn(move || {
            let ready = block_on(poll_once(&mut run)).is_some();
            (run, ready)
        });
        let (back, ready) = moved.join().expect("no panic");
        if ready {
            break;
        }
        run = back;
    }
    assert_eq!(sum.load(Ordering::SeqCst), 6);
}

#[test]
fn runs_nest_in_their_own_tasks_and_in_others() {
    let outer = Arc::new(Executor::new());
    let inner = Arc::new(Executor::new());
    let answer = block_on(outer.run(async {
        let (me, inner) = (outer.clone(), inner.clone());
        let task = outer.spawn(async move {
            let task = inner.spawn(async { 20 });
            let half = inner.run(async { task.await + 1 }).await;
            // And the same executor from within one of its tasks.
            let other = me.spawn(async { 21 });
            half + me.run(other).await
        });
        task.await
    }));
    assert_eq!(answer, 42);
}

#[test]
fn a_leaked_run_does_not_keep_the_executor_from_ending_its_tasks() {
    let census = Census::default();
    let borrowed = String::from("borrowed");
    {
        let ex = Executor::new();
        for _ in 0..3 {
            let alive = census.born();
            ex.spawn(async {
                let _alive = alive;
                assert_eq!(borrowed, "borrowed");
                pending::<()>().await;
            })
            .detach();
        }
        let leaked: &'static StaticOnly = Box::leak(Box::new(StaticOnly::default()));
        leaked.poll_leaked_run();
        let mut run = Box::pin(ex.run(future::yield_now()));
        assert!(block_on(poll_once(&mut run)).is_none());
        drop(run);
        assert_eq!(census.alive(), 3);
    }
    assert_eq!(census.alive(), 0);
}

/// An executor whose `run()` future is polled once and leaked.
#[derive(Default)]
struct StaticOnly(Executor<'static>);

impl StaticOnly {
    fn poll_leaked_run(&'static self) {
        let mut run = Box::pin(self.0.run(pending::<()>()));
        let _task = self.0.spawn(async {});
        assert!(block_on(poll_once(&mut run)).is_none());
        std::mem::forget(run);
    }
}

#[test]
fn every_future_is_dropped_once_whoever_wakes_it_while_the_executor_ends() {
    for _ in 0..rounds(200) {
        let census = Census::default();
        let wakers: Arc<Mutex<Vec<Waker>>> = Arc::default();
        let ex = Executor::new();
        let tasks: Vec<Task<()>> = (0..16)
            .map(|_| {
                let (alive, wakers) = (census.born(), wakers.clone());
                ex.spawn(leave_waker(alive, wakers))
            })
            .collect();
        while ex.try_tick() {}
        let waking = thread::spawn({
            let wakers = wakers.clone();
            move || {
                let wakers = std::mem::take(&mut *wakers.lock().expect("no panic"));
                wakers.into_iter().for_each(Waker::wake);
            }
        });
        let cancelling = thread::spawn(move || drop(tasks));
        drop(ex);
        assert_eq!(census.alive(), 0);
        waking.join().expect("no panic");
        cancelling.join().expect("no panic");
    }
}

async fn leave_waker(alive: Alive, wakers: Arc<Mutex<Vec<Waker>>>) {
    let _alive = alive;
    poll_fn(|cx| {
        wakers.lock().expect("no panic").push(cx.waker().clone());
        Poll::<()>::Pending
    })
    .await;
}

#[test]
fn many_threads_run_one_executor_and_no_wake_is_lost() {
    let ex = Executor::new();
    let (stop, stopped) = async_channel();
    thread::scope(|s| {
        for _ in 0..3 {
            s.spawn(|| block_on(ex.run(stopped.clone())));
        }
        for _ in 0..rounds(300) {
            let (to, from) = mpsc::channel();
            for i in 0..10 {
                let to = to.clone();
                ex.spawn(async move {
                    future::yield_now().await;
                    to.send(i).expect("the test waits");
                })
                .detach();
            }
            drop(to);
            assert_eq!(from.iter().sum::<i32>(), 45);
        }
        drop(stop);
    });
}

/// A stop signal for many.
fn async_channel() -> (
    futures::channel::oneshot::Sender<()>,
    futures::future::Shared<impl Future<Output = ()>>,
) {
    use futures::FutureExt;
    let (sender, receiver) = futures::channel::oneshot::channel();
    (sender, receiver.map(|_| ()).shared())
}

#[test]
fn a_local_executor_hears_of_wakes_on_other_threads() {
    let ex = LocalExecutor::new();
    for _ in 0..rounds(300) {
        let (sender, receiver) = futures::channel::oneshot::channel();
        let local = Rc::new(1);
        let task = ex.spawn(async move { receiver.await.expect("it is sent") + *local });
        let sending = thread::spawn(move || sender.send(41).expect("it is awaited"));
        assert_eq!(block_on(ex.run(task)), 42);
        sending.join().expect("no panic");
    }
}

#[test]
fn a_local_executor_may_end_while_other_threads_wake_its_tasks() {
    for _ in 0..rounds(300) {
        let census = Census::default();
        let wakers: Arc<Mutex<Vec<Waker>>> = Arc::default();
        let ex = LocalExecutor::new();
        for _ in 0..8 {
            ex.spawn(leave_waker(census.born(), wakers.clone()))
                .detach();
        }
        while ex.try_tick() {}
        let waking = thread::spawn(move || {
            let wakers = std::mem::take(&mut *wakers.lock().expect("no panic"));
            wakers.iter().for_each(Waker::wake_by_ref);
        });
        drop(ex);
        assert_eq!(census.alive(), 0);
        waking.join().expect("no panic");
    }
}

#[test]
fn a_panic_goes_to_the_awaiter_and_the_executor_goes_on() {
    let ex = Executor::new();
    let bad = ex.spawn(async { panic!("a test's own panic") });
    let good = ex.spawn(async { 7 });
    assert_eq!(block_on(ex.run(good)), 7);
    let raised = catch_unwind(AssertUnwindSafe(|| block_on(ex.run(bad))));
    assert!(raised.is_err());
    assert!(ex.is_empty());
}

#[test]
fn a_dropped_tick_passes_its_wake_up_on() {
    let ex = Executor::new();
    let mut first = Box::pin(ex.tick());
    let mut second = Box::pin(ex.tick());
    let (a, b) = (
        Arc::new(CountsWakes::default()),
        Arc::new(CountsWakes::default()),
    );
    assert!(!poll(&mut first, &a));
    assert!(!poll(&mut second, &b));
    ex.spawn(async {}).detach();
    let woken = |counts: &CountsWakes| counts.0.load(Ordering::SeqCst);
    assert_eq!(woken(&a) + woken(&b), 1, "one wake-up at a time");
    if woken(&a) == 1 {
        drop(first);
        assert_eq!(woken(&b), 1);
        assert!(poll(&mut second, &b));
    } else {
        drop(second);
        assert_eq!(woken(&a), 1);
        assert!(poll(&mut first, &a));
    }
}

fn poll(future: &mut Pin<Box<impl Future>>, counts: &Arc<CountsWakes>) -> bool {
    let waker = Waker::from(counts.clone());
    let mut cx = Context::from_waker(&waker);
    future.as_mut().poll(&mut cx).is_ready()
}

#[derive(Default)]
struct CountsWakes(AtomicUsize);

impl std::task::Wake for CountsWakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_debug_print_tells_what_there_is() {
    let ex = Executor::new();
    let _task = ex.spawn(pending::<()>());
    let text = format!("{ex:?}");
    assert!(
        text.contains("tasks: 1") && text.contains("global_queue: 1"),
        "{text}"
    );
    let mut run = pin!(ex.run(pending::<()>()));
    assert!(block_on(poll_once(run.as_mut())).is_none());
    assert!(format!("{ex:?}").contains("sleepers: 1"));
    let local = LocalExecutor::new();
    local.spawn(async {}).detach();
    assert!(format!("{local:?}").contains("local_queue: 1"));
}
