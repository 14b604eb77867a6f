//! Waiting until all of a group are done.
//!
//! The word holds the count and a bit. While the bit WAITERS is set the count reaches 0 under the queue's lock only: so whoever
//! is in the queue then has entered before, and whoever enters later waits for the next time.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use gort_primitives::atomic::{AtomicUsize, Ordering};
use pin_project_lite::pin_project;

use super::block::block_on;
use super::wait::{Locked, WaitQueue, Waiter};
use crate::hook::{Site, WaitKind};

/// Set while somebody is in the queue. Changed under its lock only.
const WAITERS: usize = 1;
/// One that is not done.
const ONE: usize = 2;
/// The most there can be.
const MAX: usize = usize::MAX >> 2;

/// Counts what is not done yet, and lets tasks wait until nothing is left: Go's `sync.WaitGroup`.
///
/// A handle: clones count the same group. [`track`](Self::track) is the convenient way to count a future, and does not forget
/// to count down if it panics or is dropped. The group may be used again and again; a wait ends when the count is 0 at some instant
/// after it began.
///
/// # Examples
///
/// ```
/// use gort_sync::WaitGroup;
///
/// let group = WaitGroup::new();
/// for n in 0..3 {
///     let task = group.track(async move { println!("{n}") });
///     std::thread::spawn(|| futures_lite::future::block_on(task));
/// }
/// group.wait_blocking();
/// assert_eq!(group.count(), 0);
/// ```
#[derive(Clone)]
pub struct WaitGroup {
    shared: Arc<Shared>,
}

struct Shared {
    word: AtomicUsize,
    queue: WaitQueue,
}

impl WaitGroup {
    /// Creates a group of none.
    #[must_use]
    pub fn new() -> Self {
        Self {
            shared: Arc::new(Shared {
                word: AtomicUsize::new(0),
                queue: WaitQueue::new(),
            }),
        }
    }

    /// Returns how many are not done.
    #[must_use]
    pub fn count(&self) -> usize {
        // Acquire: pairs with the Release in `done`: who sees 0 sees what they did.
        self.shared.word.load(Ordering::Acquire) / ONE
    }

    /// Counts `n` more. Call it before they start, or a wait may end before they count.
    ///
    /// # Panics
    ///
    /// Panics if there would be too many to count; none is counted then.
    #[track_caller]
    pub fn add(&self, n: usize) {
        // Relaxed: to be counted publishes nothing; to be done does.
        let mut word = self.shared.word.load(Ordering::Relaxed);
        loop {
            assert!(n <= MAX - word / ONE, "a WaitGroup counts to {MAX} at most");
            // Relaxed: as above.
            match self.shared.word.compare_exchange_weak(
                word,
                word + n * ONE,
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => return,
                Err(now) => word = now,
            }
        }
    }

    /// Counts one less. The last one wakes all who wait.
    ///
    /// # Panics
    ///
    /// Panics if none was left: a group never counts below zero, and stays as it was.
    #[track_caller]
    pub fn done(&self) {
        assert!(self.shared.done(), "a WaitGroup counts below zero");
    }

    /// Counts `future` from now on, until it has ended: returned, panicked, or was dropped, polled or not.
    ///
    /// Nothing but the count is added: hand it to whatever runs futures, such as `gort::go`.
    pub fn track<F: Future>(&self, future: F) -> Tracked<F> {
        self.add(1);
        Tracked {
            future: Some(future),
            counted: Some(Counted(self.clone())),
        }
    }

    /// Waits until none is left.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when it is dropped.
    #[track_caller]
    pub fn wait(&self) -> WaitAll {
        WaitAll {
            site: Site::here(),
            group: self.clone(),
            waiter: Waiter::new(),
        }
    }

    /// Blocks the thread until none is left.
    #[track_caller]
    pub fn wait_blocking(&self) {
        block_on(self.wait());
    }
}

