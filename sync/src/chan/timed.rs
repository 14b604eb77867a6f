//! Sends and receives that give up, and channels that the time sends into.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use futures_core::Stream;

use super::error::{
    RecvError, RecvTimeoutError, SendError, SendTimeoutError, TryRecvError, TrySendError,
};
use super::{Receiver, Recv, Send, Sender, bounded};
use crate::deadline::Deadline;
use crate::select::Names;
use crate::timers;

/// The future of [`Sender::send_timeout`] and [`Sender::send_deadline`].
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct SendTimeout<'a, T> {
    send: Send<'a, T>,
    deadline: Deadline,
}

/// The future of [`Receiver::recv_timeout`] and [`Receiver::recv_deadline`].
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct RecvTimeout<'a, T> {
    recv: Recv<'a, T>,
    deadline: Deadline,
}

impl<T> Sender<T> {
    /// Sends a value, and waits for at most `timeout`.
    ///
    /// # Errors
    ///
    /// Gives the value back if the channel is closed or the time is over.
    ///
    /// # Cancel safety
    ///
    /// As [`send`](Self::send).
    #[track_caller]
    pub fn send_timeout(&self, value: T, timeout: Duration) -> SendTimeout<'_, T> {
        SendTimeout {
            send: self.send(value),
            deadline: Deadline::after(timeout),
        }
    }

    /// Sends a value, and waits until `deadline` at most.
    ///
    /// # Errors
    ///
    /// As [`send_timeout`](Self::send_timeout).
    ///
    /// # Cancel safety
    ///
    /// As [`send`](Self::send).
    #[track_caller]
    pub fn send_deadline(&self, value: T, deadline: Instant) -> SendTimeout<'_, T> {
        SendTimeout {
            send: self.send(value),
            deadline: Deadline::at(deadline),
        }
    }
}

impl<T> Receiver<T> {
    /// Receives a value, and waits for at most `timeout`.
    ///
    /// # Errors
    ///
    /// Fails if the channel is closed and empty, or the time is over.
    ///
    /// # Cancel safety
    ///
    /// As [`recv`](Self::recv): nothing is lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use gort_sync::chan::{self, RecvTimeoutError};
    ///
    /// # futures_lite::future::block_on(async {
    /// let (_sender, receiver) = chan::unbuffered::<u8>();
    /// let received = receiver.recv_timeout(Duration::from_millis(1)).await;
    /// assert_eq!(received, Err(RecvTimeoutError::Timeout));
    /// # });
    /// ```
    #[track_caller]
    pub fn recv_timeout(&self, timeout: Duration) -> RecvTimeout<'_, T> {
        RecvTimeout {
            recv: self.recv(),
            deadline: Deadline::after(timeout),
        }
    }

    /// Receives a value, and waits until `deadline` at most.
    ///
    /// # Errors
    ///
    /// As [`recv_timeout`](Self::recv_timeout).
    ///
    /// # Cancel safety
    ///
    /// As [`recv`](Self::recv): nothing is lost.
    #[track_caller]
    pub fn recv_deadline(&self, deadline: Instant) -> RecvTimeout<'_, T> {
        RecvTimeout {
            recv: self.recv(),
            deadline: Deadline::at(deadline),
        }
    }
}

impl<T> Future for SendTimeout<'_, T> {
    type Output = Result<(), SendTimeoutError<T>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Poll::Ready(sent) = Pin::new(&mut self.send).poll(cx) {
            return Poll::Ready(sent.map_err(|SendError(value)| SendTimeoutError::Closed(value)));
        }
        if Pin::new(&mut self.deadline).poll(cx).is_pending() {
            return Poll::Pending;
        }
        // It may have been taken since we looked: then it is sent. And this may be the first look, if the send has yielded.
        Poll::Ready(match self.send.cancel() {
            Ok(()) => Ok(()),
            Err(value) => self
                .send
                .chan()
                .try_send(value)
                .map_err(|error| match error {
                    TrySendError::Full(value) => SendTimeoutError::Timeout(value),
                    TrySendError::Closed(value) => SendTimeoutError::Closed(value),
                }),
        })
    }
}

impl<T> Future for RecvTimeout<'_, T> {
    type Output = Result<T, RecvTimeoutError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Poll::Ready(received) = Pin::new(&mut self.recv).poll(cx) {
            return Poll::Ready(received.map_err(|RecvError| RecvTimeoutError::Closed));
        }
        if Pin::new(&mut self.deadline).poll(cx).is_pending() {
            return Poll::Pending;
        }
        self.recv.cancel();
        // This may be the first look, if the receive has yielded.
        Poll::Ready(self.recv.chan().try_recv().map_err(|error| match error {
            TryRecvError::Empty => RecvTimeoutError::Timeout,
            TryRecvError::Closed => RecvTimeoutError::Closed,
        }))
    }
}

/// Makes a channel that receives the time, once, when `duration` is over: Go's `time.After`.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use gort_sync::{chan, select};
///
/// # futures_lite::future::block_on(async {
/// let (_sender, receiver) = chan::unbuffered::<u8>();
/// let timeout = chan::after(Duration::from_millis(1));
/// select! {
///     recv(receiver) -> _ => unreachable!("nobody sends"),
///     recv(timeout) -> at => assert!(at.is_ok()),
/// }
/// # });
/// ```
#[must_use]
#[track_caller]
pub fn after(duration: Duration) -> Ticker {
    Ticker::new(duration, None)
}

