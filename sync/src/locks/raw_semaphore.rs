//! The word and the queue of a counting semaphore: what [`Semaphore`](super::Semaphore) and [`RwLock`](super::RwLock) are made of.
//!
//! The word holds the free permits and two bits. While WAITERS is set the word changes under the queue's lock only: a newcomer
//! must queue up, and a release has to serve the queue. So nobody passes another, and one who wants many is not starved by many
//! who want one. WAITERS and CLOSED are set and cleared under the queue's lock.
//!
//! Permits that are granted are the waiter's from that instant; if it is dropped before it looks, it gives them back.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use gort_primitives::atomic::{AtomicUsize, Ordering, fence};
use pin_project_lite::pin_project;

use crate::hook::must_yield;

use super::const_unless_loom;
use super::wait::{WaitQueue, Waiter, WakeBatch};

/// Set when the semaphore is closed, for good.
const CLOSED: usize = 1;
/// Set while somebody is in the queue, and for an instant longer.
const WAITERS: usize = 2;
/// One permit.
const ONE: usize = 4;

/// The most permits there can be.
pub(super) const MAX_PERMITS: usize = usize::MAX >> 3;

/// The semaphore cannot hold that many permits.
#[derive(Debug)]
pub(super) struct Overflow;

/// Why there was no permit at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    NoPermits,
    Closed,
}

pub(super) struct RawSemaphore {
    word: AtomicUsize,
    queue: WaitQueue,
}

impl RawSemaphore {
    const_unless_loom! {
        pub(super) fn new(permits: usize) -> Self {
            assert!(permits <= MAX_PERMITS, "too many permits for a semaphore");
            Self {
                word: AtomicUsize::new(permits * ONE),
                queue: WaitQueue::new(),
            }
        }
    }

    pub(super) fn available(&self) -> usize {
        // Relaxed: a figure to look at, which may be old at once.
        self.word.load(Ordering::Relaxed) / ONE
    }

    pub(super) fn is_closed(&self) -> bool {
        // Acquire: pairs with the Release in `close`.
        self.word.load(Ordering::Acquire) & CLOSED != 0
    }

    /// Takes `n` permits if they are free and nobody waits.
    #[inline]
    pub(super) fn try_acquire(&self, n: usize) -> Result<(), Refused> {
        // Relaxed: the exchange below orders.
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            if word & CLOSED != 0 {
                // Acquire: pairs with the Release in `close`: who is refused sees what the closer did.
                fence(Ordering::Acquire);
                return Err(Refused::Closed);
            }
            if n != 0 && (word & WAITERS != 0 || word / ONE < n) {
                return Err(Refused::NoPermits);
            }
            // Acquire: pairs with the Release in `release` and `serve`, to see what was done under these permits.
            match self.word.compare_exchange_weak(
                word,
                word - n * ONE,
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Ok(()),
                Err(now) => word = now,
            }
        }
    }

    /// Takes `n` permits if they are free, whoever waits. Not of a semaphore that is ever closed.
    pub(super) fn try_acquire_first(&self, n: usize) -> bool {
        let _list = self.queue.lock();
        self.take_or_set(n, 0)
    }

    /// Takes `n` permits if they are free, and else sets `bits`. Called under the queue's lock.
    fn take_or_set(&self, n: usize, bits: usize) -> bool {
        // Relaxed: the exchange below, or the queue's lock, orders.
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            let enough = word / ONE >= n;
            let next = if enough { word - n * ONE } else { word | bits };
            // Acquire: as in `try_acquire`.
            match self
                .word
                .compare_exchange_weak(word, next, Ordering::Acquire, Ordering::Relaxed)
            {
                Ok(_) => return enough,
                Err(now) => word = now,
            }
        }
    }

    /// Gives `n` permits back, and serves the queue. If there would be too many it adds none.
    #[inline]
    pub(super) fn release(&self, n: usize) -> Result<(), Overflow> {
        // Relaxed: the exchange below orders.
        let mut word = self.word.load(Ordering::Relaxed);
        while word & WAITERS == 0 {
            let next = with_more(word, n)?;
            // Release: publishes what was done under the permits to the Acquire in `try_acquire`.
            match self
                .word
                .compare_exchange_weak(word, next, Ordering::Release, Ordering::Relaxed)
            {
                Ok(_) => return Ok(()),
                Err(now) => word = now,
            }
        }
        self.serve(n)
    }

    /// Takes up to `n` free permits away for good. Returns how many.
    pub(super) fn forget(&self, n: usize) -> usize {
        // Keeps newcomers and releases off a word with WAITERS.
        let _list = self.queue.lock();
        // Relaxed: the exchange below orders.
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            let taken = n.min(word / ONE);
            // Acquire: they are taken, as in `try_acquire`.
            match self.word.compare_exchange_weak(
                word,
                word - taken * ONE,
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(_) => return taken,
                Err(now) => word = now,
            }
        }
    }

    /// Adds `more` permits, and grants the first of the queue what they want, as far as it goes.
    #[cold]
    fn serve(&self, mut more: usize) -> Result<(), Overflow> {
        let mut wakers = WakeBatch::new();
        loop {
            let mut list = self.queue.lock();
            // Acquire: pairs with the Release in `release`; the queue's lock passes it on to those who are served.
            let mut word = self.word.load(Ordering::Acquire);
            // The queue may have emptied since. Nobody sets WAITERS while we hold the lock.
            while word & WAITERS == 0 {
                let next = with_more(word, more)?;
                // Release: as in `release`.
                match self.word.compare_exchange_weak(
                    word,
                    next,
                    Ordering::Release,
                    Ordering::Relaxed,
                ) {
                    Ok(_) => {
                        drop(list);
                        wakers.finish();
                        return Ok(());
                    }
                    Err(now) => word = now,
                }
            }
            let mut free = with_more(word, more)? / ONE;
            while !wakers.is_full()
                && let Some(want) = list.front_want()
                && want <= free
            {
                free -= want;
                wakers.push(list.grant_front());
            }
            let waiters = if list.is_empty() { 0 } else { WAITERS };
            // Release: publishes to the Acquire in `try_acquire`. A store: with WAITERS, only who holds the lock writes.
            self.word
                .store((word & CLOSED) | waiters | (free * ONE), Ordering::Release);
            let again = wakers.is_full() && waiters != 0;
            drop(list);
            wakers.wake();
            if !again {
                wakers.finish();
                return Ok(());
            }
            // More may be served than fits into a batch.
            more = 0;
        }
    }

    /// Refuses everybody from now on, also those who wait.
    pub(super) fn close(&self) {
        let mut wakers = WakeBatch::new();
        loop {
            let mut list = self.queue.lock();
            while !wakers.is_full() && !list.is_empty() {
                wakers.push(list.grant_front_only(0));
            }
            // Release: publishes what the closer did to the Acquire in `is_closed`.
            self.word.fetch_or(CLOSED, Ordering::Release);
            let empty = list.is_empty();
            if empty {
                // Relaxed: orders nothing; the permits were published before.
                self.word.fetch_and(!WAITERS, Ordering::Relaxed);
            }
            drop(list);
            wakers.wake();
            if empty {
                wakers.finish();
                return;
            }
        }
    }
}

