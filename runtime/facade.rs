//! The two ways to start a goroutine.

use std::future::Future;
use std::panic::Location;

use async_task::Task;

use crate::context;
use crate::g::body::{Joinable, Plain};
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
pub fn spawn<F>(future: F) -> Task<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let at = Location::caller();
    // SAFETY: the future is Send and 'static.
    context::with_current(|rt| unsafe {
        spawn::spawn(rt, Origin { at, name: None }, Plain::new(future))
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
    let body = Joinable::new(future);
    // SAFETY: the future is Send and 'static.
    JoinHandle::new(context::with_current(|rt| unsafe {
        spawn::spawn_recorded(rt, Origin { at, name: None }, body)
    }))
}
