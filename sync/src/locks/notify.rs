//! A wake-up for one task, or for all.
//!
//! The word counts the calls of `notify_waiters`, and holds a permit: a `notify_one` that found nobody waiting. A waiter that
//! was granted 1 got a `notify_one`, which it passes on if it is dropped; one that was granted 2 got a `notify_waiters`.
//!
//! If there is a waiter in the list there is no permit.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use gort_primitives::atomic::{AtomicUsize, Ordering};
use pin_project_lite::pin_project;

use super::const_unless_loom;
use super::wait::{WaitQueue, Waiter};
use crate::hook::{Site, WaitKind};

/// Set while a `notify_one` waits for a waiter.
const PERMIT: usize = 1;
/// Set while somebody is in the queue; changed under its lock.
const WAITERS: usize = 2;
/// One call of `notify_waiters`. The count wraps; a waiter would have to sleep through all of them.
const CALL: usize = 4;

/// What a waiter wants, and is granted, by `notify_one`.
const BY_ONE: usize = 1;
/// What a waiter is granted by `notify_waiters`.
const BY_ALL: usize = 2;

/// Wakes tasks that wait for something to happen.
///
/// [`notify_one`](Self::notify_one) wakes the first who waits, or the next one to come: the notice is kept, but no more than
/// one. [`notify_waiters`](Self::notify_waiters) wakes all who wait at that time, and keeps nothing.
///
/// # Examples
///
/// Whoever waits for a condition asks for the notice first, then looks, then waits:
///
/// ```
/// use std::sync::atomic::{AtomicBool, Ordering};
/// use gort_sync::Notify;
///
/// async fn wait_until_set(flag: &AtomicBool, changed: &Notify) {
///     loop {
///         let notice = changed.notified();
///         if flag.load(Ordering::Acquire) {
///             return;
///         }
///         notice.await;
///     }
/// }
/// # let (flag, changed) = (AtomicBool::new(true), Notify::new());
/// # futures_lite::future::block_on(wait_until_set(&flag, &changed));
/// ```
pub struct Notify {
    word: AtomicUsize,
    queue: WaitQueue,
}

impl Notify {
    const_unless_loom! {
        /// Creates one without a notice.
        #[must_use]
        pub fn new() -> Self {
            Self {
                word: AtomicUsize::new(0),
                queue: WaitQueue::new(),
            }
        }
    }