impl fmt::Debug for RawSemaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawSemaphore")
            .field("available", &self.available())
            .field("closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}

#[inline]
fn with_more(word: usize, n: usize) -> Result<usize, Overflow> {
    if n > MAX_PERMITS - word / ONE {
        return Err(Overflow);
    }
    Ok(word + n * ONE)
}

pin_project! {
    /// One that takes permits, and waits for them.
    ///
    /// Its owner calls `cancel` before it is dropped.
    #[derive(Debug)]
    pub(super) struct RawAcquire {
        n: usize,
        #[pin]
        waiter: Waiter,
    }
}

impl RawAcquire {
    #[inline]
    pub(super) fn new(n: usize) -> Self {
        Self {
            n,
            waiter: Waiter::new(),
        }
    }

    pub(super) fn n(&self) -> usize {
        self.n
    }

    #[inline]
    pub(super) fn poll(
        self: Pin<&mut Self>,
        raw: &RawSemaphore,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Refused>> {
        if self.waiter.is_queued() {
            return self.poll_queued(raw, cx);
        }
        if must_yield(cx) {
            return Poll::Pending;
        }
        match raw.try_acquire(self.n) {
            Err(Refused::NoPermits) => self.queue_up(raw, cx),
            done => Poll::Ready(done),
        }
    }

    #[cold]
    fn poll_queued(
        self: Pin<&mut Self>,
        raw: &RawSemaphore,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Refused>> {
        match ready!(self.project().waiter.poll(&raw.queue, cx)) {
            0 => Poll::Ready(Err(Refused::Closed)),
            _ => Poll::Ready(Ok(())),
        }
    }

    #[cold]
    fn queue_up(
        self: Pin<&mut Self>,
        raw: &RawSemaphore,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Refused>> {
        let this = self.project();
        let n = *this.n;
        let mut refused = Ok(());
        let entered = this.waiter.enter_if(&raw.queue, cx, |_| {
            // Relaxed: the exchange below, or the queue's lock, orders.
            let mut word = raw.word.load(Ordering::Relaxed);
            loop {
                if word & CLOSED != 0 {
                    refused = Err(Refused::Closed);
                    return None;
                }
                if word & WAITERS != 0 {
                    return Some(n);
                }
                let enough = word / ONE >= n;
                let next = if enough {
                    word - n * ONE
                } else {
                    word | WAITERS
                };
                // Acquire: as in `try_acquire`.
                match raw.word.compare_exchange_weak(
                    word,
                    next,
                    Ordering::Acquire,
                    Ordering::Relaxed,
                ) {
                    Ok(_) if enough => return None,
                    Ok(_) => return Some(n),
                    Err(now) => word = now,
                }
            }
        });
        match entered {
            true => Poll::Pending,
            false => Poll::Ready(refused),
        }
    }

    /// As [`Self::poll`], before all others who wait. Not for a semaphore that is ever closed, nor for two at a time.
    pub(super) fn poll_first(
        self: Pin<&mut Self>,
        raw: &RawSemaphore,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        if self.waiter.is_queued() {
            return self.poll_queued(raw, cx).map(drop);
        }
        let waker = cx.waker().clone();
        let mut list = raw.queue.lock();
        if raw.take_or_set(self.n, WAITERS) {
            drop(list);
            return Poll::Ready(());
        }
        let n = self.n;
        list.enter_first(self.project().waiter, waker, n);
        Poll::Pending
    }

    /// Leaves the queue, and gives back what was granted.
    #[inline]
    pub(super) fn cancel(self: Pin<&mut Self>, raw: &RawSemaphore) {
        let waiter = self.project().waiter;
        if waiter.is_queued() {
            cancel_slow(waiter, raw);
        }
    }
}

#[cold]
fn cancel_slow(waiter: Pin<&mut Waiter>, raw: &RawSemaphore) {
    let mut list = raw.queue.lock();
    let left = list.leave(waiter);
    drop(list);
    // Also with nothing to give back: who stood behind may want less. They were taken from it, so that they fit.
    let fits = raw.serve(left.granted);
    debug_assert!(fits.is_ok());
}
