//! What every future of this module has in common: a deadline that it waits for through a timer of some shard.
//!
//! A registration owns at most one slot, and does so only from a poll that was pending, or took a tick of many, to the next that is ready, a
//! cancel, or the drop. It does not keep the waker: the slot does, so that firing and cancelling free it at once.

use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::clock;
use super::heap::Slot;
use super::shard::{Place, Shard};
use super::shards::{self, Duty};

/// Below this the clock is read in the first poll too. Thin air: a scheduler seldom takes longer from creation to first poll.
const SOON: Duration = Duration::from_millis(1);

/// The wait for a deadline. Dropping it cancels the timer.
pub(super) struct Registration {
    state: State,
}

enum State {
    /// Never polled, and the deadline was far away at creation: the first poll need not read the clock (29 ns of the 75 that arm
    /// and cancel a timer). Should it have passed all the same, the timer is armed overdue and fires at once.
    Fresh,
    /// Without a timer.
    Idle,
    /// With a timer, fired or not.
    Armed { slot: Slot, shard: &'static Shard },
}

impl Registration {
    #[inline]
    pub(super) const fn new() -> Registration {
        Registration { state: State::Idle }
    }

    /// A registration whose deadline lies `ahead` of now.
    #[inline]
    pub(super) fn ahead(ahead: Duration) -> Registration {
        Registration {
            state: if ahead < SOON {
                State::Idle
            } else {
                State::Fresh
            },
        }
    }

    /// Waits for `deadline`; ready with the time.
    ///
    /// The deadline must be that of the previous poll, or of a [`reset`](Self::reset) in between.
    #[inline]
    pub(super) fn poll(&mut self, deadline: Instant, cx: &mut Context<'_>) -> Poll<Instant> {
        if !matches!(self.state, State::Fresh) {
            let now = Instant::now();
            if now >= deadline {
                self.cancel();
                return Poll::Ready(now);
            }
        }
        if self.waits_with(cx.waker()) {
            return Poll::Pending;
        }
        if let State::Armed { .. } = self.state {
            // It may have fired since we read the clock. No more can it after this, so the second look decides, and no task
            // is woken twice for one deadline.
            self.cancel();
            let now = Instant::now();
            if now >= deadline {
                return Poll::Ready(now);
            }
        }
        self.arm(Some(deadline), cx.waker());
        Poll::Pending
    }

    /// Moves a timer that has not fired to another deadline; `None` is never. Who waits for it goes on to wait.
    pub(super) fn reset(&mut self, deadline: Option<Instant>) {
        match &self.state {
            State::Fresh => self.state = State::Idle,
            State::Idle => {}
            State::Armed { slot, shard } => {
                let deadline = nanos(deadline);
                let place = shard.reset(slot, deadline);
                ensure_watched(place, shards::duty(shard), deadline);
            }
        }
    }

    /// Without a deadline: makes a later [`reset`](Self::reset) wake the current task, if a timer is there.
    pub(super) fn hold(&mut self, cx: &mut Context<'_>) {
        if matches!(self.state, State::Armed { .. }) && !self.waits_with(cx.waker()) {
            self.cancel();
            self.arm(None, cx.waker());
        }
    }

    /// Frees the timer and its waker.
    #[inline]
    pub(super) fn cancel(&mut self) {
        if let State::Armed { slot, shard } = std::mem::replace(&mut self.state, State::Idle) {
            shard.cancel(slot);
        }
    }

    /// Tells whether a timer is armed that would wake the task of `waker`.
    #[inline]
    fn waits_with(&self, waker: &Waker) -> bool {
        matches!(&self.state, State::Armed { slot, shard } if shard.would_wake(slot, waker))
    }

    /// Arms a new timer in the current shard, when none is armed: a task that moved to another P takes its timer along.
    #[inline]
    pub(super) fn arm(&mut self, deadline: Option<Instant>, waker: &Waker) {
        let deadline = nanos(deadline);
        let (shard, duty) = shards::here();
        let (slot, place) = shard.arm(deadline, waker.clone());
        self.state = State::Armed { slot, shard };
        ensure_watched(place, duty, deadline);
    }
}

impl Drop for Registration {
    #[inline]
    fn drop(&mut self) {
        self.cancel();
    }
}

impl std::fmt::Debug for Registration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.state {
            State::Fresh | State::Idle => "idle",
            State::Armed { .. } => "armed",
        })
    }
}

/// `None` is never.
#[inline]
fn nanos(deadline: Option<Instant>) -> u64 {
    deadline.map_or(clock::NEVER, clock::deadline)
}

/// Sees to it that somebody wakes in time for a timer that was armed in, or moved within, another thread's shard.
#[inline]
fn ensure_watched(place: Place, duty: Duty, deadline: u64) {
    if place == Place::First && duty == Duty::Theirs {
        shards::see_to(deadline);
    }
}
