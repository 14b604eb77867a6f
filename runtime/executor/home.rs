//! What a task of an [`Executor`](super::Executor) knows of it: where to queue itself, and the entry that ends it.

use std::ptr::NonNull;
use std::sync::atomic::Ordering;
use std::task::Waker;

use async_task::Runnable;

use super::body::Record;
use super::pending::Ticket;
use super::seat::{self, bump};
use super::state::State;

/// What the schedule function of a task knows.
#[derive(Clone, Copy)]
pub(super) struct Home(NonNull<State>);

// SAFETY: a state is shared between threads.
unsafe impl Send for Home {}
// SAFETY: as above.
unsafe impl Sync for Home {}

impl Home {
    pub(super) fn new(state: &State) -> Self {
        Self(NonNull::from(state))
    }

    /// Queues a task and wakes somebody for it.
    ///
    /// # Safety
    ///
    /// The future of the task exists.
    #[inline]
    pub(super) unsafe fn schedule(self, runnable: Runnable) {
        // SAFETY: the caller's promise: the destructor drops all futures before it frees the state.
        let state = unsafe { self.0.as_ref() };
        let left = seat::with_current(state, |seat| match seat {
            Some(seat) => {
                // SAFETY: the current seat is held by this thread; `wake_one` follows.
                unsafe { seat.push(runnable) };
                // The seat is current, so its `run()` borrows the executor.
                state.sleepers.wake_one();
                None
            }
            None => Some(runnable),
        });
        if let Some(runnable) = left {
            // SAFETY: as above.
            unsafe { self.visit(runnable) };
        }
    }

    /// As [`schedule`](Self::schedule), by a thread that has no share in the executor.
    ///
    /// # Safety
    ///
    /// As there.
    #[cold]
    unsafe fn visit(self, runnable: Runnable) {
        // SAFETY: the caller's promise until the push; from then on the count keeps the state.
        let state = unsafe { self.0.as_ref() };
        state.outside.visitors.enter();
        state.inject(runnable);
        let sleeper = state.sleepers.take_one();
        state.outside.visitors.leave();
        // Outside: this is foreign code.
        if let Some(sleeper) = sleeper {
            sleeper.wake();
        }
    }
}

/// A task's record, in its future: lives as long as that, which the executor outlives.
pub(super) struct Entry {
    state: NonNull<State>,
    ticket: Option<Ticket>,
}

// SAFETY: a state is shared, and the ticket is used by who polls or drops the future: one thread at a time.
unsafe impl Send for Entry {}

impl Entry {
    pub(super) fn new(state: &State) -> Self {
        Self {
            state: NonNull::from(state),
            ticket: None,
        }
    }

    fn state(&self) -> &State {
        // SAFETY: we are part of a future, and the destructor drops all of them before it frees the state.
        unsafe { self.state.as_ref() }
    }
}

impl Record for Entry {
    #[inline]
    fn keep(&mut self, waker: &Waker) {
        if self.ticket.is_some() {
            return;
        }
        let state = self.state();
        let waker = waker.clone();
        self.ticket = Some(seat::with_current(state, |seat| {
            // SAFETY: the current seat is held by this thread, and a waker is only moved.
            let desk = seat.map(|seat| unsafe { seat.desk() });
            // SAFETY: the ticket is used by who polls or drops the future: one thread at a time, and not while `end` wakes.
            unsafe { state.pending.keep(desk, waker) }
        }));
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let ticket = self.ticket.take();
        let state = self.state();
        let waker = seat::with_current(state, |seat| {
            // SAFETY: the current seat is held by this thread, and no waker is dropped in here.
            let desk = seat.map(|seat| unsafe { seat.desk() });
            ticket.and_then(|ticket| state.pending.forget(desk, ticket))
        });
        drop(waker);
        seat::with_current(state, |seat| match seat {
            Some(seat) => bump(&seat.tally.finished),
            None => {
                // Release: as in `bump`.
                state.outside.finished.fetch_add(1, Ordering::Release);
            }
        });
    }
}
