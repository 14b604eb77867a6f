//! Making room for other goroutines.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::lease::Flag;
use crate::m;

/// Lets other goroutines run, and goes on when its turn comes again (Go's `runtime.Gosched`).
///
/// # Cancel safety
///
/// Nothing is lost when it is dropped.
///
/// # Examples
///
/// ```
/// gort::block_on(async {
///     for _ in 0..3 {
///         gort::task::yield_now().await;
///     }
/// });
/// ```
#[inline]
pub fn yield_now() -> YieldNow {
    YieldNow { yielded: false }
}

/// The future of [`yield_now`].
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct YieldNow {
    yielded: bool,
}

impl Future for YieldNow {
    type Output = ();

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.yielded {
            return Poll::Ready(());
        }
        self.yielded = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Returns whether the goroutine that runs this code has used up its time slice, 10 ms, and had better [yield](yield_now).
///
/// One load: cheap enough for the inner loop of a computation. Always false outside a goroutine.
///
/// # Examples
///
/// ```
/// async fn sum(numbers: &[u64]) -> u64 {
///     let mut sum = 0;
///     for chunk in numbers.chunks(1024) {
///         sum += chunk.iter().sum::<u64>();
///         if gort::task::should_yield() {
///             gort::task::yield_now().await;
///         }
///     }
///     sum
/// }
/// assert_eq!(gort::block_on(sum(&[1; 10_000])), 10_000);
/// ```
#[must_use]
#[inline]
pub fn should_yield() -> bool {
    m::with_here(|here| here.is_some_and(|here| here.m().lease.raised(Flag::Slice)))
}

/// [`should_yield`], once per poll: for operations that yield of their own accord.
///
/// Once only, because the poll may not end by that: inside a `block_on` within the goroutine, the operation is polled again at once.
pub(crate) fn must_yield() -> bool {
    m::with_here(|here| {
        here.is_some_and(|here| {
            here.m().lease.raised(Flag::Slice) && {
                let tick = here.m().tick();
                here.local().yielded_in.replace(tick) != tick
            }
        })
    })
}
