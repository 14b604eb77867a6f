//! Go's `WaitGroup.Go`.

use std::future::Future;

use gort_sync::WaitGroup;

use super::JoinHandle;

/// Starts goroutines that a [`WaitGroup`] counts. The group itself is of a crate that knows no goroutines.
///
/// # Examples
///
/// ```
/// use gort::sync::WaitGroup;
/// use gort::task::WaitGroupExt;
///
/// gort::block_on(async {
///     let group = WaitGroup::new();
///     for n in 0..3 {
///         group.go(async move { println!("{n}") });
///     }
///     group.wait().await;
/// });
/// ```
pub trait WaitGroupExt {
    /// Starts a goroutine, as [`gort::go`](crate::go) does, which is counted until it has ended, in whatever way.
    ///
    /// # Panics
    ///
    /// As [`gort::spawn`](crate::spawn), and if there are too many to count.
    fn go<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static;
}

impl WaitGroupExt for WaitGroup {
    #[track_caller]
    fn go<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        crate::go(self.track(future))
    }
}
