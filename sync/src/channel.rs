//! Channels with the interface and the contract of the crate async-channel, version 2.5: many senders, many receivers, each
//! value for one of them.
//!
//! [`bounded`] has room for so many values, [`unbounded`] for any number. Values wait in the channel: a send puts its value there
//! when it finds room, and a receive takes the oldest when it finds one. Who finds none waits to be *told*, and then looks again;
//! somebody else may have been faster. A future that is dropped before it was ready has sent and received nothing, and passes on
//! what it was told.
//!
//! [`chan`](crate::chan) is the other kind: it hands values over to those who wait, in their order, it can do without a buffer, and
//! [`select!`](crate::select!) waits for several of it. This one is for programs that were written for async-channel, and for
//! all who want just a queue.
//!
//! # Examples
//!
//! ```
//! use gort_sync::channel;
//!
//! # futures_lite::future::block_on(async {
//! let (sender, receiver) = channel::bounded(1);
//! let thread = std::thread::spawn(move || (0..3).for_each(|i| sender.send_blocking(i).unwrap()));
//! let mut values = Vec::new();
//! while let Ok(value) = receiver.recv().await {
//!     values.push(value);
//! }
//! assert_eq!(values, [0, 1, 2], "and the only sender is gone");
//! thread.join().unwrap();
//! # });
//! ```

// One short lock guards the values, four lines of those who wait, and whether the channel is closed. One is *told* by being taken
// out of line and woken after the lock; its place stays until its own poll or drop gives it up. Invariants, whenever the lock is
// free, told or in line being meant of those who have a place:
// 1. If receivers are in line, then at least as many are told as there are values.
// 2. If senders are in line, then at least as many are told as there are places.
// 3. If streams are in line, there is no value that they were not told of.
// 4. Nobody enters a line of a closed channel, and whoever closed it tells all who are in one.
//
// So each value tells a receiver who was not told before, and each place a sender. Who was told and takes it is done; who finds
// nothing enters again, at the end of the line; who is dropped before it looked passes on what it was told of, if that is still
// there. One who was told and never looks keeps one notice from the others, and nothing else. A stream keeps none, as each value is
// told to all of them: one is often kept, and not polled, while its owner does something else.
//
// No foreign code (a waker's clone, wake or drop, a value's drop) runs under the lock. An operation that need not wait takes the lock
// once and clones no waker; one that must, as it can see without the lock, clones first and takes it once too.
//
// Rejected: that who was told and takes a value tells one more, as async-channel does by accident (each message of a ping-pong would
// wake the wrong side's next receiver for nothing); a lock-free ring with lists of listeners beside it (an allocation and three locks
// per wait: 1,090 instructions a message); waiters inside the futures (a stream must stay `Unpin`, and the slab needs no unsafe code);
// `chan`'s queue with its hand-over (a send that was cancelled may have been received, and one who waits and never looks keeps a value).

mod future;
#[cfg(all(test, gort_loom))]
mod model;
mod shared;
mod state;
mod weak;

use std::fmt;

use gort_primitives::atomic::Ordering;
use gort_primitives::sync::Arc;

pub use crate::chan::{RecvError, SendError, TryRecvError, TrySendError};
pub use future::{Closed, Recv, Send};
pub use weak::{WeakReceiver, WeakSender};

use crate::chan::one_more;
use crate::hook::Site;
use crate::locks::block::block_on;
use crate::panics::FirstPanic;
use shared::Shared;
use state::Line;

/// Creates a channel with room for `cap` values.
///
/// Up to 1,024 values get their room at once, so that sending allocates nothing; more as it is needed.
///
/// # Panics
///
/// If `cap` is zero. [`chan::unbuffered`](crate::chan::unbuffered) makes a channel without a buffer.
///
/// # Examples
///
/// ```
/// use gort_sync::channel::{TryRecvError, TrySendError, bounded};
///
/// let (sender, receiver) = bounded(1);
/// assert_eq!(sender.try_send('a'), Ok(()));
/// assert_eq!(sender.try_send('b'), Err(TrySendError::Full('b')));
/// assert_eq!(receiver.try_recv(), Ok('a'));
/// assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
/// ```
#[track_caller]
pub fn bounded<T>(cap: usize) -> (Sender<T>, Receiver<T>) {
    assert!(cap > 0, "a channel with room for nothing cannot be used");
    let shared = Arc::new(Shared::new(cap));
    let sender = Sender {
        shared: shared.clone(),
    };
    (sender, Receiver::new(shared, Site::here()))
}

/// Creates a channel with room for any number of values.
#[track_caller]
pub fn unbounded<T>() -> (Sender<T>, Receiver<T>) {
    bounded(usize::MAX)
}

/// The sending half of a channel. The channel closes with its last sender.
pub struct Sender<T> {
    shared: Arc<Shared<T>>,
}

/// The receiving half of a channel. The channel closes with its last receiver; what is still in it is dropped with its last handle of
/// any kind.
///
/// As a `Stream` it ends when the channel is closed and empty.
pub struct Receiver<T> {
    shared: Arc<Shared<T>>,
    /// The place in line of the stream.
    parked: Option<u32>,
    /// Where the channel was made: a stream knows no better place to tell of.
    site: Site,
}

impl<T> Sender<T> {
    /// Sends a value if there is room.
    ///
    /// # Errors
    ///
    /// Gives the value back if there is no room or the channel is closed.
    #[inline]
    pub fn try_send(&self, msg: T) -> Result<(), TrySendError<T>> {
        self.shared.try_send(msg)
    }