    /// Waits for a notice.
    ///
    /// A [`notify_waiters`](Self::notify_waiters) after this call, before the first poll, counts.
    ///
    /// # Cancel safety
    ///
    /// No notice is lost when it is dropped: that of a `notify_one` goes to the next. The place in the queue is lost.
    #[track_caller]
    pub fn notified(&self) -> Notified<'_> {
        Notified {
            site: Site::here(),
            notify: self,
            raw: RawNotified::new(self),
        }
    }

    /// As [`notified`](Self::notified), for a future that borrows nothing.
    ///
    /// # Cancel safety
    ///
    /// As for [`notified`](Self::notified).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use gort_sync::Notify;
    ///
    /// let changed = Arc::new(Notify::new());
    /// let notice = changed.clone().notified_owned();
    /// let thread = std::thread::spawn(|| futures_lite::future::block_on(notice));
    /// changed.notify_one();
    /// thread.join().unwrap();
    /// ```
    #[track_caller]
    pub fn notified_owned(self: Arc<Self>) -> OwnedNotified {
        OwnedNotified {
            site: Site::here(),
            raw: RawNotified::new(&self),
            notify: self,
        }
    }

    /// Blocks the thread until there is a notice.
    #[track_caller]
    pub fn notified_blocking(&self) {
        super::block::block_on(self.notified());
    }

    /// Wakes the first who waits, or lets the next one through.
    ///
    /// What was done before is seen by who is let through.
    pub fn notify_one(&self) {
        // Relaxed: the exchange below orders.
        let mut word = self.word.load(Ordering::Relaxed);
        while word & WAITERS == 0 {
            // Release: publishes what was done to the Acquire in `take_permit`. Also if the permit is there already: an exchange, because
            // its taker must see this call too.
            match self.word.compare_exchange_weak(
                word,
                word | PERMIT,
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                Ok(_) => return,
                Err(now) => word = now,
            }
        }
        self.wake_one();
    }

    #[cold]
    fn wake_one(&self) {
        let mut list = self.queue.lock();
        if list.is_empty() {
            // They have gone. Nobody comes while we hold the lock.
            // Release: as in `notify_one`.
            self.word.fetch_or(PERMIT, Ordering::Release);
            return;
        }
        let waker = list.grant_front();
        if list.is_empty() {
            // Relaxed: orders nothing.
            self.word.fetch_and(!WAITERS, Ordering::Relaxed);
        }
        drop(list);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Wakes all who wait.
    ///
    /// What was done before is seen by them.
    pub fn notify_waiters(&self) {
        let list = self.queue.lock();
        // AcqRel: publishes what was done to the Acquire in `calls`; under the lock, so that nobody enters with an old count.
        self.word.fetch_add(CALL, Ordering::AcqRel);
        list.grant_all(
            |list| list.grant_front_only(BY_ALL),
            |list| {
                if list.is_empty() {
                    // Relaxed: orders nothing.
                    self.word.fetch_and(!WAITERS, Ordering::Relaxed);
                }
            },
        );
    }

    /// The calls of `notify_waiters` so far.
    fn calls(&self) -> usize {
        // Acquire: pairs with the AcqRel in `notify_waiters`.
        self.word.load(Ordering::Acquire) / CALL
    }

    fn take_permit(&self) -> bool {
        // Relaxed: the exchange below orders.
        let mut word = self.word.load(Ordering::Relaxed);
        while word & PERMIT != 0 {
            // Acquire: pairs with the Release in `notify_one`.
            match self.word.compare_exchange_weak(
                word,
                word & !PERMIT,
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
        false
    }

    /// Sets WAITERS, unless there is a permit or a call since `calls`: then it takes what is there, and returns false.
    ///
    /// Called under the queue's lock.
    fn must_wait(&self, calls: usize) -> bool {
        // Acquire: as in `calls`.
        let mut word = self.word.load(Ordering::Acquire);
        loop {
            if word / CALL != calls {
                return false;
            }
            let permit = word & PERMIT != 0;
            let next = if permit {
                word & !PERMIT
            } else {
                word | WAITERS
            };
            // Acquire: as in `take_permit`.
            match self
                .word
                .compare_exchange_weak(word, next, Ordering::Acquire, Ordering::Acquire)
            {
                Ok(_) => return !permit,
                Err(now) => word = now,
            }
        }
    }
}

impl Default for Notify {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Notify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notify").finish_non_exhaustive()
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Stage {
    /// Not polled yet; the calls of `notify_waiters` at the beginning.
    New(usize),
    Queued,
    Done,
}

pin_project! {
    /// One that waits for a notice. Its owner calls `leave` before it is dropped.
    #[derive(Debug)]
    pub(crate) struct RawNotified {
        stage: Stage,
        #[pin]
        waiter: Waiter,
    }
}

impl RawNotified {
    #[inline]
    pub(crate) fn new(notify: &Notify) -> Self {
        Self {
            stage: Stage::New(notify.calls()),
            waiter: Waiter::new(),
        }
    }

    pub(crate) fn poll(self: Pin<&mut Self>, notify: &Notify, cx: &Context<'_>) -> Poll<()> {
        let this = self.project();
        let done = match *this.stage {
            Stage::Done => true,
            Stage::Queued => this.waiter.poll(&notify.queue, cx).is_ready(),
            Stage::New(calls) => {
                calls != notify.calls()
                    || notify.take_permit()
                    || !this.waiter.enter_if(&notify.queue, cx, |_| {
                        notify.must_wait(calls).then_some(BY_ONE)
                    })
            }
        };
        *this.stage = if done { Stage::Done } else { Stage::Queued };
        match done {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }

    /// Polls before the task does.
    fn enable(self: Pin<&mut Self>, notify: &Notify) -> bool {
        let cx = Context::from_waker(Waker::noop());
        self.poll(notify, &cx).is_ready()
    }

    #[inline]
    pub(crate) fn leave(self: Pin<&mut Self>, notify: &Notify) {
        if self.waiter.is_queued() {
            self.leave_slow(notify);
        }
    }

    #[cold]
    fn leave_slow(self: Pin<&mut Self>, notify: &Notify) {
        let mut list = notify.queue.lock();
        let left = list.leave(self.project().waiter);
        if list.is_empty() {
            // Relaxed: orders nothing.
            notify.word.fetch_and(!WAITERS, Ordering::Relaxed);
        }
        drop(list);
        let granted = left.granted;
        drop(left);
        if granted == BY_ONE {
            notify.notify_one();
        }
    }
}

pin_project! {
    /// The future of [`Notify::notified`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct Notified<'a> {
        site: Site,
        notify: &'a Notify,
        #[pin]
        raw: RawNotified,
    }

    impl PinnedDrop for Notified<'_> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            this.raw.leave(this.notify);
        }
    }
}

impl Notified<'_> {
    /// Queues up now, before the first poll. Returns whether there is a notice already.
    ///
    /// From here on a `notify_one` may choose this one.
    pub fn enable(self: Pin<&mut Self>) -> bool {
        let this = self.project();
        this.raw.enable(this.notify)
    }
}

impl Future for Notified<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        let poll = this.raw.poll(this.notify, cx);
        this.site.or_waits(WaitKind::Notify, poll)
    }
}

pin_project! {
    /// The future of [`Notify::notified_owned`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct OwnedNotified {
        site: Site,
        notify: Arc<Notify>,
        #[pin]
        raw: RawNotified,
    }

    impl PinnedDrop for OwnedNotified {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            this.raw.leave(this.notify);
        }
    }
}

impl OwnedNotified {
    /// As [`Notified::enable`].
    pub fn enable(self: Pin<&mut Self>) -> bool {
        let this = self.project();
        this.raw.enable(this.notify)
    }
}

impl Future for OwnedNotified {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        let poll = this.raw.poll(this.notify, cx);
        this.site.or_waits(WaitKind::Notify, poll)
    }
}
