//! Executors of one thread, for tasks that are not `Send`: gort's `LocalExecutor`, tokio's `LocalSet`, async-executor's `LocalExecutor`.
//!
//! Each is driven as its users do it: the executors by the plain `block_on` of futures-lite, the set by a runtime of the current thread.
//! Each takes the channels that its users would: `gort::channel`, those of `tokio::sync`, async-channel. In `local_chan_foreign` they are
//! async-channel's everywhere, so what differs there is what the executor does for a wake and a poll. The number of workers makes no
//! difference.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use futures_lite::future::{block_on, yield_now};
use tokio::runtime;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, LocalSet};

use super::spawn::join_batches;
use super::{Case, Cx, Failure, Verdict, check};
use crate::adapters::async_executor::AsyncExecutor;
use crate::adapters::gort::Gort;
use crate::adapters::tokio::Tokio;
use crate::adapters::{Receiver, Runtime, Sender};
use crate::figures::Meter;

/// Who has an executor of one thread, in the order of the tables. That of smol is async-executor's.
pub(crate) const EXECUTORS: &[&str] = &[Gort::NAME, Tokio::NAME, AsyncExecutor::NAME];

/// How many tasks of `local_spawn` are alive at once.
const BATCH: u64 = 1_000;

/// How many tasks `local_yield` has, and how many pairs of them the exchanges have.
const TASKS: u64 = 200;

/// Runs a case on an executor.
///
/// # Panics
///
/// If no case has that name, or a task panics.
pub(crate) fn run(case: &Case, executor: &str, cx: Cx) -> Verdict {
    match executor {
        Gort::NAME => run_on::<gort::LocalExecutor<'static>>(case, cx),
        Tokio::NAME => run_on::<Set>(case, cx),
        AsyncExecutor::NAME => run_on::<async_executor::LocalExecutor<'static>>(case, cx),
        other => Err(Failure::Skip(format!(
            "`{other}` has no form of {}",
            case.name
        ))),
    }
}

fn run_on<L: Local>(case: &Case, cx: Cx) -> Verdict {
    let local = L::default();
    let body = |cx| {
        local.block_on(async {
            match case.name {
                "local_spawn" => {
                    let spawn = |index| local.spawn(async move { index });
                    join_batches(cx, BATCH, spawn).await
                }
                "local_yield" => yields(&local, cx).await,
                "local_chan" => ping_pong(&local, cx, L::channel).await,
                "local_chan_foreign" => ping_pong(&local, cx, || async_channel::bounded(1)).await,
                other => panic!("the catalogue names `{other}`, which has no body"),
            }
        })
    };
    // A tenth of the work warms up, and lets the parent find the thread.
    body(Cx {
        size: (cx.size / 10).max(1),
        ..cx
    })?;
    body(cx)
}

/// Runs tasks that share the yields evenly.
async fn yields<L: Local>(local: &L, cx: Cx) -> Verdict {
    let each = (cx.size / TASKS).max(1);
    let total = Rc::new(Cell::new(0));
    let meter = Meter::start();
    let tasks = (0..TASKS).map(|_| {
        let total = total.clone();
        local.spawn(async move {
            for _ in 0..each {
                yield_now().await;
                total.set(total.get() + 1);
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await;
    }
    let measured = meter.stop();
    check("yields", total.get(), TASKS * each)?;
    Ok(measured.per_op(TASKS * each))
}

/// Lets pairs of tasks exchange numbers over two channels of capacity 1; one operation is one message.
async fn ping_pong<L, S, R>(local: &L, cx: Cx, channel: fn() -> (S, R)) -> Verdict
where
    L: Local,
    S: Sender<u64>,
    R: Receiver<u64>,
{
    let trips = (cx.size / (2 * TASKS)).max(1);
    let mut replies = 0;
    let meter = Meter::start();
    let pings = (0..TASKS).map(|_| {
        let (to_pong, mut from_ping) = channel();
        let (to_ping, mut from_pong) = channel();
        let pong = local.spawn(async move {
            while let Some(value) = from_ping.recv().await {
                to_ping.send(value + 1).await.expect("the partner waits");
            }
        });
        local.spawn(async move {
            let mut value = 0;
            for _ in 0..trips {
                to_pong.send(value).await.expect("the partner waits");
                value = from_pong.recv().await.expect("the partner answers");
            }
            drop(to_pong);
            pong.await;
            value
        })
    });
    for ping in pings.collect::<Vec<_>>() {
        replies += ping.await;
    }
    let measured = meter.stop();
    check("sum of the last replies", replies, TASKS * trips)?;
    Ok(measured.per_op(TASKS * trips * 2))
}

/// An executor of one thread, as the cases see it.
trait Local: Default + 'static {
    type Task<T: 'static>: Future<Output = T> + 'static;
    /// The channels that its users would take.
    type Sender: Sender<u64>;
    type Receiver: Receiver<u64>;

    /// Makes a channel of capacity 1.
    fn channel() -> (Self::Sender, Self::Receiver);

    fn spawn<F: Future<Output: 'static> + 'static>(&self, future: F) -> Self::Task<F::Output>;

    /// Runs the tasks until `future` ends.
    fn block_on<F: Future>(&self, future: F) -> F::Output;
}

impl Local for gort::LocalExecutor<'static> {
    type Task<T: 'static> = gort::Task<T>;
    type Sender = gort::channel::Sender<u64>;
    type Receiver = gort::channel::Receiver<u64>;

    fn channel() -> (Self::Sender, Self::Receiver) {
        gort::channel::bounded(1)
    }

    fn spawn<F: Future<Output: 'static> + 'static>(&self, future: F) -> gort::Task<F::Output> {
        self.spawn(future)
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        block_on(self.run(future))
    }
}

impl Local for async_executor::LocalExecutor<'static> {
    type Task<T: 'static> = async_executor::Task<T>;
    type Sender = async_channel::Sender<u64>;
    type Receiver = async_channel::Receiver<u64>;

    fn channel() -> (Self::Sender, Self::Receiver) {
        async_channel::bounded(1)
    }

    fn spawn<F: Future<Output: 'static> + 'static>(
        &self,
        future: F,
    ) -> async_executor::Task<F::Output> {
        self.spawn(future)
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        block_on(self.run(future))
    }
}

/// tokio's, with the runtime that drives it.
struct Set {
    set: LocalSet,
    runtime: runtime::Runtime,
}

impl Default for Set {
    fn default() -> Set {
        let runtime = runtime::Builder::new_current_thread().build();
        Set {
            set: LocalSet::new(),
            runtime: runtime.expect("a runtime without drivers can be built"),
        }
    }
}

impl Local for Set {
    type Task<T: 'static> = Joined<T>;
    type Sender = mpsc::Sender<u64>;
    type Receiver = mpsc::Receiver<u64>;

    fn channel() -> (Self::Sender, Self::Receiver) {
        mpsc::channel(1)
    }

    fn spawn<F: Future<Output: 'static> + 'static>(&self, future: F) -> Joined<F::Output> {
        Joined(self.set.spawn_local(future))
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.set.block_on(&self.runtime, future)
    }
}

struct Joined<T>(JoinHandle<T>);

impl<T> Future for Joined<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        Poll::Ready(ready!(Pin::new(&mut self.0).poll(cx)).expect("no task panics"))
    }
}