    /// Sends a value, and waits until there is room.
    ///
    /// # Errors
    ///
    /// Gives the value back if the channel is closed, before or while it waits.
    ///
    /// # Cancel safety
    ///
    /// The value is dropped with a future that was not ready, and was not sent. A new call goes to the end of the line.
    ///
    /// # Examples
    ///
    /// ```
    /// use gort_sync::channel::{SendError, unbounded};
    ///
    /// # futures_lite::future::block_on(async {
    /// let (sender, receiver) = unbounded();
    /// assert_eq!(sender.send(1).await, Ok(()));
    /// drop(receiver);
    /// assert_eq!(sender.send(2).await, Err(SendError(2)));
    /// # });
    /// ```
    #[inline]
    #[track_caller]
    pub fn send(&self, msg: T) -> Send<'_, T> {
        Send::new(self, msg)
    }

    /// Sends a value, blocking the thread as long as [`send`](Self::send) would wait.
    ///
    /// # Errors
    ///
    /// Gives the value back if the channel is closed.
    #[track_caller]
    pub fn send_blocking(&self, msg: T) -> Result<(), SendError<T>> {
        block_on(self.send(msg))
    }

    /// Sends a value without waiting: if there is no room, it takes that of the oldest value, which is returned.
    ///
    /// # Errors
    ///
    /// Gives the value back if the channel is closed.
    ///
    /// # Examples
    ///
    /// The newest of what was measured:
    ///
    /// ```
    /// let (sender, receiver) = gort_sync::channel::bounded(1);
    /// assert_eq!(sender.force_send(20.5), Ok(None));
    /// assert_eq!(sender.force_send(20.6), Ok(Some(20.5)));
    /// assert_eq!(receiver.try_recv(), Ok(20.6));
    /// ```
    pub fn force_send(&self, msg: T) -> Result<Option<T>, SendError<T>> {
        self.shared.force_send(msg)
    }

    /// Waits until the channel is closed: by [`close`](Self::close), or because all receivers are gone.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    #[track_caller]
    pub fn closed(&self) -> Closed<'_, T> {
        Closed::new(self)
    }

    /// Returns a handle that does not keep the channel open.
    pub fn downgrade(&self) -> WeakSender<T> {
        WeakSender::new(&self.shared)
    }

    /// Returns whether both send into the same channel.
    pub fn same_channel(&self, other: &Sender<T>) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }
}

impl<T> Receiver<T> {
    fn new(shared: Arc<Shared<T>>, site: Site) -> Self {
        Self {
            shared,
            parked: None,
            site,
        }
    }

    /// Receives a value if there is one.
    ///
    /// # Errors
    ///
    /// Fails if the channel is empty, and says so if it is closed too.
    #[inline]
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        self.shared.try_recv()
    }

    /// Receives a value, and waits until there is one.
    ///
    /// # Errors
    ///
    /// Fails if the channel is closed and empty.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: a future that was not ready has taken nothing. The place in line is lost.
    #[inline]
    #[track_caller]
    pub fn recv(&self) -> Recv<'_, T> {
        Recv::new(self)
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

    /// Returns a handle that does not keep the channel open.
    pub fn downgrade(&self) -> WeakReceiver<T> {
        WeakReceiver::new(&self.shared, self.site)
    }

    /// Returns whether both receive from the same channel.
    pub fn same_channel(&self, other: &Receiver<T>) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }
}

/// What both halves have.
macro_rules! both_halves {
    ($half:ident) => {
        impl<T> $half<T> {
            /// Closes the channel; returns false if it was closed already. What is stored can still be received, and senders
            /// that wait get their values back.
            pub fn close(&self) -> bool {
                self.shared.close()
            }

            /// Returns whether the channel is closed.
            pub fn is_closed(&self) -> bool {
                self.shared.is_closed()
            }

            /// Returns whether no value is stored.
            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }

            /// Returns whether there is no room.
            pub fn is_full(&self) -> bool {
                self.len() >= self.shared.capacity
            }

            /// Returns how many values are stored.
            pub fn len(&self) -> usize {
                self.shared.len()
            }

            /// Returns how many values have room, or `None` if any number has.
            pub fn capacity(&self) -> Option<usize> {
                Some(self.shared.capacity).filter(|&cap| cap != usize::MAX)
            }

            /// Returns how many senders there are.
            pub fn sender_count(&self) -> usize {
                // Acquire: pairs with the AcqRel of a drop; what the gone have done has happened.
                self.shared.senders.load(Ordering::Acquire)
            }

            /// Returns how many receivers there are.
            pub fn receiver_count(&self) -> usize {
                // Acquire: pairs with the AcqRel of a drop; what the gone have done has happened.
                self.shared.receivers.load(Ordering::Acquire)
            }
        }

        impl<T> fmt::Debug for $half<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($half)).finish_non_exhaustive()
            }
        }
    };
}

both_halves!(Sender);
both_halves!(Receiver);

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        one_more(&self.shared.senders);
        let shared = self.shared.clone();
        Self { shared }
    }
}

/// The clone has no place in line.
impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        one_more(&self.shared.receivers);
        Self::new(self.shared.clone(), self.site)
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        // AcqRel: publishes what was done with this half to the Acquire load in `sender_count`.
        if self.shared.senders.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.shared.close();
        }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let mut panic = FirstPanic::default();
        panic.catch(|| self.shared.cancel(Line::Stream, &mut self.parked));
        // AcqRel: publishes what was done with this half to the Acquire load in `receiver_count`.
        if self.shared.receivers.fetch_sub(1, Ordering::AcqRel) == 1 {
            panic.catch(|| {
                self.shared.close();
            });
        }
        panic.resume();
    }
}
