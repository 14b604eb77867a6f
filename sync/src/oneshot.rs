//! A channel for one value: a reply, or the outcome of some work.
//!
//! It costs one allocation. Sending never waits.
//!
//! # Examples
//!
//! ```
//! use gort_sync::oneshot;
//!
//! # futures_lite::future::block_on(async {
//! let (sender, receiver) = oneshot::channel();
//! sender.send("done").unwrap();
//! assert_eq!(receiver.await, Ok("done"));
//!
//! let (sender, receiver) = oneshot::channel::<u8>();
//! drop(sender);
//! assert!(receiver.await.is_err());
//! # });
//! ```

#[cfg(all(test, gort_loom))]
mod model;
mod state;
#[cfg(all(test, not(gort_loom)))]
mod tests;

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::FusedFuture;

use crate::hook::{Site, WaitKind};
use crate::locks::block::block_on;
use state::{Half, Side};

/// Creates a channel for one value.
#[track_caller]
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let (sender, receiver) = state::halves();
    let site = Site::here();
    let receiver = Receiver {
        half: Some(receiver),
        site,
    };
    (Sender { half: sender }, receiver)
}

/// The sending half; dropped without a value, it closes the channel.
pub struct Sender<T> {
    half: Half<T>,
}

/// The receiving half: a future of the value.
///
/// # Cancel safety
///
/// Poll it by reference (`&mut receiver`) to keep it: nothing is lost between two polls.
#[must_use = "futures do nothing unless polled"]
pub struct Receiver<T> {
    /// `None` once the outcome is out.
    half: Option<Half<T>>,
    site: Site,
}

/// The sender was dropped without a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecvError;

/// Why there is no value now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryRecvError {
    /// The value may still come.
    Empty,
    /// The sender was dropped without a value, or the value was received already.
    Closed,
}

impl<T> Sender<T> {
    /// Sends the value.
    ///
    /// # Errors
    ///
    /// Gives the value back if the receiver is gone or closed.
    pub fn send(self, value: T) -> Result<(), T> {
        self.half.send(value)
    }

    /// Returns whether the receiver is gone or closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.half.is_left(Side::Receiver)
    }

    /// Waits until the receiver is gone or closed: nobody wants the value any more.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    ///
    /// # Examples
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// let (mut sender, receiver) = gort_sync::oneshot::channel::<u8>();
    /// drop(receiver);
    /// sender.closed().await;
    /// # });
    /// ```
    #[track_caller]
    pub fn closed(&mut self) -> Closed<'_, T> {
        let site = Site::here();
        Closed { sender: self, site }
    }

    /// Polls for the receiver to be gone or closed. The task of the last poll is the one that is woken.
    pub fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.half.poll_left(cx)
    }
}

/// The future of [`Sender::closed`].
#[must_use = "futures do nothing unless polled"]
pub struct Closed<'a, T> {
    sender: &'a mut Sender<T>,
    site: Site,
}

impl<T> Future for Closed<'_, T> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let poll = self.sender.poll_closed(cx);
        self.site.or_waits(WaitKind::ChanClosed, poll)
    }
}

impl<T> Receiver<T> {
    /// Returns the value if it is there.
    ///
    /// # Errors
    ///
    /// Says whether it may still come.
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        let half = self.half.take().ok_or(TryRecvError::Closed)?;
        if !half.is_left(Side::Sender) && !half.is_left(Side::Receiver) {
            self.half = Some(half);
            return Err(TryRecvError::Empty);
        }
        half.into_value().ok_or(TryRecvError::Closed)
    }

    /// Blocks the thread until the value is there.
    ///
    /// # Errors
    ///
    /// Fails if the sender is dropped without a value.
    pub fn recv_blocking(self) -> Result<T, RecvError> {
        block_on(self)
    }

    /// Refuses a value from now on. One that was sent before can still be received; otherwise the channel is closed.
    pub fn close(&mut self) {
        if let Some(half) = &self.half {
            half.close();
        }
    }
}

impl<T> Future for Receiver<T> {
    type Output = Result<T, RecvError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let half = self.half.as_ref();
        let half = half.expect("a one-shot receiver was polled after its end");
        let poll = half.poll_left(cx);
        if self.site.or_waits(WaitKind::ChanReceive, poll).is_pending() {
            return Poll::Pending;
        }
        let value = self.half.take().and_then(Half::into_value);
        Poll::Ready(value.ok_or(RecvError))
    }
}

impl<T> FusedFuture for Receiver<T> {
    fn is_terminated(&self) -> bool {
        self.half.is_none()
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender")
            .field("is_closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("is_terminated", &self.half.is_none())
            .finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Closed<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Closed").finish_non_exhaustive()
    }
}

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the sender was dropped without a value")
    }
}

impl fmt::Display for TryRecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the value is not there yet",
            Self::Closed => "the sender was dropped without a value, or it was received",
        })
    }
}

impl Error for RecvError {}
impl Error for TryRecvError {}
