//! One round of the monitor: what it sees, and what it does about it.
//!
//! First *evacuate*: an idle P and work behind a stuck M need a wake-up and nothing else. Then *take over* the reactor and
//! the timers, if nobody has looked at them. Then *compensate*: if every P is held, some by Ms that are stuck, and work
//! waits, a P is taken from a stuck one and goes to another M. What the thread does decides when: one that is blocked leaves its
//! CPU free, and loses its P after a millisecond; one that computes gets a *surge* after ten, for the sake of latency and
//! not of throughput, and only so many at a time; one that could run but has no CPU loses nothing.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use gort_net::Reactor;

use super::follow::Follow;
use super::stall::{self, Stall};
use super::survey::{SLICE_US, Stuck, Survey, drain};
use super::thread_clock::{Doing, Threads};
use super::{LATE, LONG_PERIOD, PERIOD, all_idle};
use super::{errands, limit};
use crate::g::Habit;
use crate::inject::Batch;
use crate::lost;
use crate::shared::Shared;
use crate::{drive, time};

/// A poll that blocks for less is not worth another thread's wake-up. Thin air.
const BLOCKED_US: u64 = 1_000;

/// Short rounds after a P was taken away: 50 ms.
const URGENT_ROUNDS: u32 = 200;

/// What the monitor remembers from round to round.
#[derive(Debug)]
pub(super) struct Round {
    /// Rounds in a row without a finding.
    quiet: u32,
    /// Rounds in a row with every P idle, now and since the round before.
    idle: u32,
    /// Short rounds to come.
    urgent: u32,
    /// Whether a P is idle while an M polls.
    uneven: bool,
    turns: u32,
    /// When the last round began.
    began: Instant,
    late: bool,
    /// Whether there was no round before the next one that it could compare with.
    first: bool,
    /// Whether work comes so seldom that the next deep sleep need not wait for [`IDLE_ROUNDS`](super::IDLE_ROUNDS).
    seldom: bool,
    threads: Threads,
    lost: lost::Search,
    follow: Follow,
}

impl Default for Round {
    fn default() -> Self {
        Self {
            quiet: 0,
            idle: 0,
            urgent: 0,
            uneven: false,
            turns: Reactor::existing().map_or(0, Reactor::turns),
            began: Instant::now(),
            late: true,
            first: true,
            seldom: false,
            threads: Threads::default(),
            lost: lost::Search::default(),
            follow: Follow::default(),
        }
    }
}

impl Round {
    /// Forgets what was seen before a deep sleep, which was as long as `slept`.
    pub(super) fn begin_anew(&mut self, slept: Duration) {
        let lost = std::mem::take(&mut self.lost);
        let follow = std::mem::take(&mut self.follow);
        *self = Self {
            lost,
            follow,
            seldom: slept >= super::LONG_SLEEP,
            ..Self::default()
        };
    }

    /// Looks at everything once. Returns whether the monitor may sleep deeply.
    pub(super) fn look(&mut self, runtimes: &[Arc<Shared>]) -> bool {
        // From begin to begin: a process that is stopped in the middle of a round is as late as one that is stopped between two.
        let began = Instant::now();
        let since = began - std::mem::replace(&mut self.began, began);
        let late = std::mem::take(&mut self.late) || is_late(since);
        let first = std::mem::take(&mut self.first);
        let mut found = false;
        let mut rests = true;
        let mut slices = false;
        let mut orphans = 0;
        self.uneven = false;
        let mut surveys = Vec::with_capacity(runtimes.len());
        for rt in runtimes {
            let mut survey = Survey::of(rt, late);
            rests &= !survey.moves;
            orphans += survey.orphans;
            found |= survey.stuck.iter().any(|stuck| self.is_news(stuck));
            found |= survey.young_orphans || survey.surplus;
            self.uneven |= survey.polls && rt.idle.idle_ps() > 0;
            slices |= survey.slices;
            evacuate(rt, &mut survey);
            surveys.push(survey);
        }
        if !late {
            // Channels and locks ask only while somebody's time is up: they are too fast to ask always.
            gort_sync::ask_yield_hook(slices);
        }
        // No time has passed in which somebody could have polled the reactor: the driver may have left it just now.
        found |= !first && self.watch_reactor(runtimes);
        run_overdue();
        for (rt, mut survey) in runtimes.iter().zip(surveys) {
            self.tell(rt, &survey);
            retire(rt, &mut survey);
            self.compensate(rt, survey);
        }
        // What woke the monitor comes before its chores.
        if !first {
            self.lost.step();
            self.follow.step(runtimes);
        }
        self.quiet = if found {
            0
        } else {
            self.quiet.saturating_add(1)
        };
        self.urgent = self.urgent.saturating_sub(1);
        let idle = orphans == 0 && all_idle(runtimes);
        self.idle = if idle && rests { self.idle + 1 } else { 0 };
        let enough = self.idle >= super::IDLE_ROUNDS || idle && self.seldom;
        enough && self.lost.settle()
    }

