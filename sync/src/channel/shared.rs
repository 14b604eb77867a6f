//! What the handles of a channel share, and what goes on without its lock.

use std::mem;
use std::task::{Context, Poll, Waker};

use gort_primitives::atomic::{AtomicUsize, Ordering};
use gort_primitives::seeded::bug;
use gort_primitives::sync::{Mutex, MutexGuard};

use super::state::{Line, State};
use super::{RecvError, SendError, TryRecvError, TrySendError};
use crate::buffer;
use crate::chan::wake;
use crate::hook::must_yield;
use crate::locks::wait::WakeBatch;
use crate::panics::FirstPanic;
use crate::short_lock::short_lock;

/// What every send and receive writes stands in the first cache line: what is seen, the lock, and the start of what it guards.
#[repr(C, align(64))]
pub(super) struct Shared<T> {
    /// How many values there are, or [`CLOSED`]; brought up to date under the lock.
    seen: AtomicUsize,
    state: Mutex<State<T>>,
    pub(super) capacity: usize,
    pub(super) senders: AtomicUsize,
    pub(super) receivers: AtomicUsize,
}

/// More values than there can be.
const CLOSED: usize = usize::MAX;

type Guard<'a, T> = MutexGuard<'a, State<T>>;

/// Wakers that are not needed: that of a place that was left, and one that was cloned in vain.
type Unneeded = (Option<Waker>, Option<Waker>);

