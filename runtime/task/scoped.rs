//! Goroutines that borrow from who spawned them: the shape of [`std::thread::scope`].
//!
//! The function blocks until all of them have ended. An async form that runs them beside the caller cannot be sound: its future may
//! be leaked ([`mem::forget`]) after it has spawned, and the goroutines go on with what the caller has taken back. Blocking is what a
//! caller cannot get out of; and with gort it stops nobody else, because the P goes to another thread meanwhile.
//!
//! What makes it sound, for each goroutine:
//! 1. What borrows is its future and its output. The future holds both: the output goes into a [`Packet`], which the future and the
//!    handle share; the handle cannot outlive the scope.
//! 2. [`Tracked`](gort_sync::Tracked) drops the future, and only then counts it as done.
//! 3. [`scope`] returns, or unwinds, only when the count is 0; if waiting itself panicked, the process would be aborted.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::mem;
use std::panic::{self, AssertUnwindSafe, Location};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use gort_sync::WaitGroup;
use pin_project_lite::pin_project;

use super::{AbortHandle, JoinError, JoinHandle, TaskId};
use crate::spawn::{self, Origin};
use crate::{context, m};

/// Calls `f`, which may spawn goroutines that borrow what is outside, and returns when all of them have ended.
///
/// It blocks the thread. Inside a goroutine that stops nobody else, because the P goes to another thread meanwhile, but a thread is
/// taken: code that can own what it works on is better off with a [`JoinSet`](super::JoinSet) or an [`ErrGroup`](super::ErrGroup). There is no async form,
/// because it could not be sound: a future that was leaked would leave its goroutines with what is no longer theirs.
///
/// Goroutines may spawn others into the scope. If `f` panics, those that are left are aborted, and the panic goes on when they have ended.
///
/// # Panics
///
/// Panics if `f` does, or if a goroutine of the scope panicked and nobody has joined it. Panics in a [local](crate::Builder::local) runtime,
/// which has no other thread that could run the goroutines.
///
/// # Examples
///
/// ```
/// let words = vec!["go", "rust"];
/// let mut lengths = vec![0; words.len()];
/// gort::scope(|s| {
///     for (word, length) in words.iter().zip(&mut lengths) {
///         s.go(async move { *length = word.len() });
///     }
/// });
/// assert_eq!(lengths, [2, 4]);
/// ```
#[track_caller]
pub fn scope<'env, F, T>(f: F) -> T
where
    F: for<'scope> FnOnce(&'scope GoScope<'scope, 'env>) -> T,
{
    let local = m::with_here(|here| here.is_some_and(|here| here.rt().settings.local));
    assert!(
        !local,
        "gort::scope blocks the thread, and a local runtime has no other to run the goroutines of the scope"
    );
    let scope = GoScope {
        data: Arc::default(),
        group: WaitGroup::new(),
        scope: PhantomData,
        env: PhantomData,
    };
    let bomb = AbortOnUnwind;
    let result = panic::catch_unwind(AssertUnwindSafe(|| f(&scope)));
    if result.is_err() {
        scope.data.lock().iter().for_each(AbortHandle::abort);
    }
    if scope.group.count() > 0 {
        crate::block_on(scope.group.wait());
    }
    mem::forget(bomb);
    match result {
        Err(payload) => panic::resume_unwind(payload),
        // Relaxed: the end of the wait orders it.
        Ok(_) if scope.data.panics.load(Ordering::Relaxed) > 0 => {
            panic!("a scoped goroutine panicked")
        }
        Ok(result) => result,
    }
}

/// Nobody may see what goroutines still borrow.
struct AbortOnUnwind;

impl Drop for AbortOnUnwind {
    fn drop(&mut self) {
        eprintln!("gort: a scope panicked while it waited for its goroutines");
        std::process::abort();
    }
}

/// Spawns goroutines that may borrow what outlives the scope. Made by [`scope`].
///
/// What is made inside the scope does not outlive it:
///
/// ```compile_fail
/// gort::scope(|s| {
///     let inside = 1;
///     s.go(async { println!("{inside}") });
/// });
/// ```
///
/// Nor does a handle:
///
/// ```compile_fail
/// let mut handle = None;
/// gort::scope(|s| handle = Some(s.go(async {})));
/// ```
pub struct GoScope<'scope, 'env: 'scope> {
    data: Arc<Data>,
    group: WaitGroup,
    /// Both invariant, as in [`std::thread::Scope`].
    scope: PhantomData<&'scope mut &'scope ()>,
    env: PhantomData<&'env mut &'env ()>,
}

#[derive(Default)]
struct Data {
    /// How many have panicked and were not joined.
    panics: AtomicUsize,
    aborts: Mutex<Vec<AbortHandle>>,
}

