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
//! * At most half of the busy Ms search. The last searcher that finds something looks at every queue once more and wakes the next if there is more.

use std::task::Waker;
use std::time::Duration;

use async_task::Runnable;
use gort_net::Reactor;
use gort_primitives::atomic::{Ordering, fence};

use crate::drive::{self, Slept};
use crate::idle::{Retracted, WasLast};
use crate::inject::Batch;
use crate::lease::{Acknowledged, Flag, Released};
use crate::m::{Here, M};
use crate::runq::{BATCH, Stolen};
use crate::sysmon;
use crate::time;

#[cfg(all(test, gort_loom))]
mod model;

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

/// From Go: on the last round slots and timers of others are looked at too.
const STEAL_ROUNDS: usize = 4;

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

// Making goroutines ready.
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
    fn ready_joiner(self, runnable: Runnable) {
        let (runnable, name) = named(runnable);
        if self.local().last_joiner.replace(name) == name && !self.local().ring.is_empty() {
            return self.ready_last(runnable);
        }
        self.ready_next(runnable);
    }

    #[inline(always)]
    fn ready_next(self, runnable: Runnable) {
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
        self.pushed(true);
    }

    #[inline]
    fn ready_last(self, runnable: Runnable) {
        self.push(runnable);
        self.pushed(self.local().ring.len() > 1);
    }

    /// A goroutine that was woken while it was polled, by itself as a rule. async-task comes with it when its poll has returned:
    /// the look at the lease that must follow the push is the one at the end of [`run`](Self::run).
    #[inline(always)]
    fn ready_after_poll(self, runnable: Runnable) {
        self.push(runnable);
        // SeqCst: as in `pushed`.
        fence(Ordering::SeqCst);
        // A goroutine that yields alone needs nobody: we take it up again at once.
        if self.local().ring.len() > 1 {
            self.rt().wake_p();
        }
    }

    /// A goroutine that a waker of the reactor or of a timer makes ready: one look follows all of them.
    fn ready_in_batch(self, runnable: Runnable) {
        if self.m().lease.seems_held() {
            self.push(runnable);
        } else {
            // A waker has given the P away, and the next may block with what is queued here.
            self.rt().inject_and_wake(Batch::One(runnable));
        }
    }

    /// What must follow a push into the ring.
    #[inline(always)]
    fn pushed(self, wake: bool) {
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
    fn look_after_push(self) {
        if self.m().lease.changed_by_now(self.local().held.get()) {
            self.look_closer_after_push();
        }
    }

    #[cold]
    fn look_closer_after_push(self) {
        if !self.m().lease.still_held() {
            self.hand_in_all();
        }
    }

    #[inline]
    fn push(self, runnable: Runnable) {
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
    fn share_delivery(self) {
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
            // The slot's chain has had its slice; the ring is next.
            self.local().streak.set(SLOT_STREAK);
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

    /// Takes half of what another M has queued.
    fn steal(self) -> Option<Runnable> {
        let rt = self.rt();
        if rt.idle.bound() == 1 {
            return self.steal_timers();
        }
        if !self.local().searching.get() {
            if !rt.idle.start_search() {
                return None;
            }
            self.local().searching.set(true);
        }
        for round in 1..=STEAL_ROUNDS {
            let found = self.steal_round(round == STEAL_ROUNDS);
            if found.is_some() {
                return found;
            }
        }
        self.steal_timers().or_else(|| self.take_batch())
    }

    /// One look at every other M, from a random one on, in a random direction.
    fn steal_round(self, last: bool) -> Option<Runnable> {
        let rt = self.rt();
        // At least this M's own P is live.
        let bound = rt.idle.bound();
        let random = self.random() as usize;
        let (start, step) = (
            random % bound,
            if random & 1 << 31 == 0 { 1 } else { bound - 1 },
        );
        for i in 0..bound {
            let victim = rt.ps.get((start + i * step) % bound);
            let Some(victim) = victim.m() else { continue };
            if std::ptr::eq(victim, self.m()) {
                continue;
            }
            let found = self.steal_from(victim, last);
            if found.is_some() {
                return found;
            }
        }
        None
    }

    fn steal_from(self, victim: &M, last: bool) -> Option<Runnable> {
        match victim.thief.steal_half(&self.local().ring) {
            Stolen::One(runnable) => Some(runnable),
            Stolen::Nothing | Stolen::Lost if last => steal_slot(victim),
            Stolen::Nothing | Stolen::Lost => None,
        }
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

/// Takes the goroutine in a slot, if its M seems to be stuck in a poll.
///
/// An M between two polls looks at its slot next. Go sleeps 3 us before it takes a `runnext`, for the same reason.
fn steal_slot(victim: &M) -> Option<Runnable> {
    if victim.slot.is_empty() {
        return None;
    }
    let tick = victim.tick();
    for _ in 0..64 {
        std::hint::spin_loop();
    }
    if tick.is_multiple_of(2) || victim.tick() != tick {
        return None;
    }
    victim.slot.take()
}

// Sleeping.
impl Here<'_> {
    /// Takes up a P that is in this M's hand.
    pub(crate) fn gain_p(self, p: usize) {
        let held = self.m().lease.acquire(p);
        self.local().held.set(Some(held));
        let p = self.rt().ps.get(p);
        p.set_m(self.m());
        self.local().timers.set(Some(p.timers()));
        time::enter(Some(p.timers()));
        sysmon::stir();
    }

    fn lost_p(self) {
        self.local().held.set(None);
        self.local().timers.set(None);
        time::enter(None);
    }

    /// Gives the P up for as long as this thread blocks. What is queued here goes to others.
    pub(crate) fn give_p_away(self) {
        if self.local().held.get().is_none() {
            return;
        }
        self.hand_in_all();
        let released = self.m().lease.release();
        self.lost_p();
        if let Released::P(p) = released {
            self.rt().idle.put_p(p);
            // SeqCst: as before `wake_p` everywhere. What was ready when we left must not wait for us, nor what will be.
            fence(Ordering::SeqCst);
            if self.rt().has_work() || self.rt().is_watched_for() {
                self.rt().wake_p();
            }
        }
    }

    /// Gives the P back and sleeps until there is work.
    #[cold]
    fn sleep(self, root: &impl Root) {
        debug_assert!(self.m().slot.is_empty(), "sleep: the next slot is full");
        let searching = self.local().searching.replace(false);
        let released = self.m().lease.release();
        self.lost_p();
        match released {
            Released::P(p) => self.rt().idle.sleep(self.m().as_ref(), p, searching),
            Released::Revoked => {
                if searching {
                    let WasLast(_) = self.rt().idle.stop_search();
                }
                self.rt().idle.sleep_without_p(self.m().as_ref());
            }
        }
        self.sleep_in_list(root);
    }

    /// Sleeps after the P was lost or given away, unless one is free.
    #[cold]
    fn sleep_without_p(self, root: &impl Root) {
        if let Some(p) = self.rt().idle.take_p() {
            return self.gain_p(p);
        }
        if self.local().searching.replace(false) {
            // The look at every queue follows.
            let WasLast(_) = self.rt().idle.stop_search();
        }
        self.rt().idle.sleep_without_p(self.m().as_ref());
        self.sleep_in_list(root);
    }

    /// Waits, as a member of the idle set, until this M has left it.
    fn sleep_in_list(self, root: &impl Root) {
        // SeqCst: step 2 of the right column in `idle`.
        fence(Ordering::SeqCst);
        loop {
            let wanted = self.rt().has_work() || root.is_ready() || self.must_stop();
            if wanted && self.try_rise() {
                return;
            }
            let leaves = self.must_stop() || self.local().expired.get();
            if leaves && self.rt().idle.leave(self.m().as_ref()) {
                return;
            }
            // A waker was faster: it has a P for us.
            self.local().expired.set(false);
            if self.doze(root) {
                return;
            }
        }
    }

    /// Leaves the idle set if there is a P for it.
    fn try_rise(self) -> bool {
        match self.rt().idle.retract(self.m().as_ref()) {
            Retracted::P(p) => {
                self.gain_p(p);
                true
            }
            Retracted::NoP => false,
            Retracted::Woken => {
                self.wait_for_p();
                true
            }
        }
    }

    /// A waker has taken this M out of the idle set: its P is on the way.
    fn wait_for_p(self) {
        loop {
            if let Some(p) = self.m().take_next_p() {
                self.gain_p(p);
                self.local().searching.set(true);
                return;
            }
            self.m().parker.park();
        }
    }

    /// Sleeps once: in the reactor if nobody else does, on its own if not. Returns whether the M has left the idle set.
    fn doze(self, root: &impl Root) -> bool {
        let parker = &self.m().parker;
        let mut wakers = self.local().wakers.take();
        // A token stands for what it finds anyway.
        if drive::sleep(parker, &mut wakers) == Slept::NotHere {
            if root.may_end() && self.rt().has_spare_threads() {
                self.local().expired.set(!parker.park_timeout(KEEP_ALIVE));
            } else {
                parker.park();
            }
        }
        let risen = if let Some(p) = self.m().take_next_p() {
            self.gain_p(p);
            self.local().searching.set(true);
            true
        } else {
            !wakers.is_empty() && self.try_rise()
        };
        let risen = risen || !wakers.is_empty() && self.wake_without_p(&mut wakers);
        if risen {
            self.deliver(&mut wakers);
        }
        self.local().wakers.set(wakers);
        risen
    }

    /// Calls wakers while no P is free: some M is busy and will look at the global queue, where these go.
    ///
    /// Not as a member of the idle set: a waker may block, and who hands a P to a sleeper relies on its waking up. Returns true,
    /// and leaves the wakers alone, if a P was on its way.
    #[cold]
    fn wake_without_p(self, wakers: &mut Vec<Waker>) -> bool {
        if !self.rt().idle.leave(self.m().as_ref()) {
            self.wait_for_p();
            return true;
        }
        self.begin_poll();
        self.wake_all(wakers);
        self.end_poll();
        self.rt().idle.sleep_without_p(self.m().as_ref());
        // SeqCst: step 2 of the right column in `idle`, again.
        fence(Ordering::SeqCst);
        false
    }
}
