//! Channels in Go's manner: many senders, many receivers, first come, first served.
//!
//! [`unbuffered`] is a rendezvous, [`bounded`] has room for so many values, [`unbounded`] for any number. A value goes from
//! the sender to a receiver that waits, past the buffer; if that receiver is dropped before it looks, the value returns to the
//! front of the channel, in its old order. [`select!`](crate::select!) waits for several channels at once.
//!
//! A future that waits and is leaked (`mem::forget`) keeps its place in line, and a value that is handed to it is stuck there.
//!
//! # Examples
//!
//! Tasks send and receive, and threads too, in the same channel:
//!
//! ```
//! use gort_sync::chan;
//!
//! # futures_lite::future::block_on(async {
//! let (sender, receiver) = chan::bounded(1);
//! let thread = std::thread::spawn(move || (0..3).for_each(|i| sender.send_blocking(i).unwrap()));
//! let mut values = Vec::new();
//! while let Ok(value) = receiver.recv().await {
//!     values.push(value);
//! }
//! assert_eq!(values, [0, 1, 2], "and the only sender is gone");
//! thread.join().unwrap();
//! # });
//! ```
//!
//! A receiver is a `Stream`:
//!
//! ```
//! use futures_lite::StreamExt;
//! use gort_sync::chan;
//!
//! # futures_lite::future::block_on(async {
//! let (sender, receiver) = chan::unbounded();
//! (1..=4).for_each(|i| sender.try_send(i).unwrap());
//! sender.close();
//! let even: Vec<_> = receiver.filter(|i| i % 2 == 0).collect().await;
//! assert_eq!(even, [2, 4]);
//! # });
//! ```

// One short lock guards all, as in Go. Invariants, whenever it is free, not counting a select that another channel has won:
// 1. If receivers wait, then nothing is stored, and no sender waits but one that is the same select.
// 2. If senders wait, or others for a permit, then there is no room that is not kept for a permit.
// 3. Nobody waits in a closed channel.
// 4. `returned` is sorted by ticket, and all of it is older than `buffer`: a value gets its ticket when it leaves the channel.
//
// No foreign code (a waker's clone, wake or drop, a value's drop) runs under the lock.
//
// Rejected: waiters inside the futures as the locks have them (a stream must stay `Unpin`, and the slab needs no unsafe code);
// a lock-free ring (no hand-over, nothing can return to the front, and a select could not commit to one of many at once).

mod claim;
mod closed;
mod count;
mod error;
mod future;
mod many;
#[cfg(all(test, gort_loom))]
mod model;
mod permit;
mod queue;
mod shared;
mod sink;
mod state;
#[cfg(all(test, not(gort_loom)))]
pub(crate) mod tests;
mod timed;
mod weak;

use std::fmt;
use std::time::{Duration, Instant};

use gort_primitives::atomic::Ordering;
use gort_primitives::sync::Arc;

pub(crate) use claim::{Claim, ClaimRef};
pub use closed::Closed;
pub(crate) use count::{one_more, one_more_of};
pub use error::{
    RecvError, RecvTimeoutError, SendError, SendTimeoutError, TryRecvError, TrySendError,
};
pub use future::{Recv, Send};
pub use many::RecvMany;
pub use permit::{OwnedPermit, Permit, Reserve, ReserveOwned};
pub(crate) use queue::{Queue, Who};
pub(crate) use shared::{Chan, Held, wake};
pub use sink::SendSink;
pub(crate) use state::Hint;
pub use timed::{RecvTimeout, SendTimeout, Ticker, after, tick};
pub use weak::{WeakReceiver, WeakSender};

use crate::hook::Site;
use crate::locks::block::{block_on, block_until};
use crate::panics::FirstPanic;

/// Creates a channel without a buffer: a sender waits until a receiver takes its value.
#[must_use]
#[track_caller]
pub fn unbuffered<T>() -> (Sender<T>, Receiver<T>) {
    bounded(0)
}

/// Creates a channel with room for `capacity` values; `bounded(0)` is [`unbuffered`].
///
/// Up to 1,024 values get their room at once, so that sending allocates nothing; more as it is needed.
#[must_use]
#[track_caller]
pub fn bounded<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    let chan = Arc::new(Chan::new(capacity));
    let sender = Sender { chan: chan.clone() };
    (sender, Receiver::new(chan, Site::here()))
}

/// Creates a channel whose senders never wait.
#[must_use]
#[track_caller]
pub fn unbounded<T>() -> (Sender<T>, Receiver<T>) {
    bounded(usize::MAX)
}

/// The sending half of a channel. The channel closes with its last sender.
pub struct Sender<T> {
    chan: Arc<Chan<T>>,
}

/// The receiving half of a channel. The channel closes with its last receiver, which drops what is still in it.
///
/// As a `Stream` it ends when the channel is closed and empty. A stream that is pending keeps its place in line until it is
/// polled again or dropped.
pub struct Receiver<T> {
    chan: Arc<Chan<T>>,
    /// The place in line of the stream.
    parked: Option<u32>,
    /// Where the channel was made: a stream knows no better place to tell of.
    site: Site,
}

