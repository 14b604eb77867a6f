//! Places in a channel that are kept for who is going to send.
//!
//! A place is one of the channel's `reserved`, from the moment that somebody who waits in `reserving` is taken out of line until the
//! value is there or the permit is dropped. Those who wait for a permit and those who wait with a value stand in lines of their own, so
//! that a receiver finds the values, but room goes to whoever came first: the former know how many of the latter came before.
//!
//! A receiver that waits needs no place: a value with a permit goes to it as any other does, and the place goes to the next in line.
//!
//! Rejected: permits of a channel without a buffer. They could only stand for a receiver that waits, and that may go away before the
//! value comes.

use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::Sender;
use super::error::{SendError, TrySendError};
use super::queue::Who;
use super::shared::{Chan, wake};
use super::state::Hint;
use crate::hook::{Site, WaitKind, must_yield};
use crate::locks::block::block_on;

/// A place in a channel for one value, which the next in line gets if it is dropped. Made by [`Sender::reserve`].
///
/// One that is leaked (`mem::forget`) is never free again.
#[must_use = "dropping a permit gives the place back"]
pub struct Permit<'a, T> {
    chan: &'a Chan<T>,
}

/// A [`Permit`] with the sender that it is of. Made by [`Sender::reserve_owned`].
#[must_use = "dropping a permit gives the place back"]
pub struct OwnedPermit<T> {
    /// None once the place is gone.
    sender: Option<Sender<T>>,
}

/// The future of [`Sender::reserve`].
#[must_use = "futures do nothing unless polled"]
pub struct Reserve<'a, T> {
    chan: &'a Chan<T>,
    key: Option<u32>,
    site: Site,
}

/// The future of [`Sender::reserve_owned`].
#[must_use = "futures do nothing unless polled"]
pub struct ReserveOwned<T> {
    /// None once it has ended.
    sender: Option<Sender<T>>,
    key: Option<u32>,
    site: Site,
}

impl<T> Sender<T> {
    /// Waits until there is room for a value, and keeps it for the one that is sent with the permit.
    ///
    /// For values that are better made when they can be sent. Room goes to senders and to those who reserve it in the order in which
    /// they came; a channel without a limit always has some. The channel may be closed in spite of a permit, but not for want of
    /// senders.
    ///
    /// # Errors
    ///
    /// Fails if the channel is closed, before or while it waits.
    ///
    /// # Panics
    ///
    /// Panics if the channel is [unbuffered](super::unbuffered): it has no place that could be kept. A receiver that waits is none, as
    /// it may go away before the value comes.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost but the place in line: room that was given to the future goes to the next. So it may stand in a
    /// [`select!`](crate::select!) as a `future(..)`.
    ///
    /// # Examples
    ///
    /// ```
    /// use gort_sync::{chan, select};
    ///
    /// # futures_lite::future::block_on(async {
    /// let (sender, receiver) = chan::bounded(1);
    /// let permit = sender.reserve().await.unwrap();
    /// assert!(sender.try_send("another").is_err());
    /// permit.send("the one").unwrap();
    /// assert_eq!(receiver.recv().await, Ok("the one"));
    ///
    /// // Makes a value only if it can be sent.
    /// select! {
    ///     future(sender.reserve()) -> permit => permit.unwrap().send("later").unwrap(),
    ///     future(std::future::pending::<()>()) -> () => {}
    /// }
    /// assert_eq!(receiver.recv().await, Ok("later"));
    /// # });
    /// ```
    #[track_caller]
    pub fn reserve(&self) -> Reserve<'_, T> {
        self.must_have_places();
        Reserve {
            chan: &self.chan,
            key: None,
            site: Site::here(),
        }
    }

    /// As [`reserve`](Self::reserve), for a permit that has the sender and borrows nothing; clone the sender to keep one.
    ///
    /// # Errors
    ///
    /// Gives the sender back if the channel is closed, before or while it waits.
    ///
    /// # Panics
    ///
    /// As [`reserve`](Self::reserve).
    ///
    /// # Cancel safety
    ///
    /// As [`reserve`](Self::reserve); the sender is dropped with the future.
    #[track_caller]
    pub fn reserve_owned(self) -> ReserveOwned<T> {
        self.must_have_places();
        ReserveOwned {
            sender: Some(self),
            key: None,
            site: Site::here(),
        }
    }

    /// As [`reserve`](Self::reserve), blocking the thread.
    ///
    /// # Errors
    ///
    /// As [`reserve`](Self::reserve).
    ///
    /// # Panics
    ///
    /// As [`reserve`](Self::reserve).
    #[track_caller]
    pub fn reserve_blocking(&self) -> Result<Permit<'_, T>, SendError<()>> {
        block_on(self.reserve())
    }

    /// Keeps room for a value if there is some.
    ///
    /// # Errors
    ///
    /// Says whether the channel is closed, or has no room now.
    ///
    /// # Panics
    ///
    /// As [`reserve`](Self::reserve).
    #[track_caller]
    pub fn try_reserve(&self) -> Result<Permit<'_, T>, TrySendError<()>> {
        self.must_have_places();
        self.chan.try_reserve()
    }

    /// As [`try_reserve`](Self::try_reserve), for a permit that has the sender and borrows nothing.
    ///
    /// # Errors
    ///
    /// Gives the sender back, and says whether the channel is closed or has no room now.
    ///
    /// # Panics
    ///
    /// As [`reserve`](Self::reserve).
    #[track_caller]
    pub fn try_reserve_owned(self) -> Result<OwnedPermit<T>, TrySendError<Self>> {
        self.must_have_places();
        let reserved = self.chan.try_reserve().map(mem::forget);
        match reserved {
            Ok(()) => Ok(OwnedPermit { sender: Some(self) }),
            Err(TrySendError::Full(())) => Err(TrySendError::Full(self)),
            Err(TrySendError::Closed(())) => Err(TrySendError::Closed(self)),
        }
    }

    #[track_caller]
    fn must_have_places(&self) {
        assert!(
            self.chan.capacity != 0,
            "an unbuffered channel has no place to reserve; send without a permit, or make it `bounded(1)`"
        );
    }
}

