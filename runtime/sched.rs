//! The scheduler: where ready goroutines go, and where an M with a P looks for the next one.
//!
//! ```text
//! next slot -> own ring -> (every 61st turn: the global queue first) -> timers -> global queue, a batch -> reactor, without
//! waiting -> steal, four rounds -> sleep
//! ```
//!
//! * A wake goes to the slot, and what it displaces to the ring. A push into an empty slot wakes nobody: its M looks there
//!   next, and waking another M for it cost tokio 30 % of its throughput when it was tried.
//! * A yield, and everything that the reactor and the timers make ready, goes to the ring.
//! * After three polls from the slot in a row the ring has its turn, so two goroutines that wake each other cannot starve
//!   the others.
//! * A thief leaves a few goroutines for a moment to an M whose polls are short, see `steal`.
//! * At most half of the busy Ms search. The last searcher that finds something looks at every queue once more and wakes the next if there is more.

use std::time::Duration;

use async_task::Runnable;
use gort_gc::hooks;
use gort_net::Reactor;
use gort_primitives::atomic::{Ordering, fence};

use crate::drive::{self};
use crate::idle::WasLast;
use crate::lease::{Acknowledged, Flag};
use crate::m::Here;
use crate::runq::BATCH;
use crate::time;

#[cfg(all(test, gort_loom))]
mod model;
mod ready;
mod sleep;
mod steal;

/// How often the global queue comes first. From Go: a prime, so that it does not beat with a pattern of the load.
const GLOBAL_EVERY: u32 = 61;

/// How often a busy M compares its earliest timer with the clock. A guess: 16 polls of a microsecond are well below the
/// millisecond after which the monitor looks, and one clock read in 16 polls is about a nanosecond each.
const TIMERS_EVERY: u32 = 16;

/// How long an M works on what the reactor or the timers made ready before it wakes another for the rest, in nanoseconds.
/// Measured: about what a wake-up costs the two threads together.
const WORTH_A_WAKE: u64 = 5_000;

/// Polls from the slot in a row, while the ring holds work. From tokio.
const SLOT_STREAK: u32 = 3;

/// How long a thread that nobody needs is kept. From tokio's blocking pool.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// How many parts of the collector's work an idle M does before it looks at everything again. Thin air: some 50 us.
const HELPS: usize = 8;

/// What an M does next.
#[derive(Debug)]
pub(crate) enum Next {
    /// Run this goroutine.
    Run(Runnable),
    /// Poll the root future of a `block_on` that runs the M.
    Root,
    /// End: the runtime closes.
    Stop,
}

/// The root future of an M that runs inside `block_on`, as the scheduler sees it.
pub(crate) trait Root {
    /// Whether the root future was woken.
    fn is_ready(&self) -> bool;

    /// Whether the thread may end when nobody needs it.
    fn may_end(&self) -> bool {
        false
    }
}

/// The root of a worker thread: there is none.
#[derive(Debug)]
pub(crate) struct NoRoot;

impl Root for NoRoot {
    #[inline(always)]
    fn is_ready(&self) -> bool {
        false
    }

    fn may_end(&self) -> bool {
        true
    }
}

// Running them.
impl Here<'_> {
    /// Polls a goroutine that the caller took out of a queue.
    #[inline]
    pub(crate) fn run(self, runnable: Runnable) {
        if self.local().searching.get() {
            self.found_work();
        }
        self.begin_poll();
        runnable.run();
        self.end_poll();
        self.local().guards.look();
        if self.m().lease.changed(self.local().held.get()) {
            self.look_at_lease();
        }
    }

    /// Something happened to the lease during the poll, or there is none: what the poll has queued must not stay here then.
    #[cold]
    fn look_at_lease(self) {
        if self.m().lease.take(Flag::Slice) {
            // If it was the slot's chain that has had its slice, the ring is next; if not, what waits in the slot must not be passed
            // over for it: the ring may hold nothing but the goroutine that has just yielded.
            if self.local().streak.get() != 0 {
                self.local().streak.set(SLOT_STREAK);
            }
        }
        match self.m().lease.acknowledge() {
            Acknowledged::StillHeld(held) => {
                self.local().held.set(Some(held));
                // It may have been asked for an earlier P, which it has given up since.
                if self.m().lease.take(Flag::Retire) && self.rt().idle.is_surplus(held.p()) {
                    self.give_p_away();
                }
            }
            Acknowledged::Gone => {
                self.lost_p();
                self.hand_in_all();
            }
        }
    }

    /// Ends the search of an M that found work. The last one to search looks for more, and wakes another for it.
    #[cold]
    fn found_work(self) {
        self.local().searching.set(false);
        if self.rt().idle.stop_search() == WasLast(true) {
            // SeqCst: the look comes after the end of the search, see `idle`.
            fence(Ordering::SeqCst);
            if self.rt().has_work() {
                self.rt().wake_p();
            }
        }
    }

    /// Whether the runtime wants this M to end.
    #[inline(always)]
    fn must_stop(self) -> bool {
        self.rt().is_closing() && self.m().lease.raised(Flag::Shutdown)
    }
}

