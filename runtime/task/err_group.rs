//! Goroutines that work on one thing, so that the first error ends the work: Go's `errgroup`.

use std::fmt;
use std::future::Future;
use std::mem;
use std::panic::Location;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context as Cx, Poll, ready};

use gort_sync::{AcquireOwned, Cancel, Context, OwnedSemaphorePermit, Semaphore};
use pin_project_lite::pin_project;

use super::{AbortHandle, JoinError, JoinSet, WaitReason, note_wait, with_context};

/// What the context of a group that has failed gives as its cause.
const FAILED: &str = "another goroutine of the group failed";

/// A group of goroutines that can fail: Go's `errgroup.Group`.
///
/// [`wait`](Self::wait) returns the first error. A group that was made [with a context](Self::with_context) ends it at the first error, or
/// panic, so that the others can give up: those that it spawned find it by [`task::context`](super::context). Nobody is stopped by
/// force, unless the group is dropped: that aborts all that are left.
///
/// # Examples
///
/// ```
/// use gort::sync::Context;
/// use gort::task::{self, ErrGroup};
///
/// async fn fetch(page: u32) -> Result<(), String> {
///     match page {
///         3 => Err(format!("page {page} is missing")),
///         // Would take for ever.
///         _ => task::context().run(std::future::pending()).await.map_err(|error| error.to_string()),
///     }
/// }
///
/// gort::block_on(async {
///     let (mut group, _ctx) = ErrGroup::with_context(&Context::background());
///     for page in 1..=5 {
///         group.go(fetch(page)).await;
///     }
///     assert_eq!(group.wait().await, Err("page 3 is missing".into()));
/// });
/// ```
pub struct ErrGroup<E> {
    set: JoinSet<()>,
    shared: Arc<Shared<E>>,
    context: Option<Context>,
    limit: Option<Arc<Semaphore>>,
    /// The first panic that was found among those that have ended.
    panicked: Option<JoinError>,
}

struct Shared<E> {
    first: Mutex<Option<E>>,
    cancel: Option<Cancel>,
}

impl<E: Send + 'static> ErrGroup<E> {
    /// Creates a group whose errors end nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::with(None, None)
    }

    /// Creates a group that works for a child of `parent`, which ends at the first error, and when [`wait`](Self::wait) returns.
    #[must_use]
    pub fn with_context(parent: &Context) -> (Self, Context) {
        let (context, cancel) = parent.with_cancel();
        (Self::with(Some(context.clone()), Some(cancel)), context)
    }

    fn with(context: Option<Context>, cancel: Option<Cancel>) -> Self {
        let first = Mutex::new(None);
        Self {
            set: JoinSet::new(),
            shared: Arc::new(Shared { first, cancel }),
            context,
            limit: None,
            panicked: None,
        }
    }

    /// Lets no more than `limit` goroutines of the group run at a time.
    ///
    /// # Panics
    ///
    /// Panics if `limit` is 0, with which nothing would ever run, or if goroutines of the group run.
    #[track_caller]
    pub fn set_limit(&mut self, limit: usize) {
        assert!(
            limit > 0,
            "a group with a limit of 0 would never run anything"
        );
        self.reap();
        assert!(
            self.set.is_empty(),
            "the limit of a group is set while {} goroutines of it run",
            self.set.len()
        );
        self.limit = Some(Arc::new(Semaphore::new(limit.min(Semaphore::MAX_PERMITS))));
    }

    /// Starts a goroutine of the group as soon as the limit allows; without one, at the first poll.
    ///
    /// # Cancel safety
    ///
    /// If it is dropped before it is ready, the goroutine is not started, and its future is dropped.
    #[track_caller]
    pub fn go<F>(&mut self, future: F) -> Go<'_, E, F>
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
    {
        let limit = self.limit.clone();
        Go {
            group: self,
            future: Some(future),
            place: limit.map(Semaphore::acquire_owned),
            at: Location::caller(),
        }
    }

    /// Starts a goroutine of the group if the limit allows.
    ///
    /// # Errors
    ///
    /// Gives the future back if as many run as may.
    #[track_caller]
    pub fn try_go<F>(&mut self, future: F) -> Result<AbortHandle, F>
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
    {
        let place = match &self.limit {
            None => None,
            Some(limit) => match limit.clone().try_acquire_many_owned(1) {
                Ok(place) => Some(place),
                Err(_) => return Err(future),
            },
        };
        Ok(self.start(future, place, Location::caller()))
    }

    pub(super) fn start<F>(
        &mut self,
        future: F,
        place: Option<OwnedSemaphorePermit>,
        at: &'static Location<'static>,
    ) -> AbortHandle
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
    {
        self.reap();
        let attempt = Attempt {
            future,
            shared: self.shared.clone(),
            _place: place,
        };
        match self.context.clone() {
            None => self.set.start_here(at, attempt),
            Some(context) => self.set.start_here(at, with_context(context, attempt)),
        }
    }

    /// Forgets those that have ended.
    fn reap(&mut self) {
        while let Some(ended) = self.set.try_join_next() {
            self.note(ended);
        }
    }

    fn note(&mut self, ended: Result<(), JoinError>) {
        if let Err(error) = ended
            && error.is_panic()
        {
            self.panicked.get_or_insert(error);
        }
    }

    /// Waits until all have ended, and returns the first error, if there was one.
    ///
    /// The group may be used again, but a context that it was made with has ended then.
    ///
    /// # Errors
    ///
    /// Fails with the first error that a goroutine of the group returned.
    ///
    /// # Panics
    ///
    /// Panics as a goroutine of the group did, if one did, when all have ended.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when it is dropped.
    pub async fn wait(&mut self) -> Result<(), E> {
        while let Some(ended) = self.set.join_next().await {
            self.note(ended);
        }
        self.shared.cancel(|cancel| cancel.cancel());
        if let Some(error) = self.panicked.take() {
            error.resume_panic();
        }
        self.shared.lock().take().map_or(Ok(()), Err)
    }
}

