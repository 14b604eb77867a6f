//! The two ways to start a goroutine.

use std::future::Future;
use std::panic::Location;

use async_task::Task;

use crate::context;
use crate::m;
use crate::spawn::{self, Origin};
use crate::task::JoinHandle;

/// Spawns a goroutine, and cancels it when the returned [`Task`] is dropped.
///
/// This is smol's contract: [`Task::detach`] lets the goroutine run on its own, [`Task::cancel`] stops it and waits until
/// its future is dropped, [`Task::fallible`] turns cancellation into `None`. A panic is raised again where the task is awaited.
///
/// The goroutine runs on the current runtime: the one that runs the caller, or whose `block_on` it is in, else the default
/// one, which is started by this if need be. If that runtime is closing, the task is cancelled.
///
/// # Panics
///
/// Panics if the default runtime has to be started and cannot: `GORT_PROCS` is invalid, or the system has no threads left.
///
/// # Examples
///
/// ```
/// let answer = gort::block_on(async {
///     let task = gort::spawn(async { 6 * 7 });
///     task.await
/// });
/// assert_eq!(answer, 42);
/// ```
#[track_caller]
#[inline]
pub fn spawn<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> Task<T> {
    let at = Location::caller();
    context::with_current(|rt| spawn::plain(rt, Origin { at, name: None }, future))
}

/// Calls `f`, which may block, and lets the other goroutines of this thread go on meanwhile.
///
/// The call is made in place: no closure crosses a thread, and a call that turns out to be short costs a few stores. If it lasts
/// longer than one look of the monitor (a millisecond), and the P is needed, another thread gets it. Without this mark the monitor would
/// find out too, but later, and only after it has asked the kernel what the thread does.
///
/// May be called anywhere; outside a goroutine it just calls `f`.
///
/// # Panics
///
/// Panics if `f` does.
///
/// # Examples
///
/// ```
/// gort::block_on(async {
///     let text = gort::go(async { gort::blocking(|| std::fs::read_to_string("Cargo.toml")) });
///     assert!(text.await.unwrap().is_ok());
/// });
/// ```
#[inline]
pub fn blocking<R>(f: impl FnOnce() -> R) -> R {
    m::with_here(|here| match here {
        Some(here) => here.blocking(f),
        None => f(),
    })
}

/// Starts a detached goroutine: Go's `go` statement.
///
/// It runs to its end whether or not the returned [`JoinHandle`] is kept. Awaiting the handle gives the output, or an error
/// if the goroutine panicked or was [aborted](JoinHandle::abort). Where it runs is told at [`spawn`].
///
/// # Panics
///
/// As [`spawn`].
///
/// # Examples
///
/// ```
/// gort::block_on(async {
///     let handle = gort::go(async { 6 * 7 });
///     assert_eq!(handle.await.unwrap(), 42);
///
///     let failed = gort::go(async { assert!(1 > 2, "numbers are off") });
///     assert!(failed.await.unwrap_err().to_string().contains("numbers are off"));
/// });
/// ```
#[track_caller]
#[inline]
pub fn go<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let at = Location::caller();
    context::with_current(|rt| spawn::joinable(rt, Origin { at, name: None }, future))
}
