//! The arms of a select.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use crate::chan::{
    Chan, Claim, ClaimRef, Held, Hint, Receiver, RecvError, SendError, Sender, Ticketed,
    TrySendError, Who, wake,
};

/// What a select does with an arm. An arm without a channel, and without a future, is never ready.
pub trait Arm {
    /// The address of the channel, if there is one: locks are taken in this order.
    fn address(&self) -> Option<usize> {
        None
    }

    /// Whether the arm is a future.
    fn is_future(&self) -> bool {
        false
    }

    /// Whether the channel probably has something for us.
    fn looks_ready(&self) -> bool {
        false
    }

    /// Takes the lock of the channel.
    fn lock(&mut self) {}

    /// Releases the lock of the channel, if this arm took it.
    fn unlock(&mut self) {}

    /// Does it, if it can be done at once; the lock is not held.
    fn try_now(&mut self) -> bool {
        self.lock();
        // SAFETY: we hold the lock, and no other lock is needed for one arm.
        let done = unsafe { self.commit() };
        self.unlock();
        done.map(wake).is_some()
    }

    /// Does it, if it can be done at once; returns whom to wake after the locks. An arm that cannot does not look ready then.
    ///
    /// # Safety
    ///
    /// The select holds the locks of all channels.
    unsafe fn commit(&mut self) -> Option<Option<Waker>> {
        None
    }

    /// Gets in line.
    ///
    /// # Safety
    ///
    /// The select holds the locks of all channels, and the claim lives at its place until after [`leave`](Self::leave).
    unsafe fn enter(&mut self, _claim: &Claim, _arm: usize) {}

    /// Gets out of line; takes what came of it if this arm has won.
    fn leave(&mut self, _won: bool) {}

    /// Polls the future of the arm; true if it is ready.
    ///
    /// # Safety
    ///
    /// The arm is pinned.
    unsafe fn poll_future(&mut self, _cx: &mut Context<'_>) -> bool {
        false
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
    fn new(chan: Option<&'a Chan<T>>) -> Self {
        Self {
            chan,
            hold: Hold(None),
            key: None,
        }
    }

    fn address(&self) -> Option<usize> {
        self.chan.map(|chan| std::ptr::from_ref(chan).addr())
    }

    fn hints(&self, what: u8) -> bool {
        self.chan.is_some_and(|chan| chan.hinted(what))
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
    pub(super) got: Option<Result<Ticketed<T>, RecvError>>,
}

impl<'a, T> RecvArm<'a, T> {
    /// An arm that receives from `receiver`, if there is one.
    pub fn new(receiver: &'a (impl Names<Receiver<T>> + ?Sized)) -> Self {
        Self {
            line: Line::new(receiver.half().map(Receiver::chan)),
            got: None,
        }
    }
}

impl<T> Arm for RecvArm<'_, T> {
    fn address(&self) -> Option<usize> {
        self.line.address()
    }

    fn looks_ready(&self) -> bool {
        self.line.hints(Hint::RECV)
    }

    fn lock(&mut self) {
        self.line.lock();
    }

    fn unlock(&mut self) {
        self.line.unlock();
    }

    unsafe fn commit(&mut self) -> Option<Option<Waker>> {
        let chan = self.line.chan?;
        // SAFETY: the caller holds the lock.
        let state = unsafe { chan.held_state() };
        if let Some((value, woken)) = state.take(chan.capacity) {
            self.got = Some(Ok(value));
            return Some(woken);
        }
        if state.closed {
            self.got = Some(Err(RecvError));
            return Some(None);
        }
        chan.refresh_hint(state);
        None
    }

    unsafe fn enter(&mut self, claim: &Claim, arm: usize) {
        if let Some(chan) = self.line.chan {
            // SAFETY: the caller holds the lock.
            let state = unsafe { chan.held_state() };
            let who = Who::Select(ClaimRef::new(claim, arm));
            self.line.key = Some(state.receiving.push(who, None));
        }
    }

    fn leave(&mut self, won: bool) {
        if let (Some(chan), Some(key)) = (self.line.chan, self.line.key.take()) {
            let left = chan.leave_receiving(key);
            if won {
                self.got = Some(left.ok_or(RecvError));
            }
        }
    }
}

/// Nothing is lost: what was not fetched goes back to the front of the channel.
impl<T> Drop for RecvArm<'_, T> {
    fn drop(&mut self) {
        if let (Some(chan), Some(Ok(value))) = (self.line.chan, self.got.take()) {
            chan.give_back(value);
        }
    }
}