    /// The time until the next round.
    pub(super) fn period(&self) -> Duration {
        if self.urgent > 0 {
            super::SHORT_PERIOD
        } else if self.quiet < super::QUIET_ROUNDS {
            PERIOD
        } else if self.uneven {
            super::UNEVEN_PERIOD
        } else {
            LONG_PERIOD
        }
    }

    /// Lets somebody poll the reactor if nobody has since the last round.
    fn watch_reactor(&mut self, runtimes: &[Arc<Shared>]) -> bool {
        let Some(reactor) = Reactor::existing() else {
            return false;
        };
        let turns = reactor.turns();
        let untouched = std::mem::replace(&mut self.turns, turns) == turns && !reactor.is_driven();
        if !untouched || !super::lacks_driver(runtimes) {
            return false;
        }
        if let Some(rt) = runtimes.iter().find(|rt| rt.idle.wants_wake()) {
            // It finds nothing to run, and sleeps in the reactor.
            rt.wake_p();
            return true;
        }
        if reactor.sources() == 0 {
            // Every P is busy and no descriptor is waited for yet: whoever goes to sleep first drives.
            return false;
        }
        if let Some(mut driver) = reactor.try_driver() {
            let mut wakers = Vec::new();
            let outcome = driver.wait(Some(Duration::ZERO), &mut wakers);
            drop(driver);
            drive::check(outcome);
            errands::wake_all(&mut wakers);
        }
        true
    }

    /// Reports polls that have gone on for too long.
    fn tell(&mut self, rt: &Arc<Shared>, survey: &Survey) {
        let threshold = rt.settings.stall_threshold;
        for stuck in &survey.stuck {
            let duration = Duration::from_micros(stuck.us);
            if duration < threshold || stuck.m.watch.told.swap(true, Ordering::Relaxed) {
                continue;
            }
            match stuck.doing(&mut self.threads) {
                // Nothing that it did.
                Doing::Descheduled => stuck.m.watch.told.store(false, Ordering::Relaxed),
                doing => stall::tell(rt, Stall::of(&stuck.m, duration, doing)),
            }
        }
    }

    /// Whether a stuck M is a reason to look again soon. One that has no CPU is not: nothing can be done for it, and on a busy
    /// machine there is always one.
    fn is_news(&mut self, stuck: &Stuck) -> bool {
        stuck.doing(&mut self.threads) != Doing::Descheduled
    }

    /// Takes Ps from stuck Ms if they are missed.
    fn compensate(&mut self, rt: &Arc<Shared>, survey: Survey) {
        if rt.settings.local || rt.is_closing() {
            return;
        }
        let mut stuck = survey.stuck;
        stuck.retain(|stuck| stuck.m.lease.observe().is_some());
        stuck.sort_unstable_by_key(|stuck| std::cmp::Reverse(stuck.us));
        let nobody_else = stuck.len() == rt.idle.live();
        let mut surges = survey.surges;
        for stuck in &stuck {
            let missed = stuck.with_work || rt.has_work() || nobody_else && rt.is_watched_for();
            if !missed || rt.idle.idle_ps() > 0 {
                // An idle P is enough; `evacuate` saw to it that somebody comes.
                return;
            }
            match self.verdict(rt, stuck, surges) {
                Verdict::Leave => {}
                Verdict::Take { surge } => {
                    if take_p(rt, stuck, surge) {
                        rt.handoffs.fetch_add(1, Ordering::Relaxed);
                        surges += usize::from(surge);
                        self.urgent = URGENT_ROUNDS;
                    }
                }
            }
        }
    }

