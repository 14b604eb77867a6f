//! The context that a goroutine works for, which those that it spawns inherit.
//!
//! It is a task-local value. A spawn that finds one wraps its future, behind a box, so that futures without a context have no room
//! for one. As long as no context is in force anywhere in the process, a spawn costs one load more.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};

use gort_sync::Context;

use super::Scope;

crate::task_local! {
    static CONTEXT: Context;
}

/// Whether a context was ever in force.
static USED: AtomicBool = AtomicBool::new(false);

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Returns the [`Context`] that this code works for: that of the innermost [`with_context`] around it, or around what spawned its
/// goroutine, or around what spawned that. Without one it is the [background](Context::background).
#[must_use]
pub fn context() -> Context {
    inherited().unwrap_or_default()
}

/// Lets a future work for `context`, and with it all goroutines that it spawns, and so on.
///
/// The context is there to be asked for, by [`context`]; no operation ends by itself when it does. It is not inherited by what runs on
/// other threads, as with [`spawn_blocking`](super::spawn_blocking), nor by tasks of an [`Executor`](crate::Executor).
///
/// # Cancel safety
///
/// As that of the future.
///
/// # Examples
///
/// ```
/// use gort::sync::Context;
/// use gort::task;
/// use std::time::Duration;
///
/// async fn fetch() -> Option<&'static str> {
///     let ctx = task::context();
///     ctx.run(std::future::pending()).await.ok()
/// }
///
/// let answer = gort::block_on(async {
///     let soon = Context::background().with_timeout(Duration::from_millis(1));
///     task::with_context(soon, async { gort::go(fetch()).await }).await
/// });
/// assert_eq!(answer.unwrap(), None);
/// ```
pub fn with_context<F: Future>(context: Context, future: F) -> Scope<Context, F> {
    // Relaxed: who is inside the scope is ordered after this by whatever brought the future there.
    USED.store(true, Ordering::Relaxed);
    CONTEXT.scope(context, future)
}

/// The context of what runs here, if it has one.
#[inline(always)]
pub(crate) fn inherited() -> Option<Context> {
    // Relaxed: as in `with_context`.
    if !USED.load(Ordering::Relaxed) {
        return None;
    }
    CONTEXT.try_with(Context::clone).ok()
}

/// A future that works for a context that it has inherited. Boxed, so that there is one such type for each output, and not for each future.
#[cold]
pub(crate) fn heir<'a, F>(context: Context, future: F) -> Scope<Context, Boxed<'a, F::Output>>
where
    F: Future + Send + 'a,
{
    CONTEXT.scope(context, Box::pin(future))
}
