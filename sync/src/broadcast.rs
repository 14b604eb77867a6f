//! Every receiver gets every value, unless it falls behind.
//!
//! The channel keeps the last `capacity` values. A receiver that is further behind is told how many it has missed, and goes on
//! with the oldest that is left; senders never wait.
//!
//! # Examples
//!
//! ```
//! use gort_sync::broadcast::{self, RecvError};
//!
//! # futures_lite::future::block_on(async {
//! let (sender, mut one) = broadcast::channel(2);
//! let mut two = sender.subscribe();
//! for i in 0..3 {
//!     sender.send(i).unwrap();
//! }
//! assert_eq!(one.recv().await, Err(RecvError::Lagged(1)));
//! assert_eq!(one.recv().await, Ok(1));
//! assert_eq!(one.recv().await, Ok(2));
//! drop(sender);
//! assert_eq!(one.recv().await, Err(RecvError::Closed));
//! # drop(two);
//! # });
//! ```

// A queue under a lock, and a `Notify`. The values are behind an `Arc`, so that no clone of a user's runs under the lock: one
// allocation per value, none per receiver.

mod error;
#[cfg(all(test, gort_loom))]
mod model;
mod stream;
#[cfg(all(test, not(gort_loom)))]
mod tests;

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::PoisonError;
use std::task::{Context, Poll};

use gort_primitives::sync::{Arc, Mutex, MutexGuard};
use pin_project_lite::pin_project;

pub use error::{RecvError, SendError, TryRecvError};
pub use stream::{Lagged, ReceiverStream};

use crate::Notify;
use crate::hook::{Site, WaitKind, must_yield};
use crate::locks::block::block_on;
use crate::until::{Tells, Until};

struct Shared<T> {
    capacity: usize,
    state: Mutex<State<T>>,
    sent: Notify,
    /// The last receiver is gone.
    left: Notify,
}

struct State<T> {
    values: VecDeque<std::sync::Arc<T>>,
    /// The number of the first of `values`; each value has the number after the one before.
    first: u64,
    senders: usize,
    receivers: usize,
}

impl<T> State<T> {
    /// The number of the next value.
    fn end(&self) -> u64 {
        self.first + self.values.len() as u64
    }

    /// The value with the number `next`, which becomes that of the next one.
    fn read(&self, next: &mut u64) -> Option<Result<std::sync::Arc<T>, RecvError>> {
        if *next < self.first {
            let missed = self.first - *next;
            *next = self.first;
            return Some(Err(RecvError::Lagged(missed)));
        }
        let at = usize::try_from(*next - self.first).expect("it is in the queue");
        match self.values.get(at) {
            Some(value) => {
                *next += 1;
                Some(Ok(value.clone()))
            }
            None => (self.senders == 0).then_some(Err(RecvError::Closed)),
        }
    }
}

impl<T> Tells for Receiver<T> {
    fn notify(&self) -> &Notify {
        &self.shared.sent
    }
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Creates a channel that keeps the last `capacity` values.
///
/// # Panics
///
/// If `capacity` is zero: a receiver would miss everything.
#[must_use]
#[track_caller]
pub fn channel<T: Clone>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    assert!(
        capacity > 0,
        "a broadcast channel keeps at least one value; give it a capacity"
    );
    let state = State {
        values: VecDeque::new(),
        first: 0,
        senders: 1,
        receivers: 1,
    };
    let shared = Arc::new(Shared {
        capacity,
        state: Mutex::new(state),
        sent: Notify::new(),
        left: Notify::new(),
    });
    let sender = Sender {
        shared: shared.clone(),
    };
    (sender, Receiver { shared, next: 0 })
}

/// The sending half.
pub struct Sender<T> {
    shared: Arc<Shared<T>>,
}

/// The receiving half. It gets what is sent after it was made; a clone, what the original has not received yet.
pub struct Receiver<T> {
    shared: Arc<Shared<T>>,
    /// The number of the next value.
    next: u64,
}

impl<T> Sender<T> {
    /// Sends a value to all receivers; returns how many there are.
    ///
    /// # Errors
    ///
    /// Gives the value back if there is no receiver.
    pub fn send(&self, value: T) -> Result<usize, SendError<T>> {
        let mut state = self.shared.lock();
        if state.receivers == 0 {
            drop(state);
            return Err(SendError(value));
        }
        let mut old = None;
        if state.values.len() == self.shared.capacity {
            old = state.values.pop_front();
            state.first += 1;
        }
        state.values.push_back(std::sync::Arc::new(value));
        let receivers = state.receivers;
        drop(state);
        self.shared.sent.notify_waiters();
        // A value's drop is foreign code: not under the lock, and not before all know of the new value, as it may panic.
        drop(old);
        Ok(receivers)
    }

    /// Makes a receiver of what is sent from now on.
    #[must_use]
    pub fn subscribe(&self) -> Receiver<T> {
        Receiver::new(&self.shared)
    }

    /// Returns how many receivers there are.
    #[must_use]
    pub fn receiver_count(&self) -> usize {
        self.shared.lock().receivers
    }

    /// Returns whether both send into the same channel.
    #[must_use]
    pub fn same_channel(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// Waits until there is no receiver; a later [`subscribe`](Self::subscribe) makes one again.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use gort_sync::broadcast;
    ///
    /// # futures_lite::future::block_on(async {
    /// let (sender, receiver) = broadcast::channel::<u8>(1);
    /// drop(receiver);
    /// sender.closed().await;
    /// assert!(sender.send(1).is_err());
    /// # });
    /// ```
    #[track_caller]
    pub fn closed(&self) -> Closed<'_, T> {
        Closed {
            until: Until::new(&self.shared.left),
            sender: self,
            site: Site::here(),
        }
    }
}

