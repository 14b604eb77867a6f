//! One round of the monitor: what it sees, and what it does about it.
//!
//! First *evacuate*: an idle P and work behind a stuck M need a wake-up and nothing else. Then *take over* the reactor and
//! the timers, if nobody has looked at them. Then *compensate*: if every P is held, some by Ms that are stuck, and work
//! waits, a P is taken from a stuck one and goes to another M. What the thread does decides when: one that is blocked leaves its
//! CPU free, and loses its P after a millisecond; one that computes gets a *surge* after ten, for the sake of latency and
//! not of throughput, and only so many at a time; one that could run but has no CPU loses nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::task::Waker;
use std::time::{Duration, Instant};

use async_task::Runnable;
use gort_net::Reactor;

use super::follow::Follow;
use super::stall::{self, Stall};
use super::thread_clock::{self, Doing, Threads};
use super::{LATE, LONG_PERIOD, MONITOR, PERIOD, all_idle, driven};
use super::{errands, limit};
use crate::g::Habit;
use crate::inject::Batch;
use crate::lease::Flag;
use crate::lost;
use crate::m::M;
use crate::shared::Shared;
use crate::{drive, time};

/// From Go: a goroutine may run for 10 ms before its time slice ends. A surge comes at the same time.
const SLICE_US: u64 = 10_000;

/// A poll that blocks for less is not worth another thread's wake-up. Thin air.
const BLOCKED_US: u64 = 1_000;

/// An orphan that is older does not make the monitor hurry.
const OLD_ORPHAN_US: u64 = 1_000_000;

/// Short rounds after a P was taken away: 50 ms.
const URGENT_ROUNDS: u32 = 200;

/// What an M's polls look like to the monitor. Lives in the M; touched by the monitor only.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    tick: AtomicU64,
    /// The round's time, in microseconds of the monitor's clock, when the tick was first seen.
    since: AtomicU64,
    /// The thread's CPU time then, in nanoseconds; 0 if unknown.
    cpu: AtomicU64,
    /// The blocking sections as they were last time.
    sections: AtomicU32,
    /// Whether the stall was told of.
    told: AtomicBool,
    /// Whether the P was taken away while the M computed.
    surged: AtomicBool,
}

/// An M that is in the same poll as last time.
struct Stuck {
    m: Arc<M>,
    tick: u64,
    us: u64,
    /// CPU time since then, in nanoseconds.
    cpu: Option<u64>,
    with_work: bool,
    in_section: bool,
}

