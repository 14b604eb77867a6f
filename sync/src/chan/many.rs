//! Receiving many values at once.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::Receiver;
use super::error::{RecvError, TryRecvError};
use super::shared::Chan;
use super::state::Hint;
use crate::hook::{Site, WaitKind};
use crate::locks::wait::WakeBatch;

/// The future of [`Receiver::recv_many`].
#[must_use = "futures do nothing unless polled"]
pub struct RecvMany<'a, T> {
    chan: &'a Chan<T>,
    key: Option<u32>,
    values: &'a mut Vec<T>,
    limit: usize,
    site: Site,
}

impl<T> Receiver<T> {
    /// Receives up to `limit` values, and waits only for the first; appends them to `values` and returns how many they are.
    ///
    /// The lock of the channel is taken once for many values, not once for each. With a limit of 0 it ends at once.
    ///
    /// # Errors
    ///
    /// Fails if the channel is closed and empty.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: one that is dropped while it waits has appended nothing, and a value that was handed to it returns to the
    /// front of the channel. The place in line is lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use gort_sync::chan;
    ///
    /// # futures_lite::future::block_on(async {
    /// let (sender, receiver) = chan::bounded(8);
    /// for i in 0..5 {
    ///     sender.send(i).await.unwrap();
    /// }
    /// let mut values = Vec::new();
    /// assert_eq!(receiver.recv_many(&mut values, 3).await, Ok(3));
    /// assert_eq!(receiver.recv_many(&mut values, 3).await, Ok(2));
    /// assert_eq!(values, [0, 1, 2, 3, 4]);
    /// # });
    /// ```
    #[track_caller]
    pub fn recv_many<'a>(&'a self, values: &'a mut Vec<T>, limit: usize) -> RecvMany<'a, T> {
        RecvMany {
            chan: self.chan(),
            key: None,
            values,
            limit,
            site: Site::here(),
        }
    }

    /// Receives up to `limit` values if there are any; appends them to `values` and returns how many they are.
    ///
    /// # Errors
    ///
    /// Fails if the channel is empty, and says so if it is closed too.
    pub fn try_recv_many(&self, values: &mut Vec<T>, limit: usize) -> Result<usize, TryRecvError> {
        self.chan().try_recv_many(values, limit)
    }
}

impl<T> Chan<T> {
    /// Takes up to `limit` values at a time, as far as there are any; a few for each time that the lock is taken.
    fn try_recv_many(&self, values: &mut Vec<T>, limit: usize) -> Result<usize, TryRecvError> {
        let mut taken = 0;
        while taken < limit {
            let end = values.len();
            let found = self.take_batch(values, limit - taken);
            taken += values.len() - end;
            match found {
                Ok(()) => {}
                Err(_) if taken != 0 => break,
                Err(none) => return Err(none),
            }
        }
        Ok(taken)
    }

    /// Moves values to the room that `values` has, `limit` at most, and wakes the senders that got room.
    ///
    /// If a waker panics, the values are where they belong, and all others were woken.
    fn take_batch(&self, values: &mut Vec<T>, limit: usize) -> Result<(), TryRecvError> {
        if !self.hinted(Hint::RECV) {
            return Err(TryRecvError::Empty);
        }
        // Nothing is allocated under the lock.
        values.reserve(WakeBatch::SIZE.min(limit));
        let end = values.len();
        let room = limit.min(values.capacity() - end);
        let mut woken = WakeBatch::new();
        let mut state = self.lock();
        while values.len() - end < room
            && !woken.is_full()
            && let Some(((_, value), waker)) = state.take(self.capacity)
        {
            values.push(value);
            woken.push(waker);
        }
        let closed = state.closed;
        drop(state);
        woken.wake();
        woken.finish();
        match (values.len() == end, closed) {
            (false, _) => Ok(()),
            (true, true) => Err(TryRecvError::Closed),
            (true, false) => Err(TryRecvError::Empty),
        }
    }
}

impl<T> Future for RecvMany<'_, T> {
    type Output = Result<usize, RecvError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let Some(others) = this.limit.checked_sub(1) else {
            return Poll::Ready(Ok(0));
        };
        let poll = this.chan.poll_recv(&mut this.key, cx);
        let first = match ready!(this.site.or_waits(WaitKind::ChanReceive, poll)) {
            Ok(first) => first,
            Err(RecvError) => return Poll::Ready(Err(RecvError)),
        };
        this.values.push(first);
        let more = this.chan.try_recv_many(this.values, others);
        Poll::Ready(Ok(1 + more.unwrap_or(0)))
    }
}

impl<T> Drop for RecvMany<'_, T> {
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            self.chan.cancel_recv(key);
        }
    }
}

impl<T> fmt::Debug for RecvMany<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecvMany")
            .field("waits", &self.key.is_some())
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}
