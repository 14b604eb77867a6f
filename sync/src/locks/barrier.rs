//! A place where so many meet.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use gort_primitives::atomic::{AtomicU64, AtomicUsize, Ordering};
use pin_project_lite::pin_project;

use super::block::block_on;
use super::const_unless_loom;
use super::wait::{Locked, State, WaitQueue, Waiter, WakeBatch};
use crate::hook::{Site, WaitKind};

/// Lets `n` tasks wait until all of them have come, again and again.
///
/// # Examples
///
/// ```
/// use gort_sync::Barrier;
/// # futures_lite::future::block_on(async {
/// let start = Barrier::new(2);
/// let (a, b) = futures_lite::future::zip(start.wait(), start.wait()).await;
/// assert!(a.is_leader() != b.is_leader());
/// # });
/// ```
pub struct Barrier {
    n: usize,
    queue: WaitQueue,
    /// Waiters with lower tickets are let through. Changed under the queue's lock, like the next.
    end: AtomicU64,
    /// How many of those still stand in the queue, all at its front.
    leaving: AtomicUsize,
}

impl Barrier {
    const_unless_loom! {
        /// Creates a barrier for `n` tasks. With 0 or 1 nobody ever waits.
        #[must_use]
        pub fn new(n: usize) -> Self {
            Self {
                n,
                queue: WaitQueue::new(),
                end: AtomicU64::new(0),
                leaving: AtomicUsize::new(0),
            }
        }
    }

    /// Waits until `n` tasks have come. The last to come is the leader.
    ///
    /// # Cancel safety
    ///
    /// One that is dropped while it waits has not come. Nothing is lost.
    #[track_caller]
    pub fn wait(&self) -> BarrierWait<'_> {
        BarrierWait {
            site: Site::here(),
            barrier: self,
            waiter: Waiter::new(),
        }
    }

    /// Blocks the thread until `n` tasks and threads have come.
    #[track_caller]
    pub fn wait_blocking(&self) -> BarrierWaitResult {
        block_on(self.wait())
    }

    /// Counts one that comes. Returns true if it is the last, so that all may go.
    fn come(&self, list: &Locked<'_>) -> bool {
        // Relaxed: guarded by the queue's lock, which is what all accesses to these two rely on.
        let waiting = list.len() - self.leaving.load(Ordering::Relaxed);
        if waiting + 1 < self.n {
            return false;
        }
        // Relaxed: as above.
        self.end.store(list.next_ticket(), Ordering::Relaxed);
        // Relaxed: as above.
        self.leaving.store(list.len(), Ordering::Relaxed);
        true
    }

    /// Lets those through that may go: a batch at a time, so that the lock is not held long.
    fn open(&self) {
        let mut wakers = WakeBatch::new();
        loop {
            let mut list = self.queue.lock();
            // Relaxed: guarded by the queue's lock.
            let mut leaving = self.leaving.load(Ordering::Relaxed);
            while leaving > 0 && !wakers.is_full() {
                wakers.push(list.grant_front());
                leaving -= 1;
            }
            // Relaxed: guarded by the queue's lock.
            self.leaving.store(leaving, Ordering::Relaxed);
            drop(list);
            wakers.wake();
            if leaving == 0 {
                wakers.finish();
                return;
            }
        }
    }
}

impl fmt::Debug for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Barrier")
            .field("n", &self.n)
            .finish_non_exhaustive()
    }
}

/// What [`Barrier::wait`] returns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BarrierWaitResult {
    leader: bool,
}

impl BarrierWaitResult {
    /// Returns whether this was the last to come: exactly one of each `n` is.
    #[must_use]
    pub fn is_leader(&self) -> bool {
        self.leader
    }
}

pin_project! {
    /// The future of [`Barrier::wait`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct BarrierWait<'a> {
        site: Site,
        barrier: &'a Barrier,
        #[pin]
        waiter: Waiter,
    }

    impl PinnedDrop for BarrierWait<'_> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if !this.waiter.is_queued() {
                return;
            }
            let barrier = this.barrier;
            let mut list = barrier.queue.lock();
            let left = list.leave(this.waiter);
            // Relaxed: guarded by the queue's lock.
            if left.state == State::Waiting && left.ticket < barrier.end.load(Ordering::Relaxed) {
                // Relaxed: as above.
                barrier.leaving.fetch_sub(1, Ordering::Relaxed);
            }
            drop(list);
        }
    }
}

impl Future for BarrierWait<'_> {
    type Output = BarrierWaitResult;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<BarrierWaitResult> {
        let this = self.project();
        let barrier = *this.barrier;
        if this.waiter.is_queued() {
            let passed = this.waiter.poll(&barrier.queue, cx);
            ready!(this.site.or_waits(WaitKind::Barrier, passed));
            return Poll::Ready(BarrierWaitResult { leader: false });
        }
        let entered = this.waiter.enter_if(&barrier.queue, cx, |list| {
            (!barrier.come(list)).then_some(0)
        });
        if entered {
            return this.site.or_waits(WaitKind::Barrier, Poll::Pending);
        }
        barrier.open();
        Poll::Ready(BarrierWaitResult { leader: true })
    }
}
