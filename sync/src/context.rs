//! Go's `context`: what a call may take in time, that it is no longer wanted, and what belongs to its request.
//!
//! A [`Context`] is two things that are shared with those it was made from: a place in a tree of what can be cancelled
//! (`node`), and a list of values (`values`). Both are handles, so to clone or pass one on is cheap.
//!
//! Where it differs from Go, and why: resources are freed when the last handle goes, so a deadline needs no `cancel` beside it;
//! a [`Cancel`] cancels when it is dropped, which is `defer cancel()`; values are looked up by type, which is what the
//! unexported key types of Go's packages come to; [`after_func`](Context::after_func) runs its function in place, because a
//! leaf cannot start a goroutine.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use self::node::Node;
use self::values::Values;
use crate::locks::block_on;

mod done;
#[cfg(all(test, gort_loom))]
mod model;
mod node;
mod values;

pub use done::{Done, Run};

/// Why a context was ended: what was given to [`Cancel::cancel_cause`] or [`Context::with_deadline_cause`], or else the [`ContextError`].
pub type Cause = Arc<dyn Error + Send + Sync>;

/// Carries a deadline, a cancellation and values to whatever works for one request: Go's `context.Context`.
///
/// A context never changes but to end. What is made of it, its child, ends when it does, and may end earlier: by a deadline, or by a
/// [`Cancel`]. Whoever works for it asks [`err`](Self::err), waits for [`done`](Self::done) beside what else it waits for, or lets
/// [`run`](Self::run) do that.
///
/// A handle: clones are the same context. Contexts are freed when nobody has them; parents do not keep their children.
///
/// # Examples
///
/// ```
/// use gort_sync::{Context, ContextError};
/// use std::time::Duration;
///
/// struct RequestId(u64);
///
/// async fn query(ctx: &Context) -> Result<String, ContextError> {
///     let answer = std::future::pending::<String>();
///     ctx.run(answer).await
/// }
///
/// # futures_lite::future::block_on(async {
/// let request = Context::background().with_value(RequestId(7)).with_timeout(Duration::from_millis(5));
/// assert_eq!(query(&request).await, Err(ContextError::DeadlineExceeded));
/// assert_eq!(request.value::<RequestId>().unwrap().0, 7);
///
/// let (ctx, cancel) = Context::background().with_cancel();
/// cancel.cancel_cause("the client hung up");
/// assert_eq!(query(&ctx).await, Err(ContextError::Canceled));
/// assert_eq!(ctx.cause().unwrap().to_string(), "the client hung up");
/// # });
/// ```
#[derive(Clone)]
pub struct Context {
    /// None: it never ends.
    node: Option<Arc<Node>>,
    values: Values,
}

impl Context {
    /// Returns the context that never ends and has no values: the root of all others.
    #[must_use]
    pub const fn background() -> Self {
        Self {
            node: None,
            values: Values::new(),
        }
    }

    /// Returns a child, and what cancels it: also by being dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// use gort_sync::Context;
    ///
    /// let (parent, stop) = Context::background().with_cancel();
    /// let (child, _stop_child) = parent.with_cancel();
    /// stop.cancel();
    /// assert!(child.err().is_some());
    /// ```
    pub fn with_cancel(&self) -> (Self, Cancel) {
        let node = Node::new(self.node.as_ref(), self.deadline());
        let cancel = Cancel {
            node: Some(node.clone()),
        };
        (self.with_node(Some(node)), cancel)
    }

    /// Returns a child that ends at `deadline`.
    ///
    /// If this one ends earlier it is its own child: nothing is made.
    #[must_use]
    pub fn with_deadline(&self, deadline: Instant) -> Self {
        self.with_deadline_and(deadline, None)
    }

    /// As [`with_deadline`](Self::with_deadline), with a cause for that end.
    #[must_use]
    pub fn with_deadline_cause(
        &self,
        deadline: Instant,
        cause: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        self.with_deadline_and(deadline, Some(cause.into().into()))
    }

