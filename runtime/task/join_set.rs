//! A set of goroutines whose ends are taken one by one.
//!
//! Each goroutine's future is wrapped so that its drop, which is the last thing that happens to it on every path, puts its key into a
//! queue. Who joins takes a key and awaits that one handle, whose output comes at once: a join costs the same however many there are.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::panic::{self, Location};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use pin_project_lite::pin_project;
use slab::Slab;

use super::{AbortHandle, JoinError, JoinHandle, WaitReason, note_wait};
use crate::context;
use crate::handle::Handle;
use crate::shared::Shared;
use crate::spawn::{self, Origin};

/// A set of goroutines, joined in the order in which they end.
///
/// Dropping it aborts those that are left.
///
/// # Examples
///
/// ```
/// use gort::task::JoinSet;
///
/// gort::block_on(async {
///     let mut set = JoinSet::new();
///     for n in 1..=4 {
///         set.spawn(async move { n * n });
///     }
///     let mut sum = 0;
///     while let Some(square) = set.join_next().await {
///         sum += square.unwrap();
///     }
///     assert_eq!(sum, 30);
/// });
/// ```
pub struct JoinSet<T> {
    handles: Slab<JoinHandle<T>>,
    ended: Arc<Ended>,
    /// One that has ended, or is just about to give its output.
    next: Option<usize>,
}

/// The keys of those that have ended.
#[derive(Default)]
struct Ended(Mutex<Queue>);

#[derive(Default)]
struct Queue {
    keys: VecDeque<usize>,
    /// Wakes who joins.
    waker: Option<Waker>,
}

impl<T> JoinSet<T> {
    /// Creates an empty set.
    #[must_use]
    pub fn new() -> Self {
        Self {
            handles: Slab::new(),
            ended: Arc::default(),
            next: None,
        }
    }

    /// Returns how many were spawned and not joined.
    #[must_use]
    pub fn len(&self) -> usize {
        self.handles.len()
    }

    /// Returns whether all that were spawned have been joined.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.handles.is_empty()
    }

    /// Spawns a goroutine into the set, as [`gort::go`](crate::go) does.
    ///
    /// # Panics
    ///
    /// As [`gort::spawn`](crate::spawn).
    #[track_caller]
    pub fn spawn<F>(&mut self, future: F) -> AbortHandle
    where
        F: Future<Output = T> + Send + 'static,
        T: Send + 'static,
    {
        self.start_here(Location::caller(), future)
    }

    /// Spawns a goroutine of that runtime into the set.
    #[track_caller]
    pub fn spawn_on<F>(&mut self, future: F, handle: &Handle) -> AbortHandle
    where
        F: Future<Output = T> + Send + 'static,
        T: Send + 'static,
    {
        self.start(handle.shared(), Location::caller(), future)
    }

    /// Runs `f`, which may block, on a thread of the default pool, as [`spawn_blocking`](super::spawn_blocking) does.
    ///
    /// # Panics
    ///
    /// As [`spawn_blocking`](super::spawn_blocking).
    #[track_caller]
    pub fn spawn_blocking<F>(&mut self, f: F) -> AbortHandle
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.spawn(crate::unblock(f))
    }

    /// As [`spawn`](Self::spawn), for a caller who was called there.
    pub(super) fn start_here<F>(&mut self, at: &'static Location<'static>, future: F) -> AbortHandle
    where
        F: Future<Output = T> + Send + 'static,
        T: Send + 'static,
    {
        context::with_current(|rt| self.start(rt, at, future))
    }

    fn start<F>(&mut self, rt: &Shared, at: &'static Location<'static>, future: F) -> AbortHandle
    where
        F: Future<Output = T> + Send + 'static,
        T: Send + 'static,
    {
        let place = self.handles.vacant_entry();
        let member = Member {
            future,
            _report: Report {
                ended: self.ended.clone(),
                key: place.key(),
            },
        };
        let handle = spawn::joinable(rt, Origin { at, name: None }, member);
        let abort = handle.abort_handle();
        place.insert(handle);
        abort
    }

    /// Waits until one ends, and returns its output, or how it failed; None if the set is empty.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when it is dropped: whoever has ended stays to be joined.
    #[track_caller]
    pub fn join_next(&mut self) -> JoinNext<'_, T> {
        JoinNext {
            set: self,
            site: Location::caller(),
        }
    }

    /// Returns the output of one that has ended, or how it failed; None if there is none at this moment.
    pub fn try_join_next(&mut self) -> Option<Result<T, JoinError>> {
        match self.poll_join_next(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(output) => output,
            Poll::Pending => None,
        }
    }

    /// Polls for one that has ended. [`join_next`](Self::join_next) is this as a future.
    pub fn poll_join_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T, JoinError>>> {
        if self.is_empty() {
            return Poll::Ready(None);
        }
        let key = match self.next {
            Some(key) => key,
            None => ready!(self.ended.poll_take(cx)),
        };
        self.next = Some(key);
        let output = ready!(Pin::new(&mut self.handles[key]).poll(cx));
        self.next = None;
        drop(self.handles.remove(key));
        Poll::Ready(Some(output))
    }

    /// Waits for all, and returns their outputs in the order in which they ended.
    ///
    /// # Panics
    ///
    /// Panics as one of them did, when it did, or if one was aborted. Those that are left are aborted then.
    ///
    /// # Cancel safety
    ///
    /// Dropping it aborts those that are left; the outputs are lost.
    pub async fn join_all(mut self) -> Vec<T> {
        let mut outputs = Vec::with_capacity(self.len());
        while let Some(output) = self.join_next().await {
            outputs.push(output.unwrap_or_else(|error| error.resume_panic()));
        }
        outputs
    }

    /// Aborts all; they stay in the set to be joined.
    pub fn abort_all(&mut self) {
        for (_, handle) in &self.handles {
            handle.abort();
        }
    }

    /// Aborts all, and waits until they have ended.
    ///
    /// # Panics
    ///
    /// As one of them that panicked, if any did, when all have ended.
    ///
    /// # Cancel safety
    ///
    /// All are aborted at the first poll; when it is dropped those that have not been joined stay in the set.
    pub async fn shutdown(&mut self) {
        self.abort_all();
        let mut panicked = None;
        while let Some(output) = self.join_next().await {
            if let Err(error) = output
                && let Ok(payload) = error.try_into_panic()
            {
                panicked.get_or_insert(payload);
            }
        }
        if let Some(payload) = panicked {
            panic::resume_unwind(payload);
        }
    }

    /// Lets all run on, and empties the set.
    pub fn detach_all(&mut self) {
        self.handles.clear();
        self.next = None;
        // Those that run on put their keys where nobody looks.
        self.ended = Arc::default();
    }
}

