//! The futures of a channel, and its stream.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::{FusedStream, Stream};

use super::error::{RecvError, SendError};
use super::shared::Chan;
use super::{Receiver, Sender};
use crate::hook::{Site, WaitKind};

/// The future of [`Sender::send`].
#[must_use = "futures do nothing unless polled"]
pub struct Send<'a, T> {
    chan: &'a Chan<T>,
    value: Option<T>,
    key: Option<u32>,
    site: Site,
}

/// The future of [`Receiver::recv`].
#[must_use = "futures do nothing unless polled"]
pub struct Recv<'a, T> {
    chan: &'a Chan<T>,
    key: Option<u32>,
    site: Site,
}

impl<'a, T> Send<'a, T> {
    #[track_caller]
    pub(super) fn new(sender: &'a Sender<T>, value: T) -> Self {
        Self {
            chan: &sender.chan,
            value: Some(value),
            key: None,
            site: Site::here(),
        }
    }
}

impl<T> Send<'_, T> {
    pub(super) fn chan(&self) -> &Chan<T> {
        self.chan
    }

    /// Gives up; returns the value unless it was taken.
    pub(super) fn cancel(&mut self) -> Result<(), T> {
        let in_line = self.key.take().and_then(|key| self.chan.cancel_send(key));
        match self.value.take().or(in_line) {
            Some(value) => Err(value),
            None => Ok(()),
        }
    }
}

impl<T> Recv<'_, T> {
    pub(super) fn chan(&self) -> &Chan<T> {
        self.chan
    }

    /// Gives up; what it was handed goes back.
    pub(super) fn cancel(&mut self) {
        if let Some(key) = self.key.take() {
            self.chan.cancel_recv(key);
        }
    }
}

impl<'a, T> Recv<'a, T> {
    #[track_caller]
    pub(super) fn new(receiver: &'a Receiver<T>) -> Self {
        Self {
            chan: &receiver.chan,
            key: None,
            site: Site::here(),
        }
    }
}

/// The value is never pinned: it moves to the receiver.
impl<T> Unpin for Send<'_, T> {}

impl<T> Future for Send<'_, T> {
    type Output = Result<(), SendError<T>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let poll = this.chan.poll_send(&mut this.value, &mut this.key, cx);
        this.site.or_waits(WaitKind::ChanSend, poll)
    }
}

impl<T> Future for Recv<'_, T> {
    type Output = Result<T, RecvError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let poll = this.chan.poll_recv(&mut this.key, cx);
        this.site.or_waits(WaitKind::ChanReceive, poll)
    }
}

/// The place in line is given up when the receiver is dropped, and the values that it was handed go back.
impl<T> Stream for Receiver<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let this = &mut *self;
        let poll = this.chan.poll_recv(&mut this.parked, cx).map(Result::ok);
        this.site.or_waits(WaitKind::ChanReceive, poll)
    }
}

impl<T> FusedStream for Receiver<T> {
    fn is_terminated(&self) -> bool {
        self.parked.is_none() && self.is_closed() && self.is_empty()
    }
}

impl<T> Drop for Send<'_, T> {
    fn drop(&mut self) {
        drop(self.cancel());
    }
}

impl<T> Drop for Recv<'_, T> {
    fn drop(&mut self) {
        self.cancel();
    }
}

impl<T> fmt::Debug for Send<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Send")
            .field("waits", &self.key.is_some())
            .finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Recv<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recv")
            .field("waits", &self.key.is_some())
            .finish_non_exhaustive()
    }
}