impl<T> Permit<'_, T> {
    /// Sends a value. It never waits.
    ///
    /// # Errors
    ///
    /// Gives the value back if the channel is closed.
    pub fn send(self, value: T) -> Result<(), SendError<T>> {
        let chan = self.chan;
        let mut state = chan.lock();
        let stored = state.len();
        // Whether there is room was asked when the place was reserved.
        let woken = match state.put(value, usize::MAX) {
            Ok(woken) => woken,
            Err(TrySendError::Closed(value) | TrySendError::Full(value)) => {
                drop(state);
                return Err(SendError(value));
            }
        };
        // A place that is free again, and that nobody waits for, needs no second look at the channel.
        if state.len() > stored || !state.waits_for_room() {
            state.reserved -= 1;
            mem::forget(self);
        }
        drop(state);
        // If it panics, the permit gives the place back all the same.
        wake(woken);
        Ok(())
    }
}

impl<T> OwnedPermit<T> {
    /// Sends a value, and gives the sender back. It never waits.
    ///
    /// # Errors
    ///
    /// Gives the value back if the channel is closed.
    pub fn send(mut self, value: T) -> Result<Sender<T>, SendError<T>> {
        let sender = self.take();
        let permit = Permit { chan: &sender.chan };
        permit.send(value)?;
        Ok(sender)
    }

    /// Gives the place back, and returns the sender.
    #[must_use = "to drop the permit gives the place back too"]
    pub fn release(mut self) -> Sender<T> {
        let sender = self.take();
        drop(Permit { chan: &sender.chan });
        sender
    }

    /// The sender, and with it the place.
    fn take(&mut self) -> Sender<T> {
        let sender = self.sender.take();
        sender.expect("a permit has its sender until it is used")
    }
}

