//! Stands in for async-global-executor 3.1, and for 2.4: the same names, on gort.
//!
//! With this package in a `[patch.crates-io]` section all crates of a program that use async-global-executor, async-std among them, spawn
//! goroutines on gort's default runtime, unedited. Where a configuration or its environment variable says how many threads there should be,
//! they run on a runtime of their own with so many Ps instead. With the feature `tokio` they do in any case, and crates that need tokio work in them.
//!
//! Two things differ. gort starts threads when they are needed, so the functions that start and stop some have nothing to do. And the
//! threads of gort run no tasks of their own: [`spawn_local`] is for code inside [`block_on`], or about to call it.

use std::cell::Cell;
use std::future::Future;
use std::io;

pub use config::{GlobalExecutorConfig, init, init_with_config};
use gort::LocalExecutor;
pub use gort::Task;

mod config;

thread_local! {
    static LOCAL: LocalExecutor<'static> = const { LocalExecutor::new() };
    /// How many calls of [`block_on`] this thread is in.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// Runs a future on the calling thread until it ends, and the tasks of [`spawn_local`] meanwhile.
///
/// # Panics
///
/// Panics if the future does.
pub fn block_on<F: Future<Output = T>, T>(future: F) -> T {
    let _inside = Inside::enter();
    LOCAL.with(|local| {
        let future = local.run(future);
        if cfg!(feature = "tokio") {
            // Where the context of tokio is.
            config::runtime().block_on(future)
        } else {
            gort::block_on(future)
        }
    })
}

/// Spawns a goroutine.
///
/// # Panics
///
/// Panics if the runtime has to be started and cannot.
#[track_caller]
pub fn spawn<F: Future<Output = T> + Send + 'static, T: Send + 'static>(future: F) -> Task<T> {
    config::runtime().spawn(future)
}

/// Spawns a task that stays on this thread, and runs while the thread is in [`block_on`].
///
/// # Panics
///
/// Panics in a goroutine, unless it has called [`block_on`]: goroutines change their thread, and no other thread can run the task.
#[track_caller]
pub fn spawn_local<F: Future<Output = T> + 'static, T: 'static>(future: F) -> Task<T> {
    let stranded = DEPTH.get() == 0 && gort::task::try_id().is_some();
    assert!(
        !stranded,
        "spawn_local: a goroutine changes its thread, so nobody would run the task; call this inside block_on"
    );
    LOCAL.with(|local| local.spawn(future))
}

/// Runs a call that blocks on gort's pool of threads for such calls.
pub fn spawn_blocking<F: FnOnce() -> T + Send + 'static, T: Send + 'static>(f: F) -> Task<T> {
    gort::unblock(f)
}

/// Does nothing: threads start when they are needed. The number of threads that were started is 0.
///
/// # Errors
///
/// None.
pub async fn spawn_more_threads(_count: usize) -> io::Result<usize> {
    Ok(0)
}

/// Does nothing: threads end when they have been idle. No thread was stopped.
pub fn stop_thread() -> Task<bool> {
    gort::spawn(async { false })
}

/// Does nothing: threads end when they have been idle. No thread was stopped.
pub fn stop_current_thread() -> Task<bool> {
    stop_thread()
}

/// A call of [`block_on`].
struct Inside;

impl Inside {
    fn enter() -> Self {
        DEPTH.set(DEPTH.get() + 1);
        Self
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get() - 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_of_a_thread_run_inside_block_on() {
        let before = spawn_local(async { 1 });
        let sum = block_on(async {
            let inside = spawn_local(async { 2 });
            let far = spawn(async { 3 });
            before.await + inside.await + far.await
        });
        assert_eq!(sum, 6);
    }

    #[test]
    #[should_panic(expected = "call this inside block_on")]
    fn a_task_that_nobody_would_run_is_refused() {
        block_on(spawn(async {
            drop(spawn_local(async {}));
        }));
    }

    #[test]
    fn a_goroutine_inside_block_on_may_spawn_locally() {
        let outer = spawn(async { block_on(async { spawn_local(async { 5 }).await }) });
        assert_eq!(block_on(outer), 5);
    }
}