/// Makes a channel that receives the time every `period`: Go's `time.Tick`.
///
/// It keeps one tick: who is late misses those between, and the rhythm stays.
///
/// # Examples
///
/// ```
/// use std::time::{Duration, Instant};
/// use gort_sync::chan;
///
/// # futures_lite::future::block_on(async {
/// let (start, period) = (Instant::now(), Duration::from_millis(1));
/// let ticker = chan::tick(period);
/// for _ in 0..2 {
///     ticker.recv().await.unwrap();
/// }
/// assert!(start.elapsed() >= 2 * period);
/// # });
/// ```
///
/// # Panics
///
/// If `period` is zero.
#[must_use]
#[track_caller]
pub fn tick(period: Duration) -> Ticker {
    assert!(
        !period.is_zero(),
        "a ticker needs a period; zero would tick without end"
    );
    Ticker::new(period, Some(period))
}

/// A channel that the time sends into; it stops when it is dropped. A [`select!`](crate::select!) receives from it as from any
/// other.
pub struct Ticker {
    ticks: Receiver<Instant>,
    clock: Arc<Clock>,
}

/// What the timer wakes.
struct Clock {
    ticks: Sender<Instant>,
    next: Mutex<Next>,
}

struct Next {
    /// When the timer fires; `None` once it has stopped.
    at: Option<Instant>,
    period: Option<Duration>,
    /// The timer; it is gone while it fires.
    timer: Option<Box<dyn Any + std::marker::Send>>,
}

impl Ticker {
    #[track_caller]
    fn new(first: Duration, period: Option<Duration>) -> Self {
        let (sender, ticks) = bounded(1);
        let next = Next {
            at: None,
            period,
            timer: None,
        };
        let clock = Arc::new(Clock {
            ticks: sender,
            next: Mutex::new(next),
        });
        clock.set(first, period);
        Self { ticks, clock }
    }

    /// Receives the next tick.
    ///
    /// # Cancel safety
    ///
    /// No tick is lost.
    #[track_caller]
    pub fn recv(&self) -> Recv<'_, Instant> {
        self.ticks.recv()
    }

    /// Starts anew, with the first tick after `period` and then every `period`; a tick that waits to be received is taken back.
    ///
    /// # Panics
    ///
    /// If `period` is zero.
    pub fn reset(&self, period: Duration) {
        assert!(
            !period.is_zero(),
            "a ticker needs a period; zero would tick without end"
        );
        self.stop();
        self.clock.set(period, Some(period));
    }

    /// Stops: no tick comes until [`reset`](Self::reset), and one that waits to be received is taken back.
    pub fn stop(&self) {
        self.clock.stop();
        self.ticks.try_recv().ok();
    }
}

impl Clock {
    fn lock(&self) -> std::sync::MutexGuard<'_, Next> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(self: &Arc<Self>, first: Duration, period: Option<Duration>) {
        let mut next = self.lock();
        next.period = period;
        next.at = Instant::now().checked_add(first);
        drop(next);
        self.arm();
    }

    /// Has the timer wake us at the next tick, if there is one.
    fn arm(self: &Arc<Self>) {
        let Some(at) = self.lock().at else {
            return;
        };
        // Not under the lock: the timer may wake us before it returns.
        let timer = timers::wake_at(at, &Waker::from(self.clone()));
        let mut next = self.lock();
        // Somebody may have stopped or fired it meanwhile.
        let unneeded = match next.at == Some(at) {
            true => next.timer.replace(timer),
            false => Some(timer),
        };
        drop(next);
        drop(unneeded);
    }

    fn stop(&self) {
        let mut next = self.lock();
        next.at = None;
        let timer = next.timer.take();
        drop(next);
        drop(timer);
    }
}

impl Wake for Clock {
    fn wake(self: Arc<Self>) {
        let now = Instant::now();
        let mut next = self.lock();
        let Some(at) = next.at.filter(|&at| at <= now) else {
            return;
        };
        // The ticks keep their rhythm; those that are over are left out.
        next.at = next.period.and_then(|period| {
            let late = now.duration_since(at).as_nanos() / period.as_nanos();
            let skipped = u32::try_from(late).ok().and_then(|n| n.checked_add(1))?;
            at.checked_add(period.checked_mul(skipped)?)
        });
        let fired = next.timer.take();
        // Under the lock, so that no tick comes after `stop`; it calls no one who could ask for it.
        let woken = self.ticks.chan().put_quietly(now);
        drop(next);
        drop(fired);
        self.arm();
        super::wake(woken);
    }
}

impl Names<Receiver<Instant>> for Ticker {
    fn half(&self) -> Option<&Receiver<Instant>> {
        Some(&self.ticks)
    }
}

impl Stream for Ticker {
    type Item = Instant;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Instant>> {
        Pin::new(&mut self.ticks).poll_next(cx)
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.clock.stop();
    }
}

impl fmt::Debug for Ticker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let next = self.clock.lock();
        let (at, period) = (next.at, next.period);
        drop(next);
        f.debug_struct("Ticker")
            .field("next", &at)
            .field("period", &period)
            .finish_non_exhaustive()
    }
}