/// A send as an arm.
pub struct SendArm<'a, T> {
    line: Line<'a, T>,
    /// The value is here while it is not in line.
    value: Offer<'a, T>,
    pub(super) sent: Option<Result<(), SendError<T>>>,
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
    pub fn new(sender: &'a (impl Names<Sender<T>> + ?Sized), value: T) -> Self {
        Self::with(sender, Offer::Own(Some(value)))
    }

    /// An arm that sends the value in `slot` by `sender`, if there are both; if another arm wins the value stays.
    pub fn from(sender: &'a (impl Names<Sender<T>> + ?Sized), slot: &'a mut Option<T>) -> Self {
        Self::with(sender, Offer::Lent(slot))
    }

    fn with(sender: &'a (impl Names<Sender<T>> + ?Sized), mut value: Offer<'a, T>) -> Self {
        let chan = sender.half().map(Sender::chan);
        Self {
            line: Line::new(chan.filter(|_| value.slot().is_some())),
            value,
            sent: None,
        }
    }
}

impl<T> Arm for SendArm<'_, T> {
    fn address(&self) -> Option<usize> {
        self.line.address()
    }

    fn looks_ready(&self) -> bool {
        self.line.hints(Hint::SEND)
    }

    fn lock(&mut self) {
        self.line.lock();
    }

    fn unlock(&mut self) {
        self.line.unlock();
    }

    unsafe fn commit(&mut self) -> Option<Option<Waker>> {
        let chan = self.line.chan?;
        let value = self.value.slot().take()?;
        // SAFETY: the caller holds the lock.
        let state = unsafe { chan.held_state() };
        match state.put(value, chan.capacity) {
            Ok(woken) => {
                self.sent = Some(Ok(()));
                Some(woken)
            }
            Err(TrySendError::Closed(value)) => {
                self.sent = Some(Err(SendError(value)));
                Some(None)
            }
            Err(TrySendError::Full(value)) => {
                *self.value.slot() = Some(value);
                chan.refresh_hint(state);
                None
            }
        }
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

    fn leave(&mut self, won: bool) {
        if let (Some(chan), Some(key)) = (self.line.chan, self.line.key.take()) {
            let left = chan.cancel_send(key);
            if won {
                // A value that nobody took was refused by `close`.
                self.sent = Some(left.map_or(Ok(()), |value| Err(SendError(value))));
            } else {
                *self.value.slot() = left;
            }
        }
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
    pub(super) out: Option<F::Output>,
}

impl<F: Future> FutureArm<F> {
    /// An arm that is ready with `future`.
    pub fn new(future: F) -> Self {
        Self { future, out: None }
    }
}

impl<F: Future> Arm for FutureArm<F> {
    fn is_future(&self) -> bool {
        true
    }

    unsafe fn poll_future(&mut self, cx: &mut Context<'_>) -> bool {
        // SAFETY: the arm is pinned, and the future never leaves it.
        let future = unsafe { Pin::new_unchecked(&mut self.future) };
        match future.poll(cx) {
            Poll::Ready(out) => {
                self.out = Some(out);
                true
            }
            Poll::Pending => false,
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
    fn half(&self) -> Option<&Receiver<T>> {
        Some(self)
    }
}

impl<T> Names<Sender<T>> for Sender<T> {
    fn half(&self) -> Option<&Sender<T>> {
        Some(self)
    }
}

impl<H, N: Names<H> + ?Sized> Names<H> for &N {
    fn half(&self) -> Option<&H> {
        (**self).half()
    }
}

impl<H, N: Names<H> + ?Sized> Names<H> for &mut N {
    fn half(&self) -> Option<&H> {
        (**self).half()
    }
}

impl<H, N: Names<H>> Names<H> for Option<N> {
    fn half(&self) -> Option<&H> {
        self.as_ref()?.half()
    }
}
