//! The futures of a channel, and its stream.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::{FusedStream, Stream};

use super::shared::Shared;
use super::state::Line;
use super::{Receiver, RecvError, SendError, Sender};
use crate::hook::{Site, WaitKind};

/// The future of [`Sender::send`].
#[must_use = "futures do nothing unless polled"]
pub struct Send<'a, T> {
    shared: &'a Shared<T>,
    value: Option<T>,
    key: Option<u32>,
    site: Site,
}

/// The future of [`Receiver::recv`].
#[must_use = "futures do nothing unless polled"]
pub struct Recv<'a, T> {
    shared: &'a Shared<T>,
    key: Option<u32>,
    site: Site,
}

/// The future of [`Sender::closed`].
#[must_use = "futures do nothing unless polled"]
pub struct Closed<'a, T> {
    shared: &'a Shared<T>,
    key: Option<u32>,
    site: Site,
}

impl<'a, T> Send<'a, T> {
    #[inline]
    #[track_caller]
    pub(super) fn new(sender: &'a Sender<T>, value: T) -> Self {
        Self {
            shared: &sender.shared,
            value: Some(value),
            key: None,
            site: Site::here(),
        }
    }
}

impl<'a, T> Recv<'a, T> {
    #[inline]
    #[track_caller]
    pub(super) fn new(receiver: &'a Receiver<T>) -> Self {
        Self {
            shared: &receiver.shared,
            key: None,
            site: Site::here(),
        }
    }
}

impl<'a, T> Closed<'a, T> {
    #[track_caller]
    pub(super) fn new(sender: &'a Sender<T>) -> Self {
        Self {
            shared: &sender.shared,
            key: None,
            site: Site::here(),
        }
    }
}

/// The value is never pinned: it moves into the channel.
impl<T> Unpin for Send<'_, T> {}

impl<T> Future for Send<'_, T> {
    type Output = Result<(), SendError<T>>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let poll = this.shared.poll_send(&mut this.value, &mut this.key, cx);
        this.site.or_waits(WaitKind::ChanSend, poll)
    }
}

impl<T> Future for Recv<'_, T> {
    type Output = Result<T, RecvError>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let poll = this.shared.poll_recv(Line::Receive, &mut this.key, cx);
        this.site.or_waits(WaitKind::ChanReceive, poll)
    }
}

impl<T> Future for Closed<'_, T> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let poll = this.shared.poll_closed(&mut this.key, cx);
        this.site.or_waits(WaitKind::ChanClosed, poll)
    }
}

/// Ends when the channel is closed and empty.
impl<T> Stream for Receiver<T> {
    type Item = T;

    #[inline]
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let this = &mut *self;
        let poll = this.shared.poll_recv(Line::Stream, &mut this.parked, cx);
        this.site
            .or_waits(WaitKind::ChanReceive, poll)
            .map(Result::ok)
    }
}

impl<T> FusedStream for Receiver<T> {
    fn is_terminated(&self) -> bool {
        let state = self.shared.lock();
        state.closed && state.values.is_empty()
    }
}

impl<T> Drop for Send<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.shared.cancel(Line::Send, &mut self.key);
    }
}

impl<T> Drop for Recv<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.shared.cancel(Line::Receive, &mut self.key);
    }
}

impl<T> Drop for Closed<'_, T> {
    fn drop(&mut self) {
        self.shared.cancel(Line::Closed, &mut self.key);
    }
}

macro_rules! tells_whether_it_waits {
    ($($future:ident)*) => {$(
        impl<T> fmt::Debug for $future<'_, T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($future))
                    .field("waits", &self.key.is_some())
                    .finish_non_exhaustive()
            }
        }
    )*};
}

tells_whether_it_waits!(Send Recv Closed);
