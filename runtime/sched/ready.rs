//! Where ready goroutines go, and the look at the lease that follows every push.

use std::task::Waker;

use async_task::Runnable;
use gort_primitives::atomic::{Ordering, fence};

use super::WORTH_A_WAKE;
use crate::inject::Batch;
use crate::m::Here;
use crate::time;

impl Here<'_> {
    /// Puts a goroutine into this M's queues, or into the global queue if the M holds no P.
    #[inline(always)]
    pub(crate) fn ready(self, runnable: Runnable, yielded: bool) {
        if yielded {
            return self.ready_after_poll(runnable);
        }
        if self.local().batch.get() {
            return self.ready_in_batch(runnable);
        }
        if self.local().finishing.get() {
            return self.ready_joiner(runnable);
        }
        self.ready_next(runnable);
    }

    /// A goroutine that waits for the one that has just finished runs next, but not twice in a row.
    ///
    /// The first time it is hot in cache and perhaps the parent of a single child, as in a fork and join. The second time it is
    /// one that waits for many, and need not hear of each: the others go first.
    #[inline]
    pub(super) fn ready_joiner(self, runnable: Runnable) {
        let (runnable, name) = named(runnable);
        if self.local().last_joiner.replace(name) == name && !self.local().ring.is_empty() {
            return self.ready_last(runnable);
        }
        self.ready_next(runnable);
    }

    #[inline(always)]
    pub(super) fn ready_next(self, runnable: Runnable) {
        match self.m().slot.replace(runnable) {
            None => self.look_after_push(),
            Some(displaced) => {
                self.push(displaced);
                self.pushed(true);
            }
        }
    }

    /// [`ready`](Self::ready) for a new goroutine: it displaces nobody, so children start in the order of their birth.
    #[inline(always)]
    pub(crate) fn ready_new(self, runnable: Runnable) {
        if self.m().slot.is_empty() {
            return self.ready(runnable, false);
        }
        self.push(runnable);
        self.has_spawned();
        self.pushed(true);
    }

    #[inline]
    pub(super) fn ready_last(self, runnable: Runnable) {
        self.push(runnable);
        self.pushed(self.local().ring.len() > 1);
    }

    /// A goroutine that was woken while it was polled, by itself as a rule. async-task comes with it when its poll has returned:
    /// the look at the lease that must follow the push is the one at the end of [`run`](Self::run).
    #[inline(always)]
    pub(super) fn ready_after_poll(self, runnable: Runnable) {
        self.push(runnable);
        // SeqCst: as in `pushed`.
        fence(Ordering::SeqCst);
        // A goroutine that yields alone needs nobody: we take it up again at once.
        if self.local().ring.len() > 1 {
            self.rt().wake_p();
        }
    }

    /// A goroutine that a waker of the reactor or of a timer makes ready: one look follows all of them.
    pub(super) fn ready_in_batch(self, runnable: Runnable) {
        if self.m().lease.seems_held() {
            self.push(runnable);
        } else {
            // A waker has given the P away, and the next may block with what is queued here.
            self.rt().inject_and_wake(Batch::One(runnable));
        }
    }

    /// What must follow a push into the ring.
    #[inline(always)]
    pub(super) fn pushed(self, wake: bool) {
        // SeqCst: orders the plain store of the push before two looks: at the lease (against `Lease::revoke`), and at the
        // idle word (step 2 of the left column in `idle`).
        fence(Ordering::SeqCst);
        self.look_after_push();
        if wake {
            self.rt().wake_p();
        }
    }

    /// Nothing stays in the queues of an M without a P.
    #[inline(always)]
    pub(super) fn look_after_push(self) {
        if self.m().lease.changed_by_now(self.local().held.get()) {
            self.look_closer_after_push();
        }
    }

    #[cold]
    pub(super) fn look_closer_after_push(self) {
        if !self.m().lease.still_held() {
            self.hand_in_all();
        }
    }

    #[inline]
    pub(super) fn push(self, runnable: Runnable) {
        if let Some(overflow) = self.local().ring.push(runnable) {
            self.rt().inject.push(overflow);
        }
    }

    /// Moves all that is queued here to the global queue.
    #[cold]
    pub(crate) fn hand_in_all(self) {
        let ring = &self.local().ring;
        let batch = match self.m().slot.take() {
            Some(one) if ring.is_empty() => Batch::One(one),
            one => {
                let all: Vec<_> = one
                    .into_iter()
                    .chain(std::iter::from_fn(|| ring.pop()))
                    .collect();
                if all.is_empty() {
                    return;
                }
                Batch::many(all)
            }
        };
        self.rt().inject_and_wake(batch);
    }

    /// Calls wakers that the reactor or the timers gave, and keeps what they make ready in the ring.
    pub(crate) fn deliver(self, wakers: &mut Vec<Waker>) {
        if wakers.is_empty() {
            return;
        }
        if self.local().searching.get() {
            // As before a poll: nobody may rely on a searcher that is in foreign code.
            self.found_work();
        }
        self.local().batch.set(true);
        // A waker is foreign code and may block: to the monitor it looks like a poll.
        self.begin_poll();
        self.wake_all(wakers);
        self.end_poll();
        self.local().batch.set(false);
        self.pushed(false);
        if self.local().ring.len() > 1 {
            self.local().delivered_at.set(time::now());
        }
    }

    /// Wakes another M for what is left of a delivery, once this one has worked on it for a while.
    ///
    /// Not at once: a wake-up costs more than a few short polls, and most deliveries are no more than that. If the first poll
    /// does not end, the monitor comes for the others.
    #[cold]
    pub(super) fn share_delivery(self) {
        let local = self.local();
        if local.ring.is_empty() {
            local.delivered_at.set(0);
        } else if time::now().saturating_sub(local.delivered_at.get()) >= WORTH_A_WAKE {
            local.delivered_at.set(0);
            self.pushed(true);
        }
    }
}

/// An address that names the task until it is freed.
#[inline(always)]
fn named(runnable: Runnable) -> (Runnable, usize) {
    let raw = runnable.into_raw();
    // SAFETY: just made from the runnable.
    (unsafe { Runnable::from_raw(raw) }, raw.addr().get())
}