    fn verdict(&mut self, rt: &Shared, stuck: &Stuck, surges: usize) -> Verdict {
        if stuck.in_section {
            return Verdict::Take { surge: false };
        }
        if stuck.us < BLOCKED_US {
            return Verdict::Leave;
        }
        match stuck.doing(&mut self.threads) {
            Doing::Blocked => {
                note_habit(stuck, Habit::Blocks);
                match rt.limit().allow(limit::Load::of(rt)) {
                    true => Verdict::Take { surge: false },
                    false => Verdict::Leave,
                }
            }
            Doing::Computing if stuck.us >= SLICE_US => {
                note_habit(stuck, Habit::Computes);
                match surges < rt.procs() {
                    true => Verdict::Take { surge: true },
                    false => Verdict::Leave,
                }
            }
            Doing::Computing | Doing::Descheduled => Verdict::Leave,
        }
    }
}

/// Whether a round that began so long after the one before must not draw conclusions.
fn is_late(since: Duration) -> bool {
    since > LONG_PERIOD + LATE
}

enum Verdict {
    Leave,
    Take { surge: bool },
}

/// Has the goroutine step aside by itself the next time.
fn note_habit(stuck: &Stuck, habit: Habit) {
    if let Some(g) = stuck.m.cur()
        && stuck.m.tick() == stuck.tick
    {
        g.set_habit(habit);
    }
}

/// Sees to it that work finds the Ps that are idle.
fn evacuate(rt: &Arc<Shared>, survey: &mut Survey) {
    // Not under the lock that the walk holds: this may start a thread.
    let rescued = std::mem::take(&mut survey.rescued);
    if !rescued.is_empty() {
        rt.inject_and_wake(Batch::many(rescued));
    }
    if !survey.foreign.is_empty() {
        errands::wake_all(&mut survey.foreign);
    }
    let behind = survey.stuck.iter().any(|stuck| stuck.with_work);
    if behind || rt.idle.wants_wake() && rt.has_work() {
        // Thieves take from the ring, and from the slot of an M that they see stuck.
        rt.wake_p();
    }
}

/// Has the Ps that are too many given up by stuck Ms, which are not asked.
fn retire(rt: &Arc<Shared>, survey: &mut Survey) {
    survey
        .stuck
        .retain(|stuck| !stuck.is_surplus(rt) || !take_p(rt, stuck, false));
}

/// Takes the P from a stuck M and hands it on. Returns whether it did.
fn take_p(rt: &Arc<Shared>, stuck: &Stuck, surge: bool) -> bool {
    let m = &stuck.m;
    let Some(seen) = m.lease.observe() else {
        return false;
    };
    if !m.lease.revoke(seen) {
        return false;
    }
    // The poll has ended after all: give it back, unless the M has noticed.
    if m.tick() != stuck.tick && m.lease.undo(seen) {
        return false;
    }
    m.watch.surged.store(surge, Ordering::Relaxed);
    let mut queued = Vec::new();
    drain(m, &mut queued);
    rt.idle.put_p(seen.p());
    if !queued.is_empty() {
        rt.inject.push(Batch::many(queued));
    }
    rt.wake_p_after_fence();
    true
}

/// Runs timers whose owners are late.
fn run_overdue() {
    let next = time::next_deadline();
    if next == time::NEVER {
        return;
    }
    let now = time::now();
    // Whoever is to run it may be about to.
    let late = now.saturating_sub(PERIOD.as_nanos() as u64);
    let ours = if time::driver_sleeps() { late } else { now };
    if next <= ours {
        let mut wakers = Vec::new();
        time::run_overdue(now, &mut wakers);
        errands::wake_all(&mut wakers);
    }
}

#[cfg(all(test, not(gort_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_pause_of_the_whole_process_makes_a_round_late() {
        assert!(!is_late(LONG_PERIOD));
        assert!(is_late(LONG_PERIOD + LATE + PERIOD));
    }
}
