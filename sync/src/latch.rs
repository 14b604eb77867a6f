//! A gate that opens once.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use event_listener::{Event, EventListener, Listener};

use crate::hook::{Site, WaitKind};

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
#[derive(Default)]
pub struct Latch {
    open: AtomicBool,
    opened: Event,
}

impl Latch {
    /// Creates a latch that is shut.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            open: AtomicBool::new(false),
            opened: Event::new(),
        }
    }

    /// Opens the latch and wakes all waiters. Returns false if it was open already.
    pub fn open(&self) -> bool {
        // Release: publishes what the opener did to the Acquire in `is_open`.
        let first = !self.open.swap(true, Ordering::Release);
        // Fences before it looks for listeners, as `listen` does before a waiter's second look: either sees the other.
        self.opened.notify(usize::MAX);
        first
    }

    /// Returns whether the latch is open.
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
            listener: None,
        }
    }

    /// Blocks the thread until the latch is open.
    pub fn wait_blocking(&self) {
        while !self.is_open() {
            let listener = self.opened.listen();
            if self.is_open() {
                return;
            }
            listener.wait();
        }
    }

    /// Blocks the thread until the latch is open or `timeout` is over. Returns whether it is open.
    pub fn wait_timeout(&self, timeout: Duration) -> bool {
        if self.is_open() {
            return true;
        }
        let listener = self.opened.listen();
        self.is_open() || listener.wait_timeout(timeout).is_some() || self.is_open()
    }
}

impl fmt::Debug for Latch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Latch")
            .field("is_open", &self.is_open())
            .finish_non_exhaustive()
    }
}

/// The future of [`Latch::wait`].
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct Wait<'a> {
    site: Site,
    latch: &'a Latch,
    listener: Option<EventListener>,
}

impl Future for Wait<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if self.latch.is_open() {
                return Poll::Ready(());
            }
            match &mut self.listener {
                None => self.listener = Some(self.latch.opened.listen()),
                Some(listener) => match Pin::new(listener).poll(cx) {
                    Poll::Ready(()) => self.listener = None,
                    Poll::Pending => return self.site.or_waits(WaitKind::Latch, Poll::Pending),
                },
            }
        }
    }
}

#[cfg(all(test, not(gort_loom)))]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::task::Waker;
    use std::thread;

    #[test]
    fn an_open_latch_stops_nobody() {
        let latch = Latch::new();
        assert!(!latch.wait_timeout(Duration::from_millis(1)));
        assert!(latch.open());
        assert!(!latch.open());
        latch.wait_blocking();
        let mut cx = Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut latch.wait()).poll(&mut cx).is_ready());
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
