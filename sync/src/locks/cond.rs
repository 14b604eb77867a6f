//! A condition variable.

use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::const_unless_loom;
use super::mutex::{Lock, Mutex};
use super::mutex_guard::MutexGuard;
use super::wait::{WaitQueue, Waiter};
use crate::hook::{Site, WaitKind};

/// What a waiter is granted by `notify_one`, which it passes on if it is dropped.
const BY_ONE: usize = 1;
/// What a waiter is granted by `notify_all`.
const BY_ALL: usize = 2;

/// Lets tasks wait, without the lock, until another one has changed what a [`Mutex`] guards: Go's `sync.Cond`.
///
/// A notice is for those who wait at that time; none is kept. There are no spurious wake-ups, but another task may lock first
/// and change the value again: wait in a loop, or with [`wait_while`](Self::wait_while).
///
/// # Examples
///
/// ```
/// use gort_sync::{Cond, Mutex};
/// # futures_lite::future::block_on(async {
/// let (queue, filled) = (Mutex::new(Vec::new()), Cond::new());
/// let take = async {
///     let mut queue = filled.wait_while(queue.lock().await, |queue| queue.is_empty()).await;
///     queue.pop()
/// };
/// let put = async {
///     queue.lock().await.push(1);
///     filled.notify_one();
/// };
/// assert_eq!(futures_lite::future::zip(take, put).await.0, Some(1));
/// # });
/// ```
pub struct Cond {
    queue: WaitQueue,
}

impl Cond {
    const_unless_loom! {
        /// Creates one for which nobody waits.
        #[must_use]
        pub fn new() -> Self {
            Self {
                queue: WaitQueue::new(),
            }
        }
    }

    /// Unlocks the guard's mutex, waits for a notice, and locks it again.
    ///
    /// It queues up, at its first poll, before it unlocks: no notice is missed that is given under the lock.
    ///
    /// # Cancel safety
    ///
    /// When it is dropped the lock is free, or goes on to the next. A notice of [`notify_one`](Self::notify_one) that it had
    /// got, and not returned with, goes to the next who waits.
    #[track_caller]
    pub fn wait<'a, T: ?Sized>(&'a self, guard: MutexGuard<'a, T>) -> CondWait<'a, T> {
        self.wait_at(Site::here(), guard)
    }

    fn wait_at<'a, T: ?Sized>(&'a self, site: Site, guard: MutexGuard<'a, T>) -> CondWait<'a, T> {
        CondWait {
            site,
            cond: self,
            mutex: MutexGuard::source(&guard),
            guard: Some(guard),
            noticed: 0,
            waiter: Waiter::new(),
            lock: None,
        }
    }

    /// Waits as long as `condition` holds, which is asked under the lock, also before the first wait.
    ///
    /// # Cancel safety
    ///
    /// As [`wait`](Self::wait).
    #[track_caller]
    pub fn wait_while<'a, T: ?Sized>(
        &'a self,
        mut guard: MutexGuard<'a, T>,
        mut condition: impl FnMut(&mut T) -> bool,
    ) -> impl Future<Output = MutexGuard<'a, T>> {
        let site = Site::here();
        async move {
            while condition(&mut guard) {
                guard = self.wait_at(site, guard).await;
            }
            guard
        }
    }

    /// As [`wait`](Self::wait), blocking the thread.
    #[track_caller]
    pub fn wait_blocking<'a, T: ?Sized>(&'a self, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        super::block::block_on(self.wait(guard))
    }

    /// Wakes the first who waits, if anybody does: Go's `Signal`.
    pub fn notify_one(&self) {
        let mut list = self.queue.lock();
        let waker = list.grant_front();
        drop(list);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Wakes all who wait: Go's `Broadcast`.
    pub fn notify_all(&self) {
        let list = self.queue.lock();
        list.grant_all(|list| list.grant_front_only(BY_ALL), |_| ());
    }
}

impl Default for Cond {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Cond {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cond").finish_non_exhaustive()
    }
}

pin_project! {
    /// The future of [`Cond::wait`].
    ///
    /// First it has the guard, then it stands in the queue, then it has `lock`.
    #[must_use = "futures do nothing unless polled"]
    pub struct CondWait<'a, T: ?Sized> {
        site: Site,
        cond: &'a Cond,
        mutex: &'a Mutex<T>,
        guard: Option<MutexGuard<'a, T>>,
        // What it was granted, or 0.
        noticed: usize,
        #[pin]
        waiter: Waiter,
        #[pin]
        lock: Option<Lock<'a, T>>,
    }

    impl<T: ?Sized> PinnedDrop for CondWait<'_, T> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            let cond = this.cond;
            let mut noticed = mem::take(this.noticed);
            if this.waiter.is_queued() {
                let mut list = cond.queue.lock();
                let left = list.leave(this.waiter);
                drop(list);
                noticed = left.granted;
            }
            if noticed == BY_ONE {
                cond.notify_one();
            }
        }
    }
}

impl<'a, T: ?Sized> Future for CondWait<'a, T> {
    type Output = MutexGuard<'a, T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let cond = *this.cond;
        if let Some(guard) = this.guard.take() {
            this.waiter.enter_if(&cond.queue, cx, |_| Some(BY_ONE));
            drop(guard);
            return this.site.or_waits(WaitKind::Cond, Poll::Pending);
        }
        if this.waiter.is_queued() {
            let noticed = this.waiter.poll(&cond.queue, cx);
            *this.noticed = ready!(this.site.or_waits(WaitKind::Cond, noticed));
            this.lock.set(Some(this.mutex.lock()));
        }
        let lock = this.lock.as_mut().as_pin_mut();
        let lock = lock.expect("a CondWait was polled after it had returned the guard");
        // The lock would say that it was called here.
        let guard = ready!(this.site.or_waits(WaitKind::Mutex, lock.poll(cx)));
        *this.noticed = 0;
        this.lock.set(None);
        Poll::Ready(guard)
    }
}

impl<T: ?Sized> fmt::Debug for CondWait<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CondWait").finish_non_exhaustive()
    }
}
