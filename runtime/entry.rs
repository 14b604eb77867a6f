//! The executors that `#[gort::main]` and `#[gort::test]` hand to a function that takes one.
//!
//! The function runs inside the executor's `run()`, on the thread that called it. An [`Executor`] is driven by goroutines as
//! well, so that there are as many drivers as Ps, and what its tasks do to a thread is the business of the scheduler.

use std::future::pending;
use std::rc::Rc;
use std::sync::Arc;

use async_task::Task;

use crate::{Executor, Handle, LocalExecutor};

/// Runs a function that takes `&Executor`.
pub async fn with_executor<T>(function: impl AsyncFnOnce(&Executor<'static>) -> T) -> T {
    let executor = Arc::new(Executor::new());
    let _drivers = drive(&executor);
    executor.run(function(&executor)).await
}

/// Runs a function that takes `Arc<Executor>`.
pub async fn with_shared_executor<T>(function: impl AsyncFnOnce(Arc<Executor<'static>>) -> T) -> T {
    let executor = Arc::new(Executor::new());
    let _drivers = drive(&executor);
    executor.run(function(executor.clone())).await
}

/// Runs a function that takes `&LocalExecutor`.
pub async fn with_local_executor<T>(function: impl AsyncFnOnce(&LocalExecutor<'static>) -> T) -> T {
    let executor = LocalExecutor::new();
    executor.run(function(&executor)).await
}

/// Runs a function that takes `Rc<LocalExecutor>`.
pub async fn with_shared_local_executor<T>(
    function: impl AsyncFnOnce(Rc<LocalExecutor<'static>>) -> T,
) -> T {
    let executor = Rc::new(LocalExecutor::new());
    executor.run(function(executor.clone())).await
}

/// Starts a driver for each P but that of the calling thread. They end when they are dropped.
fn drive(executor: &Arc<Executor<'static>>) -> Vec<Task<()>> {
    let others = Handle::current().procs().saturating_sub(1);
    (0..others)
        .map(|_| {
            let executor = executor.clone();
            crate::spawn(async move { executor.run(pending()).await })
        })
        .collect()
}
