//! A channel: its state, the lock around it, and what goes on without it.

use std::ops::{Deref, DerefMut};
use std::task::{Context, Poll, Waker};
use std::{fmt, mem};

use gort_primitives::atomic::{AtomicU64, AtomicUsize, Ordering};
use gort_primitives::cell::UnsafeCell;
use gort_primitives::sync::{Mutex, MutexGuard};

use super::error::{RecvError, SendError, TryRecvError, TrySendError};
use super::queue::{Queue, Who};
use super::state::{Hint, State, Ticketed};
use crate::hook::must_yield;
use crate::locks::wait::WakeBatch;
use crate::short_lock::short_lock;

/// What every send and receive writes is in the first cache line, the lock with what it guards, and only what is seldom written in
/// those that follow. So two processors that use a channel hand one line to and fro.
#[repr(C, align(64))]
pub(crate) struct Chan<T> {
    mutex: Mutex<()>,
    /// Bits of [`Hint`], and how often they have changed; brought up to date at the end of every critical section.
    hint: AtomicU64,
    /// Touched under `mutex` alone.
    state: UnsafeCell<State<T>>,
    pub(crate) capacity: usize,
    pub(super) senders: AtomicUsize,
    pub(super) receivers: AtomicUsize,
    #[cfg(gort_loom)]
    number: usize,
}

// SAFETY: `state` is touched under the mutex alone, and the channel passes values, not references, from thread to thread.
unsafe impl<T: Send> Sync for Chan<T> {}

#[cfg(not(gort_loom))]
const _: () = assert!(mem::offset_of!(Chan<()>, state) + State::<()>::WRITTEN_OFTEN <= 64);

/// The lock of a channel, without a reference to what it guards.
pub(crate) struct Held<'a>(#[expect(dead_code, reason = "held, not read")] MutexGuard<'a, ()>);

/// The lock of a channel.
pub(super) struct Guard<'a, T> {
    chan: &'a Chan<T>,
    _held: Held<'a>,
}

impl<T> Deref for Guard<'_, T> {
    type Target = State<T>;

    #[inline]
    fn deref(&self) -> &State<T> {
        // SAFETY: we hold the lock, and the reference lives as long as the guard is borrowed.
        self.chan.state.with(|state| unsafe { &*state })
    }
}

impl<T> DerefMut for Guard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut State<T> {
        // SAFETY: we hold the lock, and the reference lives as long as the guard is borrowed.
        self.chan.state.with_mut(|state| unsafe { &mut *state })
    }
}

impl<T> Drop for Guard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.chan.refresh_hint(self);
    }
}

/// Numbers channels in the order in which they are made.
#[cfg(gort_loom)]
fn next_number() -> usize {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static LAST: AtomicUsize = AtomicUsize::new(0);
    LAST.fetch_add(1, Ordering::Relaxed) + 1
}

impl<T> Chan<T> {
    pub(super) fn new(capacity: usize) -> Self {
        let state = State::new(capacity);
        Self {
            mutex: Mutex::new(()),
            hint: AtomicU64::new(state.hint(capacity)),
            state: UnsafeCell::new(state),
            capacity,
            senders: AtomicUsize::new(1),
            receivers: AtomicUsize::new(1),
            #[cfg(gort_loom)]
            number: next_number(),
        }
    }

    /// Who takes the locks of several channels takes them in this order: that of their addresses.
    #[cfg(not(gort_loom))]
    pub(crate) fn order(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// Not of addresses here: a model is run again and again, and must do the same each time.
    #[cfg(gort_loom)]
    pub(crate) fn order(&self) -> usize {
        self.number
    }

    #[inline]
    pub(super) fn lock(&self) -> Guard<'_, T> {
        let _held = self.hold();
        Guard { chan: self, _held }
    }