    /// Returns a child that ends `timeout` from now. One that overflows the clock is none.
    #[must_use]
    pub fn with_timeout(&self, timeout: Duration) -> Self {
        match Instant::now().checked_add(timeout) {
            Some(deadline) => self.with_deadline(deadline),
            None => self.clone(),
        }
    }

    /// As [`with_timeout`](Self::with_timeout), with a cause for that end.
    #[must_use]
    pub fn with_timeout_cause(
        &self,
        timeout: Duration,
        cause: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        match Instant::now().checked_add(timeout) {
            Some(deadline) => self.with_deadline_cause(deadline, cause),
            None => self.clone(),
        }
    }

    fn with_deadline_and(&self, deadline: Instant, cause: Option<Cause>) -> Self {
        if self.deadline().is_some_and(|earlier| earlier <= deadline) || self.err().is_some() {
            return self.clone();
        }
        let node = Node::new(self.node.as_ref(), Some(deadline));
        node.arm(deadline, cause);
        self.with_node(Some(node))
    }

    /// Returns a context with `value` that ends when this one does.
    ///
    /// The type is the key, so give each kind of value one of its own. A value hides an earlier one of its type.
    #[must_use]
    pub fn with_value<T: Any + Send + Sync>(&self, value: T) -> Self {
        Self {
            node: self.node.clone(),
            values: self.values.with(Box::new(value)),
        }
    }

    /// Returns a context with the same values that never ends: for what must be done after all, such as cleaning up.
    #[must_use]
    pub fn without_cancel(&self) -> Self {
        self.with_node(None)
    }

    fn with_node(&self, node: Option<Arc<Node>>) -> Self {
        Self {
            node,
            values: self.values.clone(),
        }
    }

    /// Returns the value of this type.
    #[must_use]
    pub fn value<T: Any + Send + Sync>(&self) -> Option<&T> {
        self.values.get()
    }

    /// Returns when it ends at the latest.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.node().and_then(Node::deadline)
    }

    /// Returns how it has ended, or None if it has not.
    ///
    /// Cheap: one load.
    #[inline]
    #[must_use]
    pub fn err(&self) -> Option<ContextError> {
        self.node().and_then(Node::err)
    }

    /// Returns why it has ended, or None if it has not: the cause that was given to what ended it, or [`err`](Self::err).
    #[must_use]
    pub fn cause(&self) -> Option<Cause> {
        let err = self.err()?;
        let cause = self.node().and_then(Node::cause);
        Some(cause.unwrap_or_else(|| Arc::new(err)))
    }

    /// Waits for the end. A context that never ends waits for ever.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when it is dropped.
    #[track_caller]
    pub fn done(&self) -> Done<'_> {
        Done::new(self)
    }

    /// Blocks the thread until the end.
    #[track_caller]
    pub fn done_blocking(&self) -> ContextError {
        block_on(self.done())
    }

    /// Runs `future` until it is ready, or until this context ends.
    ///
    /// A context that has ended does not begin it. From then on a future that is ready wins, however late.
    ///
    /// # Errors
    ///
    /// Fails if the context ends first.
    ///
    /// # Cancel safety
    ///
    /// Drops the future when it is dropped, and does not poll it again once the context has ended: what the future had done by then
    /// is lost unless it is cancel safe itself. Pass `&mut future` to go on with it.
    #[track_caller]
    pub fn run<F: IntoFuture>(&self, future: F) -> Run<'_, F::IntoFuture> {
        Run::new(self, future.into_future())
    }

    /// Calls `f` when this context ends, or now if it has ended.
    ///
    /// It runs on the thread that ends the context, which may be one that serves timers: let it be short, and start a goroutine or a
    /// thread for what is not. It is dropped uncalled if all contexts that could end this way are gone, so let it not hold the context:
    /// they would keep each other.
    ///
    /// # Panics
    ///
    /// Panics if `f` does and is called now. Later, a panic goes to who called [`Cancel::cancel`], when all others were told.
    ///
    /// # Examples
    ///
    /// ```
    /// use gort_sync::Context;
    /// use std::sync::mpsc;
    ///
    /// let (ctx, cancel) = Context::background().with_cancel();
    /// let (sender, receiver) = mpsc::channel();
    /// let unwanted = sender.clone();
    /// ctx.after_func(move || sender.send("ended").unwrap());
    /// assert!(ctx.after_func(move || unwanted.send("never").unwrap()).stop());
    /// cancel.cancel();
    /// assert_eq!(receiver.iter().collect::<Vec<_>>(), ["ended"]);
    /// ```
    pub fn after_func(&self, f: impl FnOnce() + Send + 'static) -> AfterFunc {
        let place = match &self.node {
            None => Place::Never,
            Some(node) => match node.link(Box::new(f)) {
                Some(key) => Place::Linked(node.clone(), key),
                None => Place::Called,
            },
        };
        AfterFunc { place }
    }

    fn node(&self) -> Option<&Node> {
        self.node.as_deref()
    }
}