impl<T> Drop for JoinSet<T> {
    fn drop(&mut self) {
        self.abort_all();
    }
}

impl<T> Default for JoinSet<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for JoinSet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinSet").field("len", &self.len()).finish()
    }
}

impl<T, F> FromIterator<F> for JoinSet<T>
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    fn from_iter<I: IntoIterator<Item = F>>(futures: I) -> Self {
        let mut set = Self::new();
        for future in futures {
            set.spawn(future);
        }
        set
    }
}

impl Ended {
    /// Nothing that panics runs under the lock.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, key: usize) {
        let mut queue = self.lock();
        queue.keys.push_back(key);
        let waker = queue.waker.take();
        drop(queue);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn poll_take(&self, cx: &Context<'_>) -> Poll<usize> {
        if let Some(key) = self.lock().keys.pop_front() {
            return Poll::Ready(key);
        }
        // Cloned and dropped without the lock: wakers are somebody else's code.
        let waker = cx.waker().clone();
        let mut queue = self.lock();
        if let Some(key) = queue.keys.pop_front() {
            return Poll::Ready(key);
        }
        let old = queue.waker.replace(waker);
        drop(queue);
        drop(old);
        Poll::Pending
    }
}

pin_project! {
    /// The future of a goroutine of the set.
    struct Member<F> {
        #[pin]
        future: F,
        // Dropped last.
        _report: Report,
    }
}

impl<F: Future> Future for Member<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.project().future.poll(cx)
    }
}

/// Tells that a goroutine has ended.
struct Report {
    ended: Arc<Ended>,
    key: usize,
}

impl Drop for Report {
    fn drop(&mut self) {
        self.ended.put(self.key);
    }
}

/// The future of [`JoinSet::join_next`].
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct JoinNext<'a, T> {
    set: &'a mut JoinSet<T>,
    site: &'static Location<'static>,
}

impl<T> Future for JoinNext<'_, T> {
    type Output = Option<Result<T, JoinError>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let output = self.set.poll_join_next(cx);
        if output.is_pending() {
            note_wait(WaitReason::Join, self.site);
        }
        output
    }
}