impl<T> Chan<T> {
    fn try_reserve(&self) -> Result<Permit<'_, T>, TrySendError<()>> {
        // A hint that is missing is right, as for `try_send`.
        if !self.hinted(Hint::SEND) {
            return Err(TrySendError::Full(()));
        }
        self.lock().reserve(self.capacity)?;
        Ok(Permit { chan: self })
    }

    /// Polls a wait for a permit, whose place in line is `key`.
    fn poll_reserve(
        &self,
        key: &mut Option<u32>,
        cx: &Context<'_>,
    ) -> Poll<Result<Permit<'_, T>, SendError<()>>> {
        if let Some(at) = *key {
            let Some(mut state) = self.left_line(at, |state| &mut state.reserving, cx) else {
                return Poll::Pending;
            };
            *key = None;
            let left = state.reserving.leave(at);
            drop(state);
            // One who still knows its place in the order was refused by `close`.
            return Poll::Ready(match left.item {
                Some(_) => Err(SendError(())),
                None => Ok(Permit { chan: self }),
            });
        }
        if must_yield(cx) {
            return Poll::Pending;
        }
        match self.try_reserve() {
            Ok(permit) => Poll::Ready(Ok(permit)),
            Err(TrySendError::Closed(())) => Poll::Ready(Err(SendError(()))),
            Err(TrySendError::Full(())) => self.reserve_or_wait(key, cx),
        }
    }

    fn reserve_or_wait(
        &self,
        key: &mut Option<u32>,
        cx: &Context<'_>,
    ) -> Poll<Result<Permit<'_, T>, SendError<()>>> {
        // A waker's clone is foreign code: not under the lock.
        let own = cx.waker().clone();
        let mut state = self.lock();
        match state.reserve(self.capacity) {
            Ok(()) => Poll::Ready(Ok(Permit { chan: self })),
            Err(TrySendError::Closed(())) => Poll::Ready(Err(SendError(()))),
            Err(TrySendError::Full(())) => {
                let before = state.sending.entered();
                *key = Some(state.reserving.push(Who::Task(Some(own)), Some(before)));
                Poll::Pending
            }
        }
    }

    /// Takes one who waits for a permit out of line, and gives back the place that it may have got.
    fn cancel_reserve(&self, at: u32) {
        let mut state = self.lock();
        let left = state.reserving.leave(at);
        drop(state);
        if left.item.is_none() {
            drop(Permit { chan: self });
        }
    }
}

impl<'a, T> Future for Reserve<'a, T> {
    type Output = Result<Permit<'a, T>, SendError<()>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let poll = this.chan.poll_reserve(&mut this.key, cx);
        this.site.or_waits(WaitKind::ChanSend, poll)
    }
}

impl<T> Future for ReserveOwned<T> {
    type Output = Result<OwnedPermit<T>, SendError<Sender<T>>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let sender = this.sender.as_ref();
        let sender = sender.expect("a reservation was polled after its end");
        let poll = sender.chan.poll_reserve(&mut this.key, cx);
        let reserved = ready!(this.site.or_waits(WaitKind::ChanSend, poll)).map(mem::forget);
        let sender = this.sender.take();
        Poll::Ready(match reserved {
            Ok(()) => Ok(OwnedPermit { sender }),
            Err(SendError(())) => Err(SendError(sender.expect("it was there just now"))),
        })
    }
}

impl<T> Drop for Permit<'_, T> {
    fn drop(&mut self) {
        let mut state = self.chan.lock();
        state.reserved -= 1;
        let woken = state.fill(self.chan.capacity);
        drop(state);
        wake(woken);
    }
}

impl<T> Drop for OwnedPermit<T> {
    fn drop(&mut self) {
        if let Some(sender) = &self.sender {
            drop(Permit { chan: &sender.chan });
        }
    }
}

impl<T> Drop for Reserve<'_, T> {
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            self.chan.cancel_reserve(key);
        }
    }
}

impl<T> Drop for ReserveOwned<T> {
    fn drop(&mut self) {
        if let (Some(sender), Some(key)) = (&self.sender, self.key.take()) {
            sender.chan.cancel_reserve(key);
        }
    }
}

impl<T> fmt::Debug for Permit<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Permit").field(self.chan).finish()
    }
}

impl<T> fmt::Debug for OwnedPermit<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OwnedPermit").field(&self.sender).finish()
    }
}

impl<T> fmt::Debug for Reserve<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reserve")
            .field("waits", &self.key.is_some())
            .finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for ReserveOwned<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReserveOwned")
            .field("waits", &self.key.is_some())
            .finish_non_exhaustive()
    }
}