/// What one walk over the Ms of a runtime tells.
#[derive(Default)]
struct Survey {
    stuck: Vec<Stuck>,
    /// Some M has polled since the last round.
    moves: bool,
    /// Some M is in a poll.
    polls: bool,
    orphans: usize,
    young_orphans: bool,
    surges: usize,
    /// Some M holds a P that is one too many.
    surplus: bool,
    /// Some goroutine has used up its time slice.
    slices: bool,
    /// Goroutines found behind orphans.
    rescued: Vec<Runnable>,
    /// Wakers found behind others.
    foreign: Vec<Waker>,
}

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
            let mut survey = survey(rt, late);
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
            match self.doing(stuck) {
                // Nothing that it did.
                Doing::Descheduled => stuck.m.watch.told.store(false, Ordering::Relaxed),
                doing => stall::tell(rt, Stall::of(&stuck.m, duration, doing)),
            }
        }
    }

    /// Whether a stuck M is a reason to look again soon. One that has no CPU is not: nothing can be done for it, and on a busy
    /// machine there is always one.
    fn is_news(&mut self, stuck: &Stuck) -> bool {
        self.doing(stuck) != Doing::Descheduled
    }

    fn doing(&mut self, stuck: &Stuck) -> Doing {
        match stuck.m.tid() {
            Some(tid) => self.threads.doing(tid, stuck.cpu, stuck.us * 1_000),
            None => Doing::Computing,
        }
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
        match self.doing(stuck) {
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

/// Looks at each M of a runtime.
fn survey(rt: &Arc<Shared>, late: bool) -> Survey {
    let now = MONITOR.now_us();
    let mut survey = Survey::default();
    rt.for_each_m(|m| look_at(rt, m, now, late, &mut survey));
    survey
}

fn look_at(rt: &Shared, m: &Arc<M>, now: u64, late: bool, survey: &mut Survey) {
    let tick = m.tick();
    let watch = &m.watch;
    if m.lease.is_revoked() {
        survey.orphans += 1;
        survey.surges += usize::from(watch.surged.load(Ordering::Relaxed));
        // What its pushes left behind: the second belt of the protocol, see `lease`.
        drain(m, &mut survey.rescued);
    }
    if m.lease
        .observe()
        .is_some_and(|held| rt.idle.is_surplus(held.p()))
    {
        m.lease.raise(Flag::Retire);
        survey.surplus = true;
    }
    let sections = m.blocking_sections();
    let same_section = watch.sections.swap(sections, Ordering::Relaxed) == sections;
    let last = watch.tick.swap(tick, Ordering::Relaxed);
    let polls = tick % 2 == 1;
    survey.polls |= polls;
    if late || last != tick || !polls {
        survey.moves |= last != tick;
        watch.since.store(now, Ordering::Relaxed);
        watch.told.store(false, Ordering::Relaxed);
        if polls {
            watch.cpu.store(cpu_time(m).unwrap_or(0), Ordering::Relaxed);
        }
        return;
    }
    // Behind one that does not return.
    survey.foreign.append(&mut m.take_foreign());
    let us = now.saturating_sub(watch.since.load(Ordering::Relaxed));
    if us >= SLICE_US {
        m.lease.raise(Flag::Slice);
        survey.slices = true;
    }
    if m.lease.is_revoked() {
        survey.young_orphans |= us < OLD_ORPHAN_US;
    }
    let before = Some(watch.cpu.load(Ordering::Relaxed)).filter(|&cpu| cpu != 0);
    survey.stuck.push(Stuck {
        m: m.clone(),
        tick,
        us,
        cpu: before.and_then(|before| cpu_time(m).map(|now| now.saturating_sub(before))),
        with_work: m.has_queued() || !m.slot.is_empty(),
        in_section: same_section && sections % 2 == 1,
    });
}

fn cpu_time(m: &M) -> Option<u64> {
    m.tid().and_then(thread_clock::cpu_time)
}

/// Moves what an M has queued into `to`, from the thief's side.
fn drain(m: &M, to: &mut Vec<Runnable>) {
    to.extend(m.slot.take());
    if m.has_queued() {
        to.extend(m.thief.drain());
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
    let surplus = |stuck: &Stuck| {
        stuck
            .m
            .lease
            .observe()
            .is_some_and(|held| rt.idle.is_surplus(held.p()))
    };
    survey
        .stuck
        .retain(|stuck| !surplus(stuck) || !take_p(rt, stuck, false));
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
    // Whoever is to run it may be about to.
    let late = time::now().saturating_sub(PERIOD.as_nanos() as u64);
    let ours = if driven() { late } else { time::now() };
    if next <= ours {
        let mut wakers = Vec::new();
        time::run_overdue(time::now(), &mut wakers);
        errands::wake_all(&mut wakers);
    }
}

#[cfg(all(test, not(gort_loom)))]
mod tests {
    use super::*;
    use crate::{Builder, m, worker};

    /// Runs `test` on a thread that is the only M of a runtime which the monitor does not know.
    fn unwatched(test: impl FnOnce(&Arc<Shared>, m::Here<'_>)) {
        let settings = Builder::new().procs(1).checked().expect("in range");
        let rt = Shared::new(settings);
        let p = rt.idle.take_p().expect("idle");
        let m = rt.adopt_thread();
        // SAFETY: the M was made for this thread.
        unsafe {
            m::enter(&m, |here| {
                here.gain_p(p);
                test(&rt, here);
                worker::leave(here);
            });
        }
        rt.thread_ended(&m);
    }

    #[test]
    fn a_late_round_draws_no_conclusions_and_neither_does_the_next() {
        unwatched(|rt, here| {
            here.begin_poll();
            assert!(survey(rt, false).stuck.is_empty(), "seen once");
            assert_eq!(survey(rt, false).stuck.len(), 1);
            std::thread::sleep(Duration::from_millis(2));
            assert!(
                survey(rt, true).stuck.is_empty(),
                "as if seen for the first time"
            );
            let since = here.m().watch.since.load(Ordering::Relaxed);
            let stuck = survey(rt, false).stuck;
            assert_eq!(stuck.len(), 1);
            assert!(
                stuck[0].us <= MONITOR.now_us() - since,
                "counted from the late round on"
            );
            here.end_poll();
            assert!(survey(rt, false).stuck.is_empty());
        });
    }

    #[test]
    fn a_pause_of_the_whole_process_makes_a_round_late() {
        assert!(!is_late(LONG_PERIOD));
        assert!(is_late(LONG_PERIOD + LATE + PERIOD));
    }
}