impl<T> Shared<T> {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            seen: AtomicUsize::new(0),
            state: Mutex::new(State::new(capacity)),
            capacity,
            senders: AtomicUsize::new(1),
            receivers: AtomicUsize::new(1),
        }
    }

    #[inline]
    pub(super) fn lock(&self) -> Guard<'_, T> {
        short_lock(&self.state)
    }

    /// How many values there are, or [`CLOSED`], without the lock.
    ///
    /// What happened before this call is seen. What is seen and not yet unlocked is there for whoever takes the lock next.
    #[inline]
    fn seen(&self) -> usize {
        // Acquire: pairs with the Release in `unlock`. Who sees the end sees what was done before it.
        self.seen.load(Ordering::Acquire)
    }

    /// Ends a critical section that has changed what is seen.
    #[inline]
    fn unlock(&self, state: Guard<'_, T>) {
        let seen = match state.closed {
            true => CLOSED,
            false => state.values.len(),
        };
        // Release: publishes what was done before to the Acquire in `seen`.
        self.seen.store(seen, Ordering::Release);
        drop(state);
    }

    #[inline]
    pub(super) fn is_closed(&self) -> bool {
        self.seen() == CLOSED
    }

    /// How many values there are.
    pub(super) fn len(&self) -> usize {
        match self.seen() {
            CLOSED => self.lock().values.len(),
            len => len,
        }
    }

    #[inline]
    pub(super) fn try_send(&self, value: T) -> Result<(), TrySendError<T>> {
        let mut state = self.lock();
        if state.closed {
            return Err(TrySendError::Closed(value));
        }
        if !state.has_room(self.capacity) {
            return Err(TrySendError::Full(value));
        }
        state.values.push_back(value);
        stored(self, state, (None, None));
        Ok(())
    }

    /// Sends a value, in place of the oldest if there is no room.
    pub(super) fn force_send(&self, value: T) -> Result<Option<T>, SendError<T>> {
        let mut state = self.lock();
        if state.closed {
            return Err(SendError(value));
        }
        let oldest = match state.has_room(self.capacity) {
            true => None,
            false => state.values.pop_front(),
        };
        state.values.push_back(value);
        // Told again if it took the place of one that was: whoever was told of that need not look soon.
        stored(self, state, (None, None));
        Ok(oldest)
    }

    /// Does not take the lock if there is nothing.
    #[inline]
    pub(super) fn try_recv(&self) -> Result<T, TryRecvError> {
        if self.seen() == 0 {
            return Err(TryRecvError::Empty);
        }
        let mut state = self.lock();
        match state.values.pop_front() {
            Some(value) => Ok(taken(self, state, value, (None, None))),
            None if state.closed => Err(TryRecvError::Closed),
            None => Err(TryRecvError::Empty),
        }
    }

    /// Polls a send: `value` is there until it is sent or refused, `key` while it has a place in line.
    #[inline]
    pub(super) fn poll_send(
        &self,
        value: &mut Option<T>,
        key: &mut Option<u32>,
        cx: &Context<'_>,
    ) -> Poll<Result<(), SendError<T>>> {
        if key.is_none() {
            assert!(value.is_some(), "a send was polled after its end");
            if must_yield(cx) {
                return Poll::Pending;
            }
            // Who can see that it must wait does not try.
            if !(self.capacity..CLOSED).contains(&self.seen()) {
                match self.try_send(unsent(value)) {
                    Ok(()) => return Poll::Ready(Ok(())),
                    Err(TrySendError::Closed(back)) => return Poll::Ready(Err(SendError(back))),
                    Err(TrySendError::Full(back)) => *value = Some(back),
                }
            }
        }
        self.send_or_wait(value, key, cx)
    }

    #[inline(never)]
    fn send_or_wait(
        &self,
        value: &mut Option<T>,
        key: &mut Option<u32>,
        cx: &Context<'_>,
    ) -> Poll<Result<(), SendError<T>>> {
        // A waker's clone is foreign code: not under the lock. Who has a place may need none.
        let mut own = key.is_none().then(|| cx.waker().clone());
        loop {
            let mut state = self.lock();
            if state.closed {
                let left = state.leave(Line::Send, key);
                drop(state);
                settle(None, (left, own));
                return Poll::Ready(Err(SendError(unsent(value))));
            }
            if state.has_room(self.capacity) {
                state.values.extend(value.take());
                let left = state.leave(Line::Send, key);
                stored(self, state, (left, own));
                return Poll::Ready(Ok(()));
            }
            if state.wait(Line::Send, key, cx.waker(), &mut own) {
                return Poll::Pending;
            }
            drop(state);
            own = Some(cx.waker().clone());
        }
    }

    /// Polls a receive of `line`, whose place in it is `key`.
    #[inline]
    pub(super) fn poll_recv(
        &self,
        line: Line,
        key: &mut Option<u32>,
        cx: &Context<'_>,
    ) -> Poll<Result<T, RecvError>> {
        if key.is_none() {
            if must_yield(cx) {
                return Poll::Pending;
            }
            match self.try_recv() {
                Ok(value) => return Poll::Ready(Ok(value)),
                Err(TryRecvError::Closed) => return Poll::Ready(Err(RecvError)),
                Err(TryRecvError::Empty) => {}
            }
        }
        self.recv_or_wait(line, key, cx)
    }

    #[inline(never)]
    fn recv_or_wait(
        &self,
        line: Line,
        key: &mut Option<u32>,
        cx: &Context<'_>,
    ) -> Poll<Result<T, RecvError>> {
        // A waker's clone is foreign code: not under the lock. Who has a place may need none.
        let mut own = key.is_none().then(|| cx.waker().clone());
        loop {
            let mut state = self.lock();
            if let Some(value) = state.values.pop_front() {
                let left = state.leave(line, key);
                return Poll::Ready(Ok(taken(self, state, value, (left, own))));
            }
            if state.closed {
                let left = state.leave(line, key);
                drop(state);
                settle(None, (left, own));
                return Poll::Ready(Err(RecvError));
            }
            if state.wait(line, key, cx.waker(), &mut own) {
                return Poll::Pending;
            }
            drop(state);
            own = Some(cx.waker().clone());
        }
    }

    /// Polls a wait for the end, whose place in line is `key`.
    pub(super) fn poll_closed(&self, key: &mut Option<u32>, cx: &Context<'_>) -> Poll<()> {
        let mut own = None;
        loop {
            let mut state = self.lock();
            if state.closed {
                let left = state.leave(Line::Closed, key);
                drop(state);
                settle(None, (left, own));
                return Poll::Ready(());
            }
            if state.wait(Line::Closed, key, cx.waker(), &mut own) {
                return Poll::Pending;
            }
            drop(state);
            own = Some(cx.waker().clone());
        }
    }

    /// Gives up a place, if there is one; if it was told of something, the next in line is told.
    #[inline]
    pub(super) fn cancel(&self, line: Line, key: &mut Option<u32>) {
        if key.is_some() {
            self.give_up(line, key);
        }
    }

    fn give_up(&self, line: Line, key: &mut Option<u32>) {
        let mut state = self.lock();
        let left = state.leave(line, key);
        // Whoever was told has no waker any more.
        let next = match left {
            None if !bug("what was told is not passed on") => state.pass_on(line, self.capacity),
            _ => None,
        };
        drop(state);
        settle(next, (left, None));
    }

    pub(super) fn close(&self) -> bool {
        let mut state = self.lock();
        let first = !mem::replace(&mut state.closed, true);
        let waited_for = !state.nobody_waits();
        self.unlock(state);
        if waited_for {
            self.wake_all(self.lock(), State::tell_anybody);
        }
        first
    }

    /// Wakes all whom `next` takes out of line, a batch at a time, so that the lock is not held long.
    fn wake_all<'a>(
        &'a self,
        mut state: Guard<'a, T>,
        mut next: impl FnMut(&mut State<T>) -> Option<Waker>,
    ) {
        let mut batch = WakeBatch::new();
        loop {
            while !batch.is_full()
                && let Some(waker) = next(&mut state)
            {
                batch.push(Some(waker));
            }
            drop(state);
            let more = batch.is_full();
            batch.wake();
            if !more {
                break;
            }
            state = self.lock();
        }
        batch.finish();
    }
}