impl<E> Drop for ErrGroup<E> {
    fn drop(&mut self) {
        self.shared.cancel(|cancel| cancel.cancel());
    }
}

impl<E: Send + 'static> Default for ErrGroup<E> {
    fn default() -> Self {
        Self::new()
    }
}

impl<E> fmt::Debug for ErrGroup<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ErrGroup")
            .field("len", &self.set.len())
            .field("failed", &self.shared.lock().is_some())
            .finish()
    }
}

impl<E> Shared<E> {
    /// Nothing that panics runs under the lock.
    fn lock(&self) -> MutexGuard<'_, Option<E>> {
        self.first.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cancel(&self, how: impl FnOnce(&Cancel)) {
        if let Some(cancel) = &self.cancel {
            how(cancel);
        }
    }

    fn fail(&self, error: E) {
        let mut first = self.lock();
        let late = match *first {
            Some(_) => Some(error),
            None => first.replace(error),
        };
        drop(first);
        drop(late);
        self.cancel(|cancel| cancel.cancel_cause(FAILED));
    }
}

pin_project! {
    /// What a goroutine of a group runs.
    struct Attempt<E, F> {
        #[pin]
        future: F,
        shared: Arc<Shared<E>>,
        // Given back when the future is gone.
        _place: Option<OwnedSemaphorePermit>,
    }
}

impl<E, F: Future<Output = Result<(), E>>> Future for Attempt<E, F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Cx<'_>) -> Poll<()> {
        let this = self.project();
        let unwinds = Unwinds(this.shared);
        let poll = this.future.poll(cx);
        mem::forget(unwinds);
        poll.map(|result| result.unwrap_or_else(|error| this.shared.fail(error)))
    }
}

/// Ends the context of the group if it is dropped, by a panic.
struct Unwinds<'a, E>(&'a Shared<E>);

impl<E> Drop for Unwinds<'_, E> {
    fn drop(&mut self) {
        self.0.cancel(|cancel| cancel.cancel_cause(FAILED));
    }
}

pin_project! {
    /// The future of [`ErrGroup::go`].
    #[must_use = "futures do nothing unless polled"]
    pub struct Go<'a, E, F> {
        group: &'a mut ErrGroup<E>,
        // None once it was started.
        future: Option<F>,
        #[pin]
        place: Option<AcquireOwned>,
        at: &'static Location<'static>,
    }
}

impl<E, F> Future for Go<'_, E, F>
where
    E: Send + 'static,
    F: Future<Output = Result<(), E>> + Send + 'static,
{
    type Output = AbortHandle;

    fn poll(self: Pin<&mut Self>, cx: &mut Cx<'_>) -> Poll<AbortHandle> {
        let this = self.project();
        let place = match this.place.as_pin_mut() {
            None => None,
            Some(place) => {
                let place = place.poll(cx);
                if place.is_pending() {
                    note_wait(WaitReason::Semaphore, this.at);
                }
                Some(ready!(place).expect("nobody closes a group's limit"))
            }
        };
        let future = this.future.take();
        let future = future.expect("a Go was polled after it had started its goroutine");
        Poll::Ready(this.group.start(future, place, this.at))
    }
}

impl<E, F> fmt::Debug for Go<'_, E, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Go")
            .field("group", &self.group)
            .finish_non_exhaustive()
    }
}