impl<T: Clone> Receiver<T> {
    /// Receives the next value.
    ///
    /// # Errors
    ///
    /// Fails if all senders are gone and everything was received, and once each time that values were missed.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    #[track_caller]
    pub fn recv(&mut self) -> Recv<'_, T> {
        Recv {
            until: Until::new(&self.shared.sent),
            shared: &self.shared,
            next: &mut self.next,
            site: Site::here(),
        }
    }

    /// Receives the next value if it is there.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv), and if there is none yet.
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        let found = self.shared.lock().read(&mut self.next);
        match found {
            Some(Ok(value)) => Ok(own(value)),
            Some(Err(RecvError::Closed)) => Err(TryRecvError::Closed),
            Some(Err(RecvError::Lagged(missed))) => Err(TryRecvError::Lagged(missed)),
            None => Err(TryRecvError::Empty),
        }
    }

    /// Receives the next value, blocking the thread.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv).
    #[track_caller]
    pub fn recv_blocking(&mut self) -> Result<T, RecvError> {
        block_on(self.recv())
    }
}

impl<T> Receiver<T> {
    /// A receiver of what is sent from now on.
    fn new(shared: &Arc<Shared<T>>) -> Self {
        let mut state = shared.lock();
        state.receivers += 1;
        let next = state.end();
        drop(state);
        let shared = shared.clone();
        Self { shared, next }
    }

    /// Makes a receiver of what is sent from now on; a clone gets as well what this one has not received yet.
    #[must_use]
    pub fn resubscribe(&self) -> Self {
        Self::new(&self.shared)
    }

    /// Makes a `Stream` of the values, with an error in their place where values were missed; it ends when all senders are gone and
    /// everything was received.
    ///
    /// # Examples
    ///
    /// ```
    /// use futures_lite::StreamExt;
    /// use gort_sync::broadcast::{self, Lagged};
    ///
    /// # futures_lite::future::block_on(async {
    /// let (sender, receiver) = broadcast::channel(2);
    /// for i in 0..3 {
    ///     sender.send(i).unwrap();
    /// }
    /// drop(sender);
    /// let received: Vec<_> = receiver.into_stream().collect().await;
    /// assert_eq!(received, [Err(Lagged(1)), Ok(1), Ok(2)]);
    /// # });
    /// ```
    #[must_use]
    #[track_caller]
    pub fn into_stream(self) -> ReceiverStream<T> {
        ReceiverStream::new(self)
    }

    /// Returns whether all senders are gone. What they have sent can still be received.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared.lock().senders == 0
    }

    /// Returns whether both receive from the same channel.
    #[must_use]
    pub fn same_channel(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// Returns how many values this receiver has yet to receive, those that it has missed included.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.shared.lock().end() - self.next
    }

    /// Returns whether everything was received.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Takes the value out, or clones it if others have yet to receive it.
fn own<T: Clone>(value: std::sync::Arc<T>) -> T {
    std::sync::Arc::unwrap_or_clone(value)
}

pin_project! {
    /// The future of [`Sender::closed`].
    #[must_use = "futures do nothing unless polled"]
    pub struct Closed<'a, T> {
        #[pin]
        until: Until<&'a Notify>,
        sender: &'a Sender<T>,
        site: Site,
    }
}

impl<T> Future for Closed<'_, T> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        let sender = *this.sender;
        let left = |_: &mut &Notify| (sender.receiver_count() == 0).then_some(());
        let poll = this.until.poll_until(cx, left);
        this.site.or_waits(WaitKind::ChanClosed, poll)
    }
}

pin_project! {
    /// The future of [`Receiver::recv`].
    #[must_use = "futures do nothing unless polled"]
    pub struct Recv<'a, T> {
        #[pin]
        until: Until<&'a Notify>,
        shared: &'a Shared<T>,
        next: &'a mut u64,
        site: Site,
    }
}

impl<T: Clone> Future for Recv<'_, T> {
    type Output = Result<T, RecvError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if must_yield(cx) {
            return Poll::Pending;
        }
        let this = self.project();
        let (shared, next) = (*this.shared, this.next);
        let poll = this.until.poll_until(cx, |_| shared.lock().read(next));
        let poll = this.site.or_waits(WaitKind::ChanReceive, poll);
        poll.map(|found| found.map(own))
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.shared.lock().senders += 1;
        let shared = self.shared.clone();
        Self { shared }
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        self.shared.lock().receivers += 1;
        let shared = self.shared.clone();
        let next = self.next;
        Self { shared, next }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.senders -= 1;
        let last = state.senders == 0;
        drop(state);
        if last {
            self.shared.sent.notify_waiters();
        }
    }
}

/// The last receiver drops what the channel keeps.
impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.receivers -= 1;
        if state.receivers != 0 {
            return;
        }
        state.first = state.end();
        // Dropped after the lock, also if a waker panics.
        let _kept = std::mem::take(&mut state.values);
        drop(state);
        self.shared.left.notify_waiters();
    }
}

impl<T> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        let (len, senders, receivers) = (state.values.len(), state.senders, state.receivers);
        drop(state);
        f.debug_struct("Channel")
            .field("len", &len)
            .field("capacity", &self.capacity)
            .field("senders", &senders)
            .field("receivers", &receivers)
            .finish()
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sender").field(&self.shared).finish()
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Receiver").field(&self.shared).finish()
    }
}

impl<T> fmt::Debug for Recv<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recv").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Closed<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Closed").finish_non_exhaustive()
    }
}