impl Data {
    /// Nothing that panics runs under the lock.
    fn lock(&self) -> MutexGuard<'_, Vec<AbortHandle>> {
        self.aborts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers one that may have to be aborted, and forgets those that have ended before there is no room.
    fn remember(&self, abort: AbortHandle) {
        let mut aborts = self.lock();
        if aborts.len() == aborts.capacity() {
            aborts.retain(|abort| !abort.is_finished());
            let more = aborts.len();
            aborts.reserve(more + 1);
        }
        aborts.push(abort);
    }
}

impl<'scope> GoScope<'scope, '_> {
    /// Starts a goroutine of the scope, as [`gort::go`](crate::go) does.
    ///
    /// # Panics
    ///
    /// As [`gort::spawn`](crate::spawn).
    #[track_caller]
    pub fn go<F>(&'scope self, future: F) -> ScopedJoinHandle<'scope, F::Output>
    where
        F: Future + Send + 'scope,
        F::Output: Send + 'scope,
    {
        let at = Location::caller();
        let packet = Arc::new(Packet(Mutex::new(None)));
        let member = self.group.track(Member {
            future,
            packet: packet.clone(),
            data: self.data.clone(),
        });
        // SAFETY: the member is Send, and `scope` does not return before it is dropped: it is tracked. Its own output is nothing.
        let handle = context::with_current(|rt| unsafe {
            spawn::joinable_unchecked(rt, Origin { at, name: None }, member)
        });
        self.data.remember(handle.abort_handle());
        ScopedJoinHandle {
            handle,
            packet,
            data: self.data.clone(),
            scope: PhantomData,
        }
    }
}

impl fmt::Debug for GoScope<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GoScope")
            .field("running", &self.group.count())
            .finish_non_exhaustive()
    }
}

/// Where the output of a goroutine waits for who joins it.
struct Packet<T>(Mutex<Option<T>>);

impl<T> Packet<T> {
    fn lock(&self) -> MutexGuard<'_, Option<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pin_project! {
    /// All of a goroutine that borrows.
    struct Member<F: Future> {
        #[pin]
        future: F,
        packet: Arc<Packet<F::Output>>,
        data: Arc<Data>,
    }
}

impl<F: Future> Future for Member<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        let unwinds = Unwinds(this.data);
        let poll = this.future.poll(cx);
        mem::forget(unwinds);
        let output = ready!(poll);
        *this.packet.lock() = Some(output);
        Poll::Ready(())
    }
}

/// Counts a panic.
struct Unwinds<'a>(&'a Data);

impl Drop for Unwinds<'_> {
    fn drop(&mut self) {
        // Relaxed: whoever reads it has waited for the goroutine.
        self.0.panics.fetch_add(1, Ordering::Relaxed);
    }
}

/// A handle to a goroutine of a [`scope`]. Awaiting it gives the output, or how it failed; dropping it lets the goroutine run on.
///
/// # Cancel safety
///
/// Dropping a handle that was polled loses only the output.
pub struct ScopedJoinHandle<'scope, T> {
    handle: JoinHandle<()>,
    packet: Arc<Packet<T>>,
    data: Arc<Data>,
    scope: PhantomData<&'scope ()>,
}

impl<T> ScopedJoinHandle<'_, T> {
    /// Blocks the thread until the goroutine has ended, and returns its output.
    ///
    /// # Errors
    ///
    /// Fails if the goroutine panicked, was aborted, or ended with its runtime.
    pub fn join(self) -> Result<T, JoinError> {
        crate::block_on(self)
    }

    /// Asks the goroutine to stop; see [`JoinHandle::abort`].
    pub fn abort(&self) {
        self.handle.abort();
    }

    /// Returns whether the goroutine has ended, in whatever way.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.handle.is_finished()
    }

    /// Returns the goroutine's number.
    #[must_use]
    pub fn id(&self) -> TaskId {
        self.handle.id()
    }
}

impl<T> Future for ScopedJoinHandle<'_, T> {
    type Output = Result<T, JoinError>;

    #[track_caller]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let ended = ready!(Pin::new(&mut self.handle).poll(cx));
        if let Err(error) = &ended
            && error.is_panic()
        {
            // Relaxed: as where it is counted.
            self.data.panics.fetch_sub(1, Ordering::Relaxed);
        }
        let output = ended.map(|()| self.packet.lock().take());
        Poll::Ready(output.map(|output| output.expect("a goroutine that has ended has an output")))
    }
}

impl<T> fmt::Debug for ScopedJoinHandle<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ScopedJoinHandle")
            .field(&self.handle)
            .finish()
    }
}
