//! A receiver as a stream.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;

use super::{Receiver, RecvError, own};
use crate::hook::{Site, WaitKind, must_yield};
use crate::until::Until;

/// The values of a [`Receiver`] as a `Stream`. Made by [`Receiver::into_stream`].
///
/// It is one allocation, so that it is `Unpin`. It ends when all senders are gone and everything was received.
pub struct ReceiverStream<T> {
    until: Pin<Box<Until<Receiver<T>>>>,
    site: Site,
}

/// So many values were missed; the stream goes on with the oldest that is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lagged(pub u64);

impl<T> ReceiverStream<T> {
    #[track_caller]
    pub(super) fn new(receiver: Receiver<T>) -> Self {
        Self {
            until: Box::pin(Until::new(receiver)),
            site: Site::here(),
        }
    }

    /// The receiver.
    #[must_use]
    pub fn get_ref(&self) -> &Receiver<T> {
        self.until.source()
    }
}

impl<T: Clone> Stream for ReceiverStream<T> {
    type Item = Result<T, Lagged>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if must_yield(cx) {
            return Poll::Pending;
        }
        let this = &mut *self;
        let until = this.until.as_mut();
        let poll = until.poll_until(cx, |receiver| {
            receiver.shared.lock().read(&mut receiver.next)
        });
        let poll = this.site.or_waits(WaitKind::ChanReceive, poll);
        poll.map(|found| match found {
            Ok(value) => Some(Ok(own(value))),
            Err(RecvError::Lagged(missed)) => Some(Err(Lagged(missed))),
            Err(RecvError::Closed) => None,
        })
    }
}

impl<T> fmt::Debug for ReceiverStream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ReceiverStream")
            .field(self.get_ref())
            .finish()
    }
}

impl fmt::Display for Lagged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        RecvError::Lagged(self.0).fmt(f)
    }
}

impl Error for Lagged {}