impl Default for Context {
    fn default() -> Self {
        Self::background()
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("err", &self.err())
            .field("deadline", &self.deadline())
            .field("values", &self.values.len())
            .finish()
    }
}

/// Ends a context, and all that were made of it: Go's `CancelFunc`. Made by [`Context::with_cancel`].
///
/// Dropping it cancels too, unless it was [detached](Self::detach). What has ended already keeps its error and its cause. All contexts
/// below have ended before the first who waits is woken, and before the first function of [`after_func`](Context::after_func) is called.
#[derive(Debug)]
#[must_use = "dropping it cancels the context"]
pub struct Cancel {
    /// None once it was detached.
    node: Option<Arc<Node>>,
}

impl Cancel {
    /// Cancels the context.
    ///
    /// # Panics
    ///
    /// With the first panic of a waker or function that is called, after all of them were.
    pub fn cancel(&self) {
        self.cancel_and(None);
    }

    /// Cancels the context, with a cause: an error, or a text.
    ///
    /// # Panics
    ///
    /// As [`cancel`](Self::cancel).
    pub fn cancel_cause(&self, cause: impl Into<Box<dyn Error + Send + Sync>>) {
        self.cancel_and(Some(cause.into().into()));
    }

    /// Lets the context live on: what it was made of can end it, or a deadline.
    pub fn detach(mut self) {
        self.node = None;
    }

    fn cancel_and(&self, cause: Option<Cause>) {
        if let Some(node) = &self.node {
            node.end(ContextError::Canceled, cause);
        }
    }
}

impl Drop for Cancel {
    fn drop(&mut self) {
        self.cancel_and(None);
    }
}

/// A function that waits for the end of a context. Made by [`Context::after_func`]; dropping it lets the function wait on.
#[derive(Debug)]
pub struct AfterFunc {
    place: Place,
}

#[derive(Debug)]
enum Place {
    /// The context never ends.
    Never,
    Called,
    Linked(Arc<Node>, usize),
}

impl AfterFunc {
    /// Takes the function back. Returns whether that prevented its call; false if it has begun.
    pub fn stop(self) -> bool {
        match self.place {
            Place::Never => true,
            Place::Called => false,
            Place::Linked(node, key) => node.unlink(key),
        }
    }
}

/// How a [`Context`] has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ContextError {
    /// It was cancelled, or what it was made of.
    Canceled,
    /// Its deadline has passed.
    DeadlineExceeded,
}

impl fmt::Display for ContextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Canceled => "context canceled",
            Self::DeadlineExceeded => "context deadline exceeded",
        })
    }
}

impl Error for ContextError {}

impl From<ContextError> for io::Error {
    /// Of the kind `TimedOut` for a deadline, else `Other`: `Interrupted` would be taken for a reason to try again.
    fn from(error: ContextError) -> io::Error {
        let kind = match error {
            ContextError::Canceled => io::ErrorKind::Other,
            ContextError::DeadlineExceeded => io::ErrorKind::TimedOut,
        };
        io::Error::new(kind, error)
    }
}
