//! A sender as a sink.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_sink::Sink;

use super::Sender;
use super::error::SendError;
use crate::hook::{Site, WaitKind};

/// A [`Sender`] as a `Sink`; made by [`Sender::into_sink`].
///
/// It holds one value beside those of the channel: the one that `start_send` was given and that waits for room. Closing the
/// sink sends that value; the channel closes with its last sender, so drop the sink too.
///
/// # Cancel safety
///
/// The value that waits is dropped with the sink, not with a future that flushes it.
#[derive(Debug)]
pub struct SendSink<T> {
    sender: Sender<T>,
    value: Option<T>,
    /// The value's place in line.
    key: Option<u32>,
    site: Site,
}

/// The value is never pinned: it moves to the receiver.
impl<T> Unpin for SendSink<T> {}

impl<T> SendSink<T> {
    #[track_caller]
    pub(super) fn new(sender: Sender<T>) -> Self {
        Self {
            sender,
            value: None,
            key: None,
            site: Site::here(),
        }
    }

    /// The sender.
    pub fn get_ref(&self) -> &Sender<T> {
        &self.sender
    }
}

impl<T> Sink<T> for SendSink<T> {
    type Error = SendError<T>;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError<T>>> {
        self.poll_flush(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, value: T) -> Result<(), SendError<T>> {
        let waits = self.value.is_some() || self.key.is_some();
        assert!(!waits, "start_send needs a poll_ready that was ready");
        self.value = Some(value);
        Ok(())
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), SendError<T>>> {
        let this = &mut *self;
        if this.value.is_none() && this.key.is_none() {
            return Poll::Ready(Ok(()));
        }
        let poll = this
            .sender
            .chan
            .poll_send(&mut this.value, &mut this.key, cx);
        this.site.or_waits(WaitKind::ChanSend, poll)
    }

    fn poll_close(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), SendError<T>>> {
        ready!(self.as_mut().poll_flush(cx))?;
        Poll::Ready(Ok(()))
    }
}

impl<T> Drop for SendSink<T> {
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            drop(self.sender.chan.cancel_send(key));
        }
    }
}
