//! A gate that opens once.
//!
//! It opens before the queue is emptied, and who enters looks again under the queue's lock: so whoever is in the queue is let through.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use gort_primitives::atomic::{AtomicBool, Ordering};
use pin_project_lite::pin_project;

use crate::hook::{Site, WaitKind};
use crate::locks::block::{block_on, block_until};
use crate::locks::const_unless_loom;
use crate::locks::wait::{Locked, WaitQueue, Waiter};

/// A gate that is shut until it is opened, once and for all waiters: what Go does by closing a `chan struct{}`.
///
/// Wakes all that wait, tasks and threads alike, in [`open`](Self::open).
///
/// # Examples
///
/// ```
/// use gort_sync::Latch;
/// use std::sync::Arc;
///
/// let stop = Arc::new(Latch::new());
/// let seen = stop.clone();
/// let thread = std::thread::spawn(move || seen.wait_blocking());
/// stop.open();
/// thread.join().unwrap();
/// assert!(stop.is_open());
/// ```
pub struct Latch {
    open: AtomicBool,
    queue: WaitQueue,
}

impl Latch {
    const_unless_loom! {
        /// Creates a latch that is shut.
        #[must_use]
        pub fn new() -> Self {
            Self {
                open: AtomicBool::new(false),
                queue: WaitQueue::new(),
            }
        }
    }

    /// Opens the latch and wakes all waiters. Returns false if it was open already.
    pub fn open(&self) -> bool {
        // Release: publishes what the opener did to the Acquire in `is_open`.
        let first = !self.open.swap(true, Ordering::Release);
        if first {
            self.queue.lock().grant_all(Locked::grant_front, |_| ());
        }
        first
    }

    /// Returns whether the latch is open.
    #[inline]
    #[must_use]
    pub fn is_open(&self) -> bool {
        // Acquire: pairs with the Release in `open`.
        self.open.load(Ordering::Acquire)
    }

    /// Waits until the latch is open.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when it is dropped.
    #[track_caller]
    pub fn wait(&self) -> Wait<'_> {
        Wait {
            site: Site::here(),
            latch: self,
            waiter: Waiter::new(),
        }
    }

    /// Blocks the thread until the latch is open.
    #[track_caller]
    pub fn wait_blocking(&self) {
        block_on(self.wait());
    }

    /// Blocks the thread until the latch is open or `timeout` is over. Returns whether it is open.
    #[track_caller]
    pub fn wait_timeout(&self, timeout: Duration) -> bool {
        match Instant::now().checked_add(timeout) {
            Some(deadline) => block_until(self.wait(), deadline).is_some(),
            None => {
                self.wait_blocking();
                true
            }
        }
    }
}

impl Default for Latch {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Latch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Latch")
            .field("is_open", &self.is_open())
            .finish_non_exhaustive()
    }
}

pin_project! {
    /// The future of [`Latch::wait`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct Wait<'a> {
        site: Site,
        latch: &'a Latch,
        #[pin]
        waiter: Waiter,
    }

    impl PinnedDrop for Wait<'_> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if this.waiter.is_queued() {
                let mut list = this.latch.queue.lock();
                let left = list.leave(this.waiter);
                drop(list);
                drop(left);
            }
        }
    }
}

impl Future for Wait<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        let latch = *this.latch;
        if this.waiter.is_queued() {
            let granted = this.waiter.poll(&latch.queue, cx).map(drop);
            return this.site.or_waits(WaitKind::Latch, granted);
        }
        let shut = |_: &mut Locked<'_>| (!latch.is_open()).then_some(1);
        if latch.is_open() || !this.waiter.enter_if(&latch.queue, cx, shut) {
            return Poll::Ready(());
        }
        this.site.or_waits(WaitKind::Latch, Poll::Pending)
    }
}

#[cfg(all(test, not(gort_loom)))]
mod tests {
    use super::*;
    use std::pin::pin;
    use std::sync::{Arc, Mutex, mpsc};
    use std::task::{Wake, Waker};
    use std::thread;

    #[test]
    fn an_open_latch_stops_nobody() {
        let latch = Latch::new();
        assert!(!latch.wait_timeout(Duration::from_millis(1)));
        assert!(latch.open());
        assert!(!latch.open());
        latch.wait_blocking();
        let mut cx = Context::from_waker(Waker::noop());
        assert!(pin!(latch.wait()).poll(&mut cx).is_ready());
    }

    /// Drops a wait when it is woken, as a task does that ends.
    struct Ends(Mutex<Option<Pin<Box<Wait<'static>>>>>);

    impl Wake for Ends {
        fn wake(self: Arc<Self>) {
            let wait = self.0.lock().expect("no panic").take();
            drop(wait);
        }
    }

    #[test]
    fn a_waker_may_drop_another_wait_for_the_same_latch() {
        let (ended, ends) = mpsc::channel();
        thread::spawn(move || {
            let latch: &'static Latch = Box::leak(Box::default());
            let mut other = Box::pin(latch.wait());
            let mut cx = Context::from_waker(Waker::noop());
            assert!(other.as_mut().poll(&mut cx).is_pending());
            let waker = Waker::from(Arc::new(Ends(Mutex::new(Some(other)))));
            let mut wait = pin!(latch.wait());
            let mut cx = Context::from_waker(&waker);
            assert!(wait.as_mut().poll(&mut cx).is_pending());
            drop(waker);
            latch.open();
            assert!(
                wait.poll(&mut Context::from_waker(Waker::noop()))
                    .is_ready()
            );
            ended.send(()).expect("it is waited for");
        });
        let ended = ends.recv_timeout(Duration::from_secs(60));
        ended.expect("no lock is held while a waker runs");
    }

    #[test]
    fn every_waiter_is_woken() {
        let latch = Arc::new(Latch::new());
        let waiters: Vec<_> = (0..8)
            .map(|i| {
                let latch = latch.clone();
                thread::spawn(move || match i % 2 {
                    0 => latch.wait_blocking(),
                    _ => assert!(latch.wait_timeout(Duration::from_secs(60))),
                })
            })
            .collect();
        latch.open();
        for waiter in waiters {
            waiter.join().expect("it was woken");
        }
    }
}