impl<T> Sender<T> {
    /// Sends a value, and waits until there is room or, without a buffer, a receiver.
    ///
    /// # Errors
    ///
    /// Gives the value back if the channel is closed, before or while it waits.
    ///
    /// # Cancel safety
    ///
    /// The value is dropped with a future that waits, unless it was taken already. A new call goes to the end of the line.
    /// [`select!`](crate::select!) has an arm that keeps the value.
    #[track_caller]
    pub fn send(&self, value: T) -> Send<'_, T> {
        Send::new(self, value)
    }

    /// Sends a value if that needs no waiting.
    ///
    /// # Errors
    ///
    /// Gives the value back if there is no room or the channel is closed.
    pub fn try_send(&self, value: T) -> Result<(), TrySendError<T>> {
        self.chan.try_send(value)
    }

    /// Sends a value, blocking the thread as long as [`send`](Self::send) would wait.
    ///
    /// # Errors
    ///
    /// Gives the value back if the channel is closed.
    #[track_caller]
    pub fn send_blocking(&self, value: T) -> Result<(), SendError<T>> {
        block_on(self.send(value))
    }

    /// Sends a value, blocking the thread for at most `timeout`.
    ///
    /// # Errors
    ///
    /// Gives the value back if the channel is closed or the time is over.
    #[track_caller]
    pub fn send_blocking_timeout(
        &self,
        value: T,
        timeout: Duration,
    ) -> Result<(), SendTimeoutError<T>> {
        let mut send = self.send(value);
        let sent = match Instant::now().checked_add(timeout) {
            Some(deadline) => block_until(&mut send, deadline),
            None => Some(block_on(&mut send)),
        };
        match sent {
            Some(sent) => sent.map_err(|SendError(value)| SendTimeoutError::Closed(value)),
            None => send.cancel().map_err(SendTimeoutError::Timeout),
        }
    }

    pub(crate) fn chan(&self) -> &Chan<T> {
        &self.chan
    }

    /// Returns a handle that does not keep the channel open.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = gort_sync::chan::bounded::<u8>(1);
    /// let weak = sender.downgrade();
    /// weak.upgrade().unwrap().try_send(1).unwrap();
    /// drop(sender);
    /// assert!(weak.upgrade().is_none());
    /// assert!(receiver.is_closed() && receiver.len() == 1);
    /// ```
    #[must_use]
    pub fn downgrade(&self) -> WeakSender<T> {
        WeakSender::new(&self.chan)
    }

    /// Makes a `Sink` of this sender.
    #[must_use]
    #[track_caller]
    pub fn into_sink(self) -> SendSink<T> {
        SendSink::new(self)
    }

    /// Returns whether both send into the same channel.
    #[must_use]
    pub fn same_channel(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.chan, &other.chan)
    }
}

impl<T> Receiver<T> {
    fn new(chan: Arc<Chan<T>>, site: Site) -> Self {
        Self {
            chan,
            parked: None,
            site,
        }
    }

    /// Receives a value, and waits until there is one.
    ///
    /// # Errors
    ///
    /// Fails if the channel is closed and empty.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: a value that was handed to the future returns to the front of the channel. The place in line is lost.
    #[track_caller]
    pub fn recv(&self) -> Recv<'_, T> {
        Recv::new(self)
    }

    /// Receives a value if there is one.
    ///
    /// # Errors
    ///
    /// Fails if the channel is empty, and says so if it is closed too.
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        self.chan.try_recv()
    }

    /// Receives a value, blocking the thread until there is one.
    ///
    /// # Errors
    ///
    /// Fails if the channel is closed and empty.
    #[track_caller]
    pub fn recv_blocking(&self) -> Result<T, RecvError> {
        block_on(self.recv())
    }

    /// Receives a value, blocking the thread for at most `timeout`.
    ///
    /// # Errors
    ///
    /// Fails if the channel is closed and empty, or the time is over.
    #[track_caller]
    pub fn recv_blocking_timeout(&self, timeout: Duration) -> Result<T, RecvTimeoutError> {
        let recv = self.recv();
        let received = match Instant::now().checked_add(timeout) {
            Some(deadline) => block_until(recv, deadline),
            None => Some(block_on(recv)),
        };
        match received {
            Some(received) => received.map_err(|RecvError| RecvTimeoutError::Closed),
            None => Err(RecvTimeoutError::Timeout),
        }
    }

    /// Iterates over the values, blocking the thread, until the channel is closed and empty; `for value in &receiver` does too.
    #[must_use]
    pub fn iter(&self) -> Iter<'_, T> {
        Iter { receiver: self }
    }

    /// Iterates over the values that can be received without waiting.
    pub fn try_iter(&self) -> impl Iterator<Item = T> + '_ {
        std::iter::from_fn(|| self.try_recv().ok())
    }

    pub(crate) fn chan(&self) -> &Chan<T> {
        &self.chan
    }

    /// Returns a handle that does not keep the channel open.
    #[must_use]
    pub fn downgrade(&self) -> WeakReceiver<T> {
        WeakReceiver::new(&self.chan, self.site)
    }

    /// Returns whether both receive from the same channel.
    #[must_use]
    pub fn same_channel(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.chan, &other.chan)
    }
}