impl Shared {
    /// Counts one less. False if none was left.
    #[must_use]
    fn done(&self) -> bool {
        // Relaxed: the exchange below orders.
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            if word < ONE {
                return false;
            }
            if word == ONE | WAITERS {
                return self.last_done();
            }
            // Release: publishes what was done to the Acquire in `count` and `last_done`.
            match self.word.compare_exchange_weak(
                word,
                word - ONE,
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
    }

    /// As `done`, under the queue's lock.
    #[cold]
    fn last_done(&self) -> bool {
        let list = self.queue.lock();
        // Relaxed: the exchange below orders.
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            if word < ONE {
                return false;
            }
            let next = if word / ONE == 1 { 0 } else { word - ONE };
            // AcqRel: publishes as in `done`, and takes what the others did, to pass it on by the queue's lock.
            match self
                .word
                .compare_exchange_weak(word, next, Ordering::AcqRel, Ordering::Relaxed)
            {
                Ok(_) if next == 0 => break,
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
        list.grant_all(Locked::grant_front, |_| ());
        true
    }

    /// Sets WAITERS unless none is left. Called under the queue's lock.
    fn must_wait(&self) -> bool {
        // Acquire: as in `count`.
        let mut word = self.word.load(Ordering::Acquire);
        loop {
            if word < ONE {
                return false;
            }
            // Acquire: as in `count`, for the word that it fails with.
            match self.word.compare_exchange_weak(
                word,
                word | WAITERS,
                Ordering::Acquire,
                Ordering::Acquire,
            ) {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
    }
}

impl Default for WaitGroup {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for WaitGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitGroup")
            .field("count", &self.count())
            .finish_non_exhaustive()
    }
}

pin_project! {
    /// The future of [`WaitGroup::wait`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct WaitAll {
        site: Site,
        group: WaitGroup,
        #[pin]
        waiter: Waiter,
    }

    impl PinnedDrop for WaitAll {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if !this.waiter.is_queued() {
                return;
            }
            let mut list = this.group.shared.queue.lock();
            let left = list.leave(this.waiter);
            if list.is_empty() {
                // Relaxed: orders nothing.
                this.group.shared.word.fetch_and(!WAITERS, Ordering::Relaxed);
            }
            drop(list);
            drop(left);
        }
    }
}

impl Future for WaitAll {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        let shared = &this.group.shared;
        if this.waiter.is_queued() {
            let done = this.waiter.poll(&shared.queue, cx).map(drop);
            return this.site.or_waits(WaitKind::WaitGroup, done);
        }
        if this.group.count() == 0 {
            return Poll::Ready(());
        }
        let entered = this
            .waiter
            .enter_if(&shared.queue, cx, |_| shared.must_wait().then_some(1));
        match entered {
            true => this.site.or_waits(WaitKind::WaitGroup, Poll::Pending),
            false => Poll::Ready(()),
        }
    }
}

pin_project! {
    /// A future that is counted by a [`WaitGroup`]. Made by [`WaitGroup::track`].
    #[must_use = "futures do nothing unless polled"]
    pub struct Tracked<F> {
        // Dropped first, with what it has captured: whoever waits for the group may rely on that.
        #[pin]
        future: Option<F>,
        // None once it was counted down.
        counted: Option<Counted>,
    }
}

/// One of a group, until it is dropped.
struct Counted(WaitGroup);

impl Drop for Counted {
    fn drop(&mut self) {
        // It was counted, so there was one left; a `done` too many by somebody else is not reported here.
        let _ = self.0.shared.done();
    }
}

impl<F: Future> Future for Tracked<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        let future = this.future.as_mut().as_pin_mut();
        let future = future.expect("a Tracked future was polled after it had ended");
        let output = std::task::ready!(future.poll(cx));
        this.future.set(None);
        *this.counted = None;
        Poll::Ready(output)
    }
}

impl<F> fmt::Debug for Tracked<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracked").finish_non_exhaustive()
    }
}