/// The value of a send that has not ended.
#[inline]
fn unsent<T>(value: &mut Option<T>) -> T {
    value.take().expect("it is there until the end")
}

/// Ends what has stored a value: tells a receiver and all streams.
#[inline(always)]
fn stored<'a, T>(shared: &'a Shared<T>, mut state: Guard<'a, T>, unneeded: Unneeded) {
    if !state.lines[Line::Stream].is_empty() {
        return stored_for_streams(shared, state, unneeded);
    }
    let told = state.tell(Line::Receive);
    shared.unlock(state);
    settle(told, unneeded);
}

#[inline(never)]
fn stored_for_streams<'a, T>(shared: &'a Shared<T>, mut state: Guard<'a, T>, unneeded: Unneeded) {
    // Not those who come meanwhile: they know.
    let end = state.lines[Line::Stream].entered();
    let mut told = state.tell(Line::Receive);
    if told.is_none() {
        told = state.tell(Line::Stream);
    }
    let alone = state.lines[Line::Stream].is_empty();
    shared.unlock(state);
    if alone {
        return settle(told, unneeded);
    }
    let mut panic = FirstPanic::default();
    panic.catch(|| settle(told, unneeded));
    panic.catch(|| shared.wake_all(shared.lock(), |state| state.tell_stream_before(end)));
    panic.resume();
}

/// Ends what has taken a value: tells a sender of the room, and returns the value; or gives it back if a waker panics.
#[inline(always)]
fn taken<T>(shared: &Shared<T>, mut state: Guard<'_, T>, value: T, unneeded: Unneeded) -> T {
    let told = state.tell(Line::Send);
    let buffer = buffer::take_spare(&mut state.values);
    shared.unlock(state);
    drop(buffer);
    if told.is_none() && matches!(unneeded, (None, None)) {
        return value;
    }
    deliver(shared, value, told, unneeded)
}

fn deliver<T>(shared: &Shared<T>, value: T, told: Option<Waker>, unneeded: Unneeded) -> T {
    let taken = Taken {
        shared,
        value: Some(value),
    };
    settle(told, unneeded);
    taken.finish()
}

/// A value that was taken, and goes back if it is not delivered.
struct Taken<'a, T> {
    shared: &'a Shared<T>,
    value: Option<T>,
}

impl<T> Taken<'_, T> {
    fn finish(mut self) -> T {
        self.value.take().expect("it is taken here alone")
    }
}

impl<T> Drop for Taken<'_, T> {
    fn drop(&mut self) {
        if let Some(value) = self.value.take() {
            let mut state = self.shared.lock();
            // There may be one more than has room for a while.
            state.values.push_front(value);
            stored(self.shared, state, (None, None));
        }
    }
}

/// Wakes the one and drops the others.
#[inline(always)]
fn settle(told: Option<Waker>, unneeded: Unneeded) {
    match unneeded {
        (None, None) => wake(told),
        unneeded => settle_all(told, unneeded),
    }
}

#[cold]
fn settle_all(told: Option<Waker>, (left, cloned): Unneeded) {
    let mut panic = FirstPanic::default();
    panic.catch(|| wake(told));
    panic.catch(|| drop(left));
    panic.catch(|| drop(cloned));
    panic.resume();
}