    /// Takes the lock; [`release`](Self::release) must follow.
    #[inline]
    pub(crate) fn hold(&self) -> Held<'_> {
        Held(short_lock(&self.mutex))
    }

    /// Gives back what [`hold`](Self::hold) returned.
    #[inline]
    pub(crate) fn release(&self, held: Held<'_>) {
        drop(Guard {
            chan: self,
            _held: held,
        });
    }

    /// What the lock guards.
    ///
    /// # Safety
    ///
    /// The caller has what [`hold`](Self::hold) returned, and no other reference to the state while this one lives.
    #[expect(
        clippy::mut_from_ref,
        reason = "the lock that the caller holds makes it exclusive"
    )]
    pub(crate) unsafe fn held_state(&self) -> &mut State<T> {
        // SAFETY: the caller holds the lock.
        self.state.with_mut(|state| unsafe { &mut *state })
    }

    /// Whether something of `what` can probably be done.
    #[inline]
    pub(crate) fn hinted(&self, what: u64) -> bool {
        // Relaxed: only a hint; the lock orders what follows.
        self.hint.load(Ordering::Relaxed) & what != 0
    }

    /// How often the hint has changed, if nothing of `what` can be done.
    ///
    /// Two calls with one answer: nothing could be done at any moment between them.
    pub(crate) fn unhinted(&self, what: u64) -> Option<u64> {
        // Acquire: pairs with the Release in `refresh_hint`; who looks at another channel afterwards sees there what was done
        // before this hint was written.
        let word = self.hint.load(Ordering::Acquire);
        (word & what == 0).then_some(word / Hint::CHANGE)
    }

    /// Brings the hint up to date; the caller holds the lock.
    #[inline]
    pub(crate) fn refresh_hint(&self, state: &State<T>) {
        let hint = state.hint(self.capacity);
        // Relaxed: written under the lock alone.
        let word = self.hint.load(Ordering::Relaxed);
        if word % Hint::CHANGE != hint {
            let changed = word - word % Hint::CHANGE + Hint::CHANGE;
            // Release: pairs with the Acquire in `unhinted`.
            self.hint.store(changed | hint, Ordering::Release);
        }
    }

    /// Looks at the hint alone if there is no room.
    ///
    /// Room that was made before this call is never missed: who made it wrote the hint, and we read that or a later one.
    #[inline]
    pub(crate) fn try_send(&self, value: T) -> Result<(), TrySendError<T>> {
        match self.hinted(Hint::SEND) {
            true => self.send_now(value),
            false => Err(TrySendError::Full(value)),
        }
    }

    fn send_now(&self, value: T) -> Result<(), TrySendError<T>> {
        let woken = self.lock().put(value, self.capacity);
        woken.map(wake)
    }

    /// Sends a value if that needs no waiting, and drops it otherwise; returns whom the caller wakes.
    pub(super) fn put_quietly(&self, value: T) -> Option<Waker> {
        let put = self.lock().put(value, self.capacity);
        put.unwrap_or_default()
    }

    /// Looks at the hint alone if there is nothing.
    ///
    /// A value that was sent before this call is never missed: who sent it wrote the hint, and we read that or a later one.
    #[inline]
    pub(crate) fn try_recv(&self) -> Result<T, TryRecvError> {
        match self.hinted(Hint::RECV) {
            true => self.recv_now(),
            false => Err(TryRecvError::Empty),
        }
    }

    fn recv_now(&self) -> Result<T, TryRecvError> {
        let mut state = self.lock();
        if let Some(value) = state.take_alone() {
            return Ok(value);
        }
        let taken = state.take(self.capacity);
        let closed = state.closed;
        drop(state);
        match taken {
            Some((value, waker)) => Ok(self.deliver(value, waker)),
            None if closed => Err(TryRecvError::Closed),
            None => Err(TryRecvError::Empty),
        }
    }

    /// Wakes the sender that got room, and returns the value; or gives it back if the waker panics.
    #[inline]
    fn deliver(&self, value: Ticketed<T>, waker: Option<Waker>) -> T {
        if waker.is_none() {
            return value.1;
        }
        let taken = Taken {
            chan: self,
            value: Some(value),
        };
        wake(waker);
        taken.finish()
    }

    /// Returns a value that was handed over but not delivered.
    pub(crate) fn give_back(&self, value: Ticketed<T>) {
        let woken = self.lock().put_back(value);
        wake(woken);
    }

    /// Polls a send: `value` is there until it is in line or gone, `key` while it is in line.
    pub(super) fn poll_send(
        &self,
        value: &mut Option<T>,
        key: &mut Option<u32>,
        cx: &Context<'_>,
    ) -> Poll<Result<(), SendError<T>>> {
        if let Some(at) = *key {
            let Some(mut state) = self.left_line(at, |state| &mut state.sending, cx) else {
                return Poll::Pending;
            };
            *key = None;
            let left = state.sending.leave(at);
            drop(state);
            // A value that nobody took was refused by `close`.
            return Poll::Ready(left.item.map_or(Ok(()), |value| Err(SendError(value))));
        }
        if must_yield(cx) {
            return Poll::Pending;
        }
        let first = value.take().expect("a send was polled after its end");
        match self.try_send(first) {
            Ok(()) => Poll::Ready(Ok(())),
            Err(TrySendError::Closed(value)) => Poll::Ready(Err(SendError(value))),
            Err(TrySendError::Full(value)) => self.send_or_wait(value, key, cx),
        }
    }

    fn send_or_wait(
        &self,
        value: T,
        key: &mut Option<u32>,
        cx: &Context<'_>,
    ) -> Poll<Result<(), SendError<T>>> {
        // A waker's clone is foreign code: not under the lock.
        let own = cx.waker().clone();
        let mut state = self.lock();
        match state.put(value, self.capacity) {
            Ok(woken) => {
                drop(state);
                wake(woken);
                Poll::Ready(Ok(()))
            }
            Err(TrySendError::Closed(value)) => Poll::Ready(Err(SendError(value))),
            Err(TrySendError::Full(value)) => {
                *key = Some(state.sending.push(Who::Task(Some(own)), Some(value)));
                Poll::Pending
            }
        }
    }

    /// Polls a receive, whose place in line is `key`.
    pub(super) fn poll_recv(
        &self,
        key: &mut Option<u32>,
        cx: &Context<'_>,
    ) -> Poll<Result<T, RecvError>> {
        if let Some(at) = *key {
            let Some(mut state) = self.left_line(at, |state| &mut state.receiving, cx) else {
                return Poll::Pending;
            };
            *key = None;
            let left = state.receiving.leave(at);
            drop(state);
            return Poll::Ready(left.item.map(|(_, value)| value).ok_or(RecvError));
        }
        if must_yield(cx) {
            return Poll::Pending;
        }
        match self.try_recv() {
            Ok(value) => Poll::Ready(Ok(value)),
            Err(TryRecvError::Closed) => Poll::Ready(Err(RecvError)),
            Err(TryRecvError::Empty) => self.recv_or_wait(key, cx),
        }
    }

    fn recv_or_wait(&self, key: &mut Option<u32>, cx: &Context<'_>) -> Poll<Result<T, RecvError>> {
        // A waker's clone is foreign code: not under the lock.
        let own = cx.waker().clone();
        let mut state = self.lock();
        if let Some((value, woken)) = state.take(self.capacity) {
            drop(state);
            return Poll::Ready(Ok(self.deliver(value, woken)));
        }
        if state.closed {
            drop(state);
            return Poll::Ready(Err(RecvError));
        }
        *key = Some(state.receiving.push(Who::Task(Some(own)), None));
        Poll::Pending
    }

    /// Returns the lock if the entry `at` has left its line; otherwise makes this task the one that it wakes.
    pub(super) fn left_line<Q>(
        &self,
        at: u32,
        line: impl Fn(&mut State<T>) -> &mut Queue<Q>,
        cx: &Context<'_>,
    ) -> Option<Guard<'_, T>> {
        // Declared before the guard: dropped after the lock.
        let mut own;
        let mut state = self.lock();
        match line(&mut state).waker(at) {
            None => return Some(state),
            Some(waker) if waker.will_wake(cx.waker()) => return None,
            Some(_) => drop(state),
        }
        own = cx.waker().clone();
        let mut state = self.lock();
        match line(&mut state).waker(at) {
            None => Some(state),
            Some(waker) => {
                mem::swap(waker, &mut own);
                None
            }
        }
    }

    /// Takes a sender out of line, and returns its value if it is still there.
    pub(crate) fn cancel_send(&self, at: u32) -> Option<T> {
        let left = self.lock().sending.leave(at);
        left.item
    }

    /// Takes a receiver out of line, and returns what it was handed.
    pub(crate) fn leave_receiving(&self, at: u32) -> Option<Ticketed<T>> {
        let left = self.lock().receiving.leave(at);
        left.item
    }

    /// Takes a receiver out of line, and gives back what it was handed.
    pub(crate) fn cancel_recv(&self, at: u32) {
        if let Some(value) = self.leave_receiving(at) {
            self.give_back(value);
        }
    }

    pub(super) fn close(&self) -> bool {
        let first = !mem::replace(&mut self.lock().closed, true);
        let mut batch = WakeBatch::new();
        loop {
            let mut state = self.lock();
            while !batch.is_full()
                && let Some(waker) = state.dismiss()
            {
                batch.push(waker);
            }
            drop(state);
            let more = batch.is_full();
            batch.wake();
            if !more {
                break;
            }
        }
        batch.finish();
        first
    }

    /// Drops what is stored: no receiver is left.
    pub(super) fn discard(&self) {
        let mut state = self.lock();
        let stored = state.take_all();
        drop(state);
        drop(stored);
    }
}

impl<T> fmt::Debug for Chan<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        let (len, closed) = (state.len(), state.closed);
        drop(state);
        let mut f = f.debug_struct("Channel");
        f.field("len", &len);
        match self.capacity {
            usize::MAX => f.field("capacity", &"unbounded"),
            capacity => f.field("capacity", &capacity),
        };
        f.field("is_closed", &closed).finish_non_exhaustive()
    }
}

/// A value that was taken, and goes back if it is not delivered.
struct Taken<'a, T> {
    chan: &'a Chan<T>,
    value: Option<Ticketed<T>>,
}

impl<T> Taken<'_, T> {
    fn finish(mut self) -> T {
        let (_, value) = self.value.take().expect("it is taken here alone");
        value
    }
}

impl<T> Drop for Taken<'_, T> {
    fn drop(&mut self) {
        if let Some(value) = self.value.take() {
            self.chan.give_back(value);
        }
    }
}

#[inline]
pub(crate) fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}
