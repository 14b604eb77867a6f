//! Deep recursion inside a poll. Feature `stacker`.
//!
//! A goroutine keeps its future on the heap, but while it is polled each future that awaits another is a call within a call, on the
//! stack of a thread: 2 MiB, unless [`Builder::thread_stack_size`](crate::Builder::thread_stack_size) says otherwise. A recursion
//! that is too deep for it ends the process. What is wrapped in [`grow`] or [`growing`] goes on instead on a new piece of stack from the
//! heap when little is left, by way of the crate [stacker](https://docs.rs/stacker), which the compiler uses for the same purpose.
//!
//! Wrap the recursive step, so that there is a look at each level. A look costs a nanosecond or two, a new piece some microseconds.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

/// With less than this left, a new piece is taken. From rustc's 100 KiB: what lies between two looks must fit.
const RED_ZONE: usize = 128 * 1024;

/// The size of a piece. As much as a thread begins with.
const PIECE: usize = 2 * 1024 * 1024;

/// Calls `f`, on a new piece of stack if less than 128 KiB are left.
///
/// # Panics
///
/// Panics if `f` does, or if there is no memory for a piece.
///
/// # Examples
///
/// ```
/// fn depth(n: u32) -> u32 {
///     match n {
///         0 => 0,
///         n => gort::stack::grow(|| depth(n - 1)) + 1,
///     }
/// }
/// assert_eq!(depth(100_000), 100_000);
/// ```
pub fn grow<R>(f: impl FnOnce() -> R) -> R {
    stacker::maybe_grow(RED_ZONE, PIECE, f)
}

/// Wraps a future so that it is polled, and dropped, on a new piece of stack if less than 128 KiB are left.
///
/// # Cancel safety
///
/// As that of the future: nothing is added.
///
/// # Examples
///
/// ```
/// use std::future::Future;
/// use std::pin::Pin;
///
/// fn depth(n: u32) -> Pin<Box<dyn Future<Output = u32> + Send>> {
///     Box::pin(async move {
///         match n {
///             0 => 0,
///             n => gort::stack::growing(depth(n - 1)).await + 1,
///         }
///     })
/// }
/// assert_eq!(gort::block_on(depth(10_000)), 10_000);
/// ```
pub fn growing<F: Future>(future: F) -> Growing<F> {
    Growing {
        future: Some(future),
    }
}

pin_project! {
    /// The future of [`growing`].
    #[must_use = "futures do nothing unless awaited"]
    pub struct Growing<F> {
        // Some until it is dropped.
        #[pin]
        future: Option<F>,
    }

    impl<F> PinnedDrop for Growing<F> {
        fn drop(this: Pin<&mut Self>) {
            // What recurses in polls recurses here too, if it is cancelled.
            grow(|| this.project().future.set(None));
        }
    }
}

impl<F: Future> Future for Growing<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let Some(future) = self.project().future.as_pin_mut() else {
            unreachable!("poll: dropped already")
        };
        grow(|| future.poll(cx))
    }
}

impl<F: fmt::Debug> fmt::Debug for Growing<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Growing").field(&self.future).finish()
    }
}
