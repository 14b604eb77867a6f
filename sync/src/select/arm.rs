//! The arms of a select.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::chan::{
    Chan, Claim, ClaimRef, Held, Hint, Receiver, RecvError, SendError, Sender, TryRecvError,
    TrySendError, Who,
};

/// What a select does with an arm. An arm without a channel, and without a future, is never ready.
pub trait Arm {
    /// What comes out if the arm wins.
    type Out;

    /// The address of the channel, if there is one: locks are taken in this order.
    fn address(&self) -> Option<usize> {
        None
    }

    /// Whether the arm is a future.
    fn is_future(&self) -> bool {
        false
    }

    /// Whether the channel probably has something for us. Under the lock, no means no.
    fn looks_ready(&self) -> bool {
        false
    }

    /// How often the channel's hint has changed, if it has nothing for us.
    fn unready(&self) -> Option<u64> {
        Some(0)
    }

    /// Does it, if it looks ready and can be done at once; no lock is held. An arm that cannot does not look ready then.
    fn try_now(&mut self) -> Option<Self::Out> {
        None
    }

    /// Takes the lock of the channel.
    fn lock(&mut self) {}

    /// Releases the lock of the channel, if this arm took it.
    fn unlock(&mut self) {}

    /// Gets in line.
    ///
    /// # Safety
    ///
    /// The select holds the locks of all channels, and the claim lives at its place until after [`leave`](Self::leave) or
    /// [`cancel`](Self::cancel).
    unsafe fn enter(&mut self, _claim: &Claim, _arm: usize) {}

    /// Gets out of line; what came of it, if this arm has won.
    fn leave(&mut self, _won: bool) -> Option<Self::Out> {
        None
    }

    /// Gets out of line. What was handed over goes back.
    fn cancel(&mut self) {}

    /// Polls the future of the arm.
    ///
    /// # Safety
    ///
    /// The arm is pinned.
    unsafe fn poll_future(&mut self, _cx: &mut Context<'_>) -> Option<Self::Out> {
        None
    }
}

/// The lock of a channel while a select holds it.
struct Hold<'a>(Option<Held<'a>>);

// SAFETY: it is empty whenever an arm can move to another thread: a select releases all locks before its poll returns.
unsafe impl Send for Hold<'_> {}

// SAFETY: it is private, and nothing looks into it by a shared reference.
unsafe impl Sync for Hold<'_> {}

/// A channel, if there is one, with its lock and the place in line there.
struct Line<'a, T> {
    chan: Option<&'a Chan<T>>,
    hold: Hold<'a>,
    key: Option<u32>,
}

impl<'a, T> Line<'a, T> {
    #[inline]
    fn new(chan: Option<&'a Chan<T>>) -> Self {
        Self {
            chan,
            hold: Hold(None),
            key: None,
        }
    }

    fn address(&self) -> Option<usize> {
        self.chan.map(Chan::order)
    }

    #[inline]
    fn hints(&self, what: u64) -> bool {
        self.chan.is_some_and(|chan| chan.hinted(what))
    }

    #[inline]
    fn unhinted(&self, what: u64) -> Option<u64> {
        self.chan.map_or(Some(0), |chan| chan.unhinted(what))
    }

    fn lock(&mut self) {
        self.hold.0 = self.chan.map(Chan::hold);
    }

    fn unlock(&mut self) {
        if let (Some(chan), Some(held)) = (self.chan, self.hold.0.take()) {
            chan.release(held);
        }
    }
}

/// A receive as an arm.
pub struct RecvArm<'a, T> {
    line: Line<'a, T>,
}

impl<'a, T> RecvArm<'a, T> {
    /// An arm that receives from `receiver`, if there is one.
    #[inline]
    pub fn new(receiver: &'a (impl Names<Receiver<T>> + ?Sized)) -> Self {
        Self {
            line: Line::new(receiver.half().map(Receiver::chan)),
        }
    }
}

impl<T> Arm for RecvArm<'_, T> {
    type Out = Result<T, RecvError>;

    fn address(&self) -> Option<usize> {
        self.line.address()
    }

    #[inline]
    fn looks_ready(&self) -> bool {
        self.line.hints(Hint::RECV)
    }

    #[inline]
    fn unready(&self) -> Option<u64> {
        self.line.unhinted(Hint::RECV)
    }

    fn try_now(&mut self) -> Option<Self::Out> {
        match self.line.chan?.try_recv() {
            Ok(value) => Some(Ok(value)),
            Err(TryRecvError::Closed) => Some(Err(RecvError)),
            Err(TryRecvError::Empty) => None,
        }
    }

    fn lock(&mut self) {
        self.line.lock();
    }

    fn unlock(&mut self) {
        self.line.unlock();
    }

    unsafe fn enter(&mut self, claim: &Claim, arm: usize) {
        if let Some(chan) = self.line.chan {
            // SAFETY: the caller holds the lock.
            let state = unsafe { chan.held_state() };
            let who = Who::Select(ClaimRef::new(claim, arm));
            self.line.key = Some(state.receiving.push(who, None));
        }
    }

    fn leave(&mut self, won: bool) -> Option<Self::Out> {
        let left = self.line.chan?.leave_receiving(self.line.key.take()?);
        won.then(|| left.map(|(_, value)| value).ok_or(RecvError))
    }

    fn cancel(&mut self) {
        if let (Some(chan), Some(key)) = (self.line.chan, self.line.key.take()) {
            chan.cancel_recv(key);
        }
    }
}