/// What both halves have.
macro_rules! both_halves {
    ($half:ident) => {
        impl<T> $half<T> {
            /// Closes the channel; returns false if it was closed already. What is stored can still be received, and senders
            /// that wait get their values back.
            pub fn close(&self) -> bool {
                self.chan.close()
            }

            /// Waits until the channel is closed: by [`close`](Self::close), or because all senders or all receivers are gone.
            ///
            /// It keeps no place in the line of those who send or receive.
            ///
            /// # Cancel safety
            ///
            /// Nothing is lost.
            ///
            /// # Examples
            ///
            /// ```
            /// use gort_sync::{chan, select};
            ///
            /// # futures_lite::future::block_on(async {
            /// let (sender, receiver) = chan::unbuffered::<u8>();
            /// drop(receiver);
            /// select! {
            ///     future(std::future::pending::<u8>()) -> _ => unreachable!("work that nobody waits for any more"),
            ///     future(sender.closed()) -> () => {}
            /// }
            /// # });
            /// ```
            #[track_caller]
            pub fn closed(&self) -> Closed<'_, T> {
                Closed::new(&self.chan)
            }

            /// Returns whether the channel is closed.
            #[must_use]
            pub fn is_closed(&self) -> bool {
                self.chan.lock().closed
            }

            /// Returns how many values are stored. Values that receivers gave back may make it more than the capacity.
            #[must_use]
            pub fn len(&self) -> usize {
                self.chan.lock().len()
            }

            /// Returns whether nothing is stored.
            #[must_use]
            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }

            /// Returns whether a value can be sent only to a receiver that waits, or with a permit.
            #[must_use]
            pub fn is_full(&self) -> bool {
                !self.chan.lock().has_room(self.chan.capacity)
            }

            /// Returns how many values have room, or `None` if any number has.
            #[must_use]
            pub fn capacity(&self) -> Option<usize> {
                Some(self.chan.capacity).filter(|&n| n != usize::MAX)
            }

            /// Returns how many senders there are.
            #[must_use]
            pub fn sender_count(&self) -> usize {
                // Relaxed: a number to look at.
                self.chan.senders.load(Ordering::Relaxed)
            }

            /// Returns how many receivers there are.
            #[must_use]
            pub fn receiver_count(&self) -> usize {
                // Relaxed: a number to look at.
                self.chan.receivers.load(Ordering::Relaxed)
            }
        }

        impl<T> fmt::Debug for $half<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_tuple(stringify!($half)).field(&self.chan).finish()
            }
        }
    };
}

both_halves!(Sender);
both_halves!(Receiver);

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        one_more(&self.chan.senders);
        let chan = self.chan.clone();
        Self { chan }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        // Relaxed: what the senders did to the channel they did under its lock, which `close` takes after them.
        if self.chan.senders.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.chan.close();
        }
    }
}

/// The clone has no place in line.
impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        one_more(&self.chan.receivers);
        Self::new(self.chan.clone(), self.site)
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let mut panic = FirstPanic::default();
        if let Some(key) = self.parked.take() {
            panic.catch(|| self.chan.cancel_recv(key));
        }
        // Relaxed: what the receivers did to the channel they did under its lock, which `close` takes after them.
        if self.chan.receivers.fetch_sub(1, Ordering::Relaxed) == 1 {
            panic.catch(|| {
                self.chan.close();
            });
            panic.catch(|| self.chan.discard());
        }
        panic.resume();
    }
}

/// The iterator of [`Receiver::iter`].
#[derive(Debug)]
pub struct Iter<'a, T> {
    receiver: &'a Receiver<T>,
}

/// The iterator over a receiver that it owns.
#[derive(Debug)]
pub struct IntoIter<T> {
    receiver: Receiver<T>,
}

impl<T> Iterator for Iter<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.receiver.recv_blocking().ok()
    }
}

impl<T> Iterator for IntoIter<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.receiver.recv_blocking().ok()
    }
}

impl<'a, T> IntoIterator for &'a Receiver<T> {
    type Item = T;
    type IntoIter = Iter<'a, T>;

    fn into_iter(self) -> Iter<'a, T> {
        self.iter()
    }
}

impl<T> IntoIterator for Receiver<T> {
    type Item = T;
    type IntoIter = IntoIter<T>;

    fn into_iter(self) -> IntoIter<T> {
        IntoIter { receiver: self }
    }
}
