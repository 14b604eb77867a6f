//! A receiver as a stream.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;

use super::Receiver;
use crate::hook::{Site, WaitKind};
use crate::until::Until;

/// The values that a [`Receiver`] has not seen, as a `Stream`. Made by [`Receiver::into_stream`].
///
/// It is one allocation, so that it is `Unpin`. It ends when all senders are gone and the last value was seen.
pub struct ReceiverStream<T> {
    until: Pin<Box<Until<Receiver<T>>>>,
    site: Site,
}

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
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let this = &mut *self;
        let poll = this.until.as_mut().poll_until(cx, |receiver| {
            let changed = receiver.shared.look(&mut receiver.seen)?;
            // It may have changed once more since: that counts as seen too.
            Some(changed.ok().map(|()| receiver.borrow_and_update().clone()))
        });
        this.site.or_waits(WaitKind::ChanReceive, poll)
    }
}

impl<T> fmt::Debug for ReceiverStream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ReceiverStream")
            .field(self.get_ref())
            .finish()
    }
}