/// A send as an arm.
pub struct SendArm<'a, T> {
    line: Line<'a, T>,
    /// The value is here while it is not in line.
    value: Offer<'a, T>,
}

enum Offer<'a, T> {
    Own(Option<T>),
    Lent(&'a mut Option<T>),
}

impl<T> Offer<'_, T> {
    fn slot(&mut self) -> &mut Option<T> {
        match self {
            Self::Own(value) => value,
            Self::Lent(value) => value,
        }
    }
}

impl<'a, T> SendArm<'a, T> {
    /// An arm that sends `value` by `sender`, if there is one; if another arm wins the value is dropped.
    #[inline]
    pub fn new(sender: &'a (impl Names<Sender<T>> + ?Sized), value: T) -> Self {
        Self::with(sender, Offer::Own(Some(value)))
    }

    /// An arm that sends the value in `slot` by `sender`, if there are both; if another arm wins the value stays.
    pub fn from(sender: &'a (impl Names<Sender<T>> + ?Sized), slot: &'a mut Option<T>) -> Self {
        Self::with(sender, Offer::Lent(slot))
    }

    #[inline]
    fn with(sender: &'a (impl Names<Sender<T>> + ?Sized), mut value: Offer<'a, T>) -> Self {
        let chan = sender.half().map(Sender::chan);
        Self {
            line: Line::new(chan.filter(|_| value.slot().is_some())),
            value,
        }
    }
}

impl<T> Arm for SendArm<'_, T> {
    type Out = Result<(), SendError<T>>;

    fn address(&self) -> Option<usize> {
        self.line.address()
    }

    #[inline]
    fn looks_ready(&self) -> bool {
        self.line.hints(Hint::SEND)
    }

    #[inline]
    fn unready(&self) -> Option<u64> {
        self.line.unhinted(Hint::SEND)
    }

    fn try_now(&mut self) -> Option<Self::Out> {
        let chan = self.line.chan?;
        let value = self.value.slot().take()?;
        let sent = match chan.try_send(value) {
            Ok(()) => Ok(()),
            Err(TrySendError::Closed(value)) => Err(SendError(value)),
            Err(TrySendError::Full(value)) => {
                *self.value.slot() = Some(value);
                return None;
            }
        };
        // Without a value the arm is never ready.
        self.line.chan = None;
        Some(sent)
    }

    fn lock(&mut self) {
        self.line.lock();
    }

    fn unlock(&mut self) {
        self.line.unlock();
    }

    unsafe fn enter(&mut self, claim: &Claim, arm: usize) {
        if let Some(chan) = self.line.chan {
            // SAFETY: the caller holds the lock.
            let state = unsafe { chan.held_state() };
            let who = Who::Select(ClaimRef::new(claim, arm));
            let value = self.value.slot().take();
            self.line.key = Some(state.sending.push(who, value));
        }
    }

    fn leave(&mut self, won: bool) -> Option<Self::Out> {
        let left = self.line.chan?.cancel_send(self.line.key.take()?);
        if won {
            // A value that nobody took was refused by `close`.
            return Some(left.map_or(Ok(()), |value| Err(SendError(value))));
        }
        *self.value.slot() = left;
        None
    }

    fn cancel(&mut self) {
        self.leave(false);
    }
}

impl<T> fmt::Debug for RecvArm<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecvArm").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for SendArm<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendArm").finish_non_exhaustive()
    }
}

impl<F: Future> fmt::Debug for FutureArm<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FutureArm").finish_non_exhaustive()
    }
}

/// A future as an arm.
pub struct FutureArm<F: Future> {
    future: F,
}

impl<F: Future> FutureArm<F> {
    /// An arm that is ready with `future`.
    pub fn new(future: F) -> Self {
        Self { future }
    }
}

impl<F: Future> Arm for FutureArm<F> {
    type Out = F::Output;

    #[inline]
    fn is_future(&self) -> bool {
        true
    }

    unsafe fn poll_future(&mut self, cx: &mut Context<'_>) -> Option<F::Output> {
        // SAFETY: the arm is pinned, and the future never leaves it.
        let future = unsafe { Pin::new_unchecked(&mut self.future) };
        match future.poll(cx) {
            Poll::Ready(out) => Some(out),
            Poll::Pending => None,
        }
    }
}

/// What an arm may name: a [`Receiver`] or a [`Sender`] `H`, a reference to one, or an `Option` of either, which is never ready
/// if it is `None`.
pub trait Names<H> {
    /// The half of a channel, if there is one.
    fn half(&self) -> Option<&H>;
}

impl<T> Names<Receiver<T>> for Receiver<T> {
    #[inline]
    fn half(&self) -> Option<&Receiver<T>> {
        Some(self)
    }
}

impl<T> Names<Sender<T>> for Sender<T> {
    #[inline]
    fn half(&self) -> Option<&Sender<T>> {
        Some(self)
    }
}

impl<H, N: Names<H> + ?Sized> Names<H> for &N {
    #[inline]
    fn half(&self) -> Option<&H> {
        (**self).half()
    }
}

impl<H, N: Names<H> + ?Sized> Names<H> for &mut N {
    #[inline]
    fn half(&self) -> Option<&H> {
        (**self).half()
    }
}

impl<H, N: Names<H>> Names<H> for Option<N> {
    #[inline]
    fn half(&self) -> Option<&H> {
        self.as_ref()?.half()
    }
}
