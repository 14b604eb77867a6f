//! Waiting for the end of a channel.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::queue::Who;
use super::shared::Chan;
use crate::hook::{Site, WaitKind};

/// The future of [`Sender::closed`](super::Sender::closed) and [`Receiver::closed`](super::Receiver::closed).
#[must_use = "futures do nothing unless polled"]
pub struct Closed<'a, T> {
    chan: &'a Chan<T>,
    key: Option<u32>,
    site: Site,
}

impl<'a, T> Closed<'a, T> {
    #[track_caller]
    pub(super) fn new(chan: &'a Chan<T>) -> Self {
        Self {
            chan,
            key: None,
            site: Site::here(),
        }
    }
}

impl<T> Chan<T> {
    /// Polls a wait for the end, whose place in line is `key`.
    fn poll_closed(&self, key: &mut Option<u32>, cx: &Context<'_>) -> Poll<()> {
        if let Some(at) = *key {
            let Some(mut state) = self.left_line(at, |state| &mut state.closing, cx) else {
                return Poll::Pending;
            };
            *key = None;
            let left = state.closing.leave(at);
            drop(state);
            drop(left);
            return Poll::Ready(());
        }
        // A waker's clone is foreign code: not under the lock.
        let own = cx.waker().clone();
        let mut state = self.lock();
        if state.closed {
            drop(state);
            return Poll::Ready(());
        }
        *key = Some(state.closing.push(Who::Task(Some(own)), None));
        Poll::Pending
    }
}

impl<T> Future for Closed<'_, T> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let poll = this.chan.poll_closed(&mut this.key, cx);
        this.site.or_waits(WaitKind::ChanClosed, poll)
    }
}

impl<T> Drop for Closed<'_, T> {
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            // The waker is dropped after the lock.
            let left = self.chan.lock().closing.leave(key);
            drop(left);
        }
    }
}

impl<T> fmt::Debug for Closed<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Closed")
            .field("waits", &self.key.is_some())
            .finish_non_exhaustive()
    }
}
