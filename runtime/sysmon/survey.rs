//! What the monitor sees of a runtime in one round: Ms that stay in a poll, and what they sit on.

use std::cell::OnceCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::task::Waker;
use std::time::Duration;

use async_task::Runnable;

use super::MONITOR;
use super::stall::Stall;
use super::thread_clock::{self, Doing, Threads};
use crate::lease::Flag;
use crate::m::M;
use crate::shared::Shared;

/// From Go: a goroutine may run for 10 ms before its time slice ends. A surge comes at the same time.
pub(super) const SLICE_US: u64 = 10_000;

/// An orphan that is older does not make the monitor hurry.
const OLD_ORPHAN_US: u64 = 1_000_000;

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
    pub(super) told: AtomicBool,
    /// Whether the P was taken away while the M computed.
    pub(super) surged: AtomicBool,
}

/// An M that is in the same poll as last time.
pub(super) struct Stuck {
    pub(super) m: Arc<M>,
    pub(super) tick: u64,
    pub(super) us: u64,
    /// CPU time since then, in nanoseconds.
    cpu: Option<u64>,
    /// What it does: the kernel is asked at most once a round.
    doing: OnceCell<Doing>,
    pub(super) with_work: bool,
    pub(super) in_section: bool,
}

impl Stuck {
    pub(super) fn doing(&self, threads: &mut Threads) -> Doing {
        *self.doing.get_or_init(|| match self.m.tid() {
            Some(tid) => threads.doing(tid, self.cpu, self.us * 1_000),
            None => Doing::Computing,
        })
    }

    /// Whether it holds a P that is one too many.
    pub(super) fn is_surplus(&self, rt: &Shared) -> bool {
        holds_surplus(rt, &self.m)
    }
}

/// What one walk over the Ms of a runtime tells.
#[derive(Default)]
pub(super) struct Survey {
    pub(super) stuck: Vec<Stuck>,
    /// Some M has polled since the last round.
    pub(super) moves: bool,
    /// Some M is in a poll.
    pub(super) polls: bool,
    pub(super) orphans: usize,
    pub(super) young_orphans: bool,
    pub(super) surges: usize,
    /// Some M holds a P that is one too many.
    pub(super) surplus: bool,
    /// Some goroutine has used up its time slice.
    pub(super) slices: bool,
    /// Goroutines found behind orphans.
    pub(super) rescued: Vec<Runnable>,
    /// Wakers found behind others.
    pub(super) foreign: Vec<Waker>,
}

impl Survey {
    /// Looks at each M of a runtime. After a `late` round nothing is held against anybody.
    pub(super) fn of(rt: &Shared, late: bool) -> Self {
        let now = MONITOR.now_us();
        let mut survey = Self::default();
        rt.for_each_m(|m| look_at(rt, m, now, late, &mut survey));
        survey
    }
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
    if holds_surplus(rt, m) {
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
        doing: OnceCell::new(),
        with_work: m.has_queued() || !m.slot.is_empty(),
        in_section: same_section && sections % 2 == 1,
    });
}

/// The poll that an M is in, if it is in one: for a dump.
pub(crate) fn poll_of(m: &M) -> Option<Stall> {
    let tick = m.tick();
    if tick.is_multiple_of(2) {
        return None;
    }
    let watch = &m.watch;
    // A poll that the monitor has not seen has only begun.
    let seen = watch.tick.load(Ordering::Relaxed) == tick;
    let since = watch.since.load(Ordering::Relaxed);
    let us = if seen {
        MONITOR.now_us().saturating_sub(since)
    } else {
        0
    };
    let before = watch.cpu.load(Ordering::Relaxed);
    let doing = m.tid().map_or(Doing::Computing, |tid| {
        let used = cpu_time(m).filter(|_| before != 0);
        let used = used.map(|now| now.saturating_sub(before));
        Threads::default().doing(tid, used, us * 1_000)
    });
    Some(Stall::of(m, Duration::from_micros(us), doing))
}

fn holds_surplus(rt: &Shared, m: &M) -> bool {
    let held = m.lease.observe();
    held.is_some_and(|held| rt.idle.is_surplus(held.p()))
}

fn cpu_time(m: &M) -> Option<u64> {
    m.tid().and_then(thread_clock::cpu_time)
}

/// Moves what an M has queued into `to`, from the thief's side.
pub(super) fn drain(m: &M, to: &mut Vec<Runnable>) {
    to.extend(m.slot.take());
    if m.has_queued() {
        to.extend(m.thief.drain());
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
            assert!(Survey::of(rt, false).stuck.is_empty(), "seen once");
            assert_eq!(Survey::of(rt, false).stuck.len(), 1);
            std::thread::sleep(Duration::from_millis(2));
            assert!(
                Survey::of(rt, true).stuck.is_empty(),
                "as if seen for the first time"
            );
            let since = here.m().watch.since.load(Ordering::Relaxed);
            let stuck = Survey::of(rt, false).stuck;
            assert_eq!(stuck.len(), 1);
            assert!(
                stuck[0].us <= MONITOR.now_us() - since,
                "counted from the late round on"
            );
            here.end_poll();
            assert!(Survey::of(rt, false).stuck.is_empty());
        });
    }
}