// Finding the next one.
impl Here<'_> {
    /// Finds what to do next. Sleeps while there is nothing.
    #[inline]
    pub(crate) fn next(self, root: &impl Root) -> Next {
        loop {
            if self.must_stop() {
                return Next::Stop;
            }
            if root.is_ready() && self.local().held.get().is_some() {
                return Next::Root;
            }
            if let Some(runnable) = self.queued() {
                return Next::Run(runnable);
            }
            if self.local().held.get().is_some()
                && let Some(runnable) = self.search()
            {
                return Next::Run(runnable);
            }
            if self.help_collector(root) {
                continue;
            }
            // Asked again: a waker that the search called may have given the P away, by a `block_on` of its own.
            if self.local().held.get().is_some() {
                self.sleep(root);
            } else {
                self.sleep_without_p(root);
            }
            if self.local().expired.get() {
                return Next::Stop;
            }
        }
    }

    /// Does some of the collector's work, and tells whether there was any: then it is time to look for goroutines again.
    ///
    /// A part of it takes some microseconds. To others this M is busy, so who makes something ready wakes another.
    #[inline]
    fn help_collector(self, root: &impl Root) -> bool {
        if self.local().held.get().is_none() || !hooks::wants_help() {
            return false;
        }
        if self.local().searching.get() {
            self.found_work();
        }
        let wanted = || self.rt().has_work() || root.is_ready() || self.must_stop();
        (0..HELPS)
            .take_while(|_| !wanted() && hooks::help())
            .count()
            > 0
    }

    /// Takes from this M's own queues, and now and then looks elsewhere first.
    #[inline(always)]
    fn queued(self) -> Option<Runnable> {
        let local = self.local();
        if local.delivered_at.get() != 0 {
            self.share_delivery();
        }
        let turn = local.turn.get().wrapping_add(1);
        local.turn.set(turn);
        if turn.is_multiple_of(TIMERS_EVERY) {
            self.run_timers();
        }
        if turn.is_multiple_of(GLOBAL_EVERY)
            && let Some(runnable) = self.look_elsewhere()
        {
            return Some(runnable);
        }
        let streak = local.streak.get();
        if (streak < SLOT_STREAK || local.ring.is_empty())
            && let Some(runnable) = self.m().slot.take()
        {
            local.streak.set(streak + 1);
            return Some(runnable);
        }
        local.streak.set(0);
        // The slot once more: it was passed over for a ring that a thief may have emptied since, and an M that goes to sleep
        // with a full slot sleeps on it.
        local.ring.pop().or_else(|| self.m().slot.take())
    }

    /// The 61st turn: what would starve behind a full ring.
    #[cold]
    fn look_elsewhere(self) -> Option<Runnable> {
        self.poll_reactor();
        // A batch, not one: a ring that a few goroutines keep from running dry would let in one in 61 polls.
        match self.local().ring.len() {
            0..BATCH => self.take_batch(),
            _ if self.rt().inject.is_empty() => None,
            _ => self.rt().inject.pop(),
        }
    }

    /// Runs this P's timers that are due.
    #[inline]
    fn run_timers(self) {
        if let Some(timers) = self.local().timers.get()
            && timers.next() != time::NEVER
        {
            self.run_timers_now(timers);
        }
    }

    #[cold]
    fn run_timers_now(self, timers: &'static crate::time::Shard) {
        let mut wakers = self.local().wakers.take();
        // A bound, so that a million timers of one moment do not keep the M from everything else.
        timers.run_due(time::now(), &mut wakers, 8 * BATCH);
        self.deliver(&mut wakers);
        self.local().wakers.set(wakers);
    }

    /// Polls the reactor without waiting, if anything is registered and nobody else is at it.
    fn poll_reactor(self) {
        let Some(reactor) = Reactor::existing() else {
            return;
        };
        if reactor.sources() == 0 {
            return;
        }
        let Some(mut driver) = reactor.try_driver() else {
            return;
        };
        let mut wakers = self.local().wakers.take();
        let outcome = driver.wait(Some(Duration::ZERO), &mut wakers);
        drop(driver);
        drive::check(outcome);
        self.deliver(&mut wakers);
        self.local().wakers.set(wakers);
    }

    /// Own queues are dry: looks at everything else.
    #[cold]
    fn search(self) -> Option<Runnable> {
        self.run_timers();
        let ring = &self.local().ring;
        ring.pop()
            .or_else(|| self.take_batch())
            .or_else(|| {
                self.poll_reactor();
                ring.pop()
            })
            .or_else(|| self.steal())
    }

    /// Takes this M's share of the global queue.
    fn take_batch(self) -> Option<Runnable> {
        let rt = self.rt();
        if rt.inject.is_empty() {
            return None;
        }
        let share = rt.inject.len() / rt.procs() + 1;
        let mut first = None;
        let mut more = false;
        rt.inject.take(share.min(BATCH), |runnable| {
            if first.is_none() {
                first = Some(runnable);
            } else {
                self.push(runnable);
                more = true;
            }
        });
        if more {
            self.pushed(true);
        }
        first
    }

    /// Runs the timers of others that are due.
    #[cold]
    fn steal_timers(self) -> Option<Runnable> {
        if time::next_deadline() == time::NEVER {
            return None;
        }
        let mut wakers = self.local().wakers.take();
        time::run_overdue(time::now(), &mut wakers);
        self.deliver(&mut wakers);
        self.local().wakers.set(wakers);
        self.local().ring.pop()
    }
}
