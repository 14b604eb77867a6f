//! The collector's thread: when it runs a cycle, whom it tells, and what it counts.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use crate::arena::return_memory;
use crate::collector::{Cycle, Step, Wait};
use crate::grey::CHUNK;
use crate::local::{Local, lock};
use crate::marker::{AbortOnUnwind, POOL};
use crate::phase::{Phase, Word};
use crate::report::{self, Report, report};
use crate::{nap, pacer, settings, workers};

/// A cycle begins if there has been none for so long, and anything has been allocated. From Go.
const PERIOD: Duration = Duration::from_secs(120);

/// A pin that the collector waits for is reported after this time. Thin air.
const STALLED: Duration = Duration::from_millis(100);

/// Set if a cycle has been asked for by an allocation, or goes on.
static REQUESTED: AtomicBool = AtomicBool::new(false);

static CONTROL: Mutex<Control> = Mutex::new(Control {
    running: false,
    wanted: 0,
    begun: 0,
    finished: 0,
    last: Stats::NONE,
    waiting: Vec::new(),
    next_waiting: 0,
});

/// Signalled when a cycle is wanted.
static WANTED: Condvar = Condvar::new();

/// Signalled when a cycle is finished.
static FINISHED: Condvar = Condvar::new();

struct Control {
    /// Whether there is a collector thread.
    running: bool,
    /// The number of the cycle that somebody waits for.
    wanted: u64,
    begun: u64,
    finished: u64,
    last: Stats,
    waiting: Vec<Waiting>,
    /// The name of the next one who waits.
    next_waiting: u64,
}

/// A [`Collect`] that waits.
struct Waiting {
    name: u64,
    awaited: u64,
    waker: Waker,
}

/// What the last cycle of the collector has found, and what all of them have cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Cycles since the program began.
    pub cycles: u64,
    /// Objects that the last cycle has left.
    pub live_objects: usize,
    /// Their bytes, without what they own outside the heap.
    pub live_bytes: usize,
    /// Objects that the last cycle has freed, or given to the thread that drops them.
    pub freed_objects: usize,
    /// Their bytes.
    pub freed_bytes: usize,
    /// Bytes that [`External`](crate::External)s stand for now.
    pub external_bytes: usize,
    /// Bytes that the heap may grow to now, with the external ones, before a cycle should have ended.
    pub goal_bytes: usize,
    /// Whether the memory limit has set the goal, and not the percentage.
    pub limited: bool,
    /// How long the last cycle took, from beginning to end; nobody was stopped meanwhile.
    pub duration: Duration,
    /// How long it did nothing but wait for guards before it could mark. Part of `duration`.
    pub first_wait: Duration,
    /// How long it did nothing but wait for guards before it could end marking. Part of `duration`.
    pub second_wait: Duration,
    /// How long it swept. Part of `duration`.
    pub sweeping: Duration,
    /// How often an object was put off because a lock in it was held.
    pub deferred: usize,
    /// How long all cycles took.
    pub collecting: Duration,
    /// How many threads of the collector mark.
    pub workers: usize,
    /// How many objects others have traced in the last cycle for the thread that runs it: workers, idle threads of an executor,
    /// and threads that allocate too fast. Of large slices each element counts.
    pub helped: usize,
    /// How often a thread has traced objects, or swept, for about 50 us in an outermost pin because it allocated faster than
    /// memory was found.
    pub assists: u64,
    /// How often a thread has waited for less than 100 us in an outermost pin because it allocated faster than memory was found,
    /// and there was nothing to help with.
    pub naps: u64,
}

impl Stats {
    /// Before the first cycle.
    pub(crate) const NONE: Stats = Stats {
        cycles: 0,
        live_objects: 0,
        live_bytes: 0,
        freed_objects: 0,
        freed_bytes: 0,
        external_bytes: 0,
        goal_bytes: 0,
        limited: false,
        duration: Duration::ZERO,
        first_wait: Duration::ZERO,
        second_wait: Duration::ZERO,
        sweeping: Duration::ZERO,
        deferred: 0,
        collecting: Duration::ZERO,
        workers: 1,
        helped: 0,
        assists: 0,
        naps: 0,
    };

    /// With what is known now.
    fn now(self) -> Self {
        Self {
            external_bytes: pacer::external(),
            goal_bytes: pacer::goal(),
            limited: settings::limits().memory == Some(pacer::goal()),
            assists: pacer::assists(),
            naps: pacer::naps(),
            ..self
        }
    }
}

/// Collects what is unreachable, and returns when that is done.
///
/// What becomes unreachable while a cycle is going on may survive it, so after dropping the last root of something call this
/// twice to be sure. Values with destructors are dropped on another thread, some time after this returns.
///
/// A program need not call this: the collector runs by itself, when as much has been allocated as the last cycle has left.
///
/// # Panics
///
/// Panics if the current thread is pinned, because the collector waits for pins: drop all guards before.
#[track_caller]
pub fn collect() -> Stats {
    assert!(
        Local::pins_of_current() == 0,
        "`collect` on a thread that is pinned would wait for itself; drop all guards before"
    );
    settings::check();
    let mut control = lock(&CONTROL);
    let awaited = control.want();
    while control.finished < awaited {
        control = FINISHED
            .wait(control)
            .unwrap_or_else(PoisonError::into_inner);
    }
    control.last.now()
}

/// Collects what is unreachable, as [`collect`] does, without blocking the thread.
///
/// The cycle begins when the future is first polled. No guard may be held across the `.await`, which the compiler does not
/// forbid in a future that stays on one thread: the cycle waits for that guard, and the guard for the cycle.
///
/// # Cancel safety
///
/// The cycle goes on if the future is dropped.
///
/// # Panics
///
/// The future panics if the value of `GORT_GC`, `GORT_MEMLIMIT`, `GORT_GCWORKERS` or `GORT_GCTRACE` means nothing.
///
/// # Examples
///
/// ```
/// async fn tidy() -> usize {
///     gort_gc::collect_async().await.live_bytes
/// }
/// # futures_lite::future::block_on(tidy());
/// ```
pub fn collect_async() -> Collect {
    Collect { waits: None }
}

/// The future of [`collect_async`].
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct Collect {
    /// The awaited cycle, and the name that we wait by.
    waits: Option<(u64, u64)>,
}

impl Future for Collect {
    type Output = Stats;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Stats> {
        settings::check();
        // Not under the lock: foreign code, as is the drop of the one before.
        let waker = cx.waker().clone();
        let mut control = lock(&CONTROL);
        let (awaited, name) = *self.waits.get_or_insert_with(|| {
            control.next_waiting += 1;
            (control.want(), control.next_waiting)
        });
        let before = control.stop_waiting(name);
        if control.finished >= awaited {
            let last = control.last;
            drop(control);
            drop((before, waker));
            return Poll::Ready(last.now());
        }
        control.waiting.push(Waiting {
            name,
            awaited,
            waker,
        });
        drop(control);
        drop(before);
        Poll::Pending
    }
}

impl Drop for Collect {
    fn drop(&mut self) {
        if let Some((_, name)) = self.waits {
            let waiting = lock(&CONTROL).stop_waiting(name);
            // Not under the lock: foreign code.
            drop(waiting);
        }
    }
}

/// Returns what the last cycle has found.
///
/// # Panics
///
/// Panics if the value of `GORT_GC`, `GORT_MEMLIMIT`, `GORT_GCWORKERS` or `GORT_GCTRACE` means nothing.
#[must_use]
pub fn stats() -> Stats {
    settings::check();
    let last = lock(&CONTROL).last;
    last.now()
}

/// Starts a cycle, unless one goes on.
pub(crate) fn request() {
    // Relaxed: the lock below orders what matters.
    if !REQUESTED.swap(true, Ordering::Relaxed) {
        lock(&CONTROL).want();
    }
}

impl Control {
    /// Asks for a cycle that begins after this, and returns its number.
    fn want(&mut self) -> u64 {
        let number = self.begun + 1;
        self.wanted = self.wanted.max(number);
        if !self.running {
            self.running = true;
            let builder = thread::Builder::new().name("gort-gc".to_owned());
            builder
                .spawn(run)
                .expect("the collector's thread can be created");
        }
        WANTED.notify_one();
        number
    }

    fn stop_waiting(&mut self, name: u64) -> Option<Waiting> {
        let at = self.waiting.iter().position(|one| one.name == name)?;
        Some(self.waiting.swap_remove(at))
    }

    /// Takes those whose cycle has finished.
    fn finished_waiting(&mut self) -> Vec<Waiting> {
        let finished = self.finished;
        self.waiting
            .extract_if(.., |one| one.awaited <= finished)
            .collect()
    }
}

/// The collector's thread.
fn run() {
    // No part of this may unwind: half a cycle would free what is alive.
    let _abort = AbortOnUnwind;
    nap::end_in_time();
    let mut exceeded = None;
    loop {
        let before = wait();
        // Relaxed: allocations from here on are for the next cycle.
        REQUESTED.store(true, Ordering::Relaxed);
        let stats = collect_once(before);
        exceeded = exceeded_limit(exceeded, &stats);
        // Relaxed: as above. The trigger is set.
        REQUESTED.store(false, Ordering::Relaxed);
        let mut control = lock(&CONTROL);
        control.finished += 1;
        control.last = stats;
        FINISHED.notify_all();
        let waiting = control.finished_waiting();
        drop(control);
        waiting.into_iter().for_each(wake);
    }
}

/// Wakes one who waits. A waker is foreign code, and may panic.
fn wake(waiting: Waiting) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| waiting.waker.wake())) {
        // Its destructor might panic as well.
        std::mem::forget(payload);
    }
}

/// Waits until a cycle is wanted, begins it, and returns what the last one has found.
fn wait() -> Stats {
    let mut control = lock(&CONTROL);
    while control.wanted <= control.finished {
        let (guard, timeout) = WANTED
            .wait_timeout(control, PERIOD)
            .unwrap_or_else(PoisonError::into_inner);
        control = guard;
        let is_off = settings::limits().percent.is_none();
        if timeout.timed_out() && pacer::allocated() > 0 && !is_off {
            break;
        }
    }
    control.begun += 1;
    control.wanted = control.wanted.max(control.begun);
    control.last
}

/// Runs a cycle, and sets the goal for the next one.
fn collect_once(before: Stats) -> Stats {
    let (start, heap, allocated) = (Instant::now(), pacer::heap(), pacer::allocated());
    workers::start();
    let mut waits = Waits::default();
    let mut cycle = Cycle::new();
    loop {
        match cycle.step(CHUNK) {
            Step::Went => waits.helpers = 0,
            Step::Waits(wait) => waits.nap(wait),
            Step::Marked => break,
        }
    }
    let (end, heap_end, sweep) = (pacer::allocated(), pacer::heap(), Instant::now());
    let (deferred, helped) = (cycle.deferrals(), POOL.traced());
    let found = cycle.finish().complete();
    let duration = start.elapsed();
    pacer::cycle_ended(found.live_bytes, allocated, end, duration);
    return_memory(pacer::goal().saturating_sub(found.live_bytes));
    let stats = Stats {
        cycles: before.cycles + 1,
        duration,
        first_wait: waits.first,
        second_wait: waits.second,
        sweeping: sweep.elapsed(),
        collecting: before.collecting + duration,
        live_objects: found.live_objects,
        live_bytes: found.live_bytes,
        freed_objects: found.freed_objects,
        freed_bytes: found.freed_bytes,
        deferred,
        workers: workers::marking(),
        helped,
        ..Stats::NONE
    };
    let stats = stats.now();
    report::trace(&stats, heap, heap_end);
    stats
}

/// Returns the limit if more is alive than it allows, and reports that if it is new.
fn exceeded_limit(before: Option<usize>, stats: &Stats) -> Option<usize> {
    let live = stats.live_bytes + stats.external_bytes;
    let limit = settings::limits().memory.filter(|limit| live > *limit)?;
    if before != Some(limit) {
        report(Report::OverLimit { live, limit });
    }
    Some(limit)
}

/// The waits of a cycle.
#[derive(Default)]
struct Waits {
    first: Duration,
    second: Duration,
    /// The pins that are waited for, since when, and how many naps ago that was.
    pins: Option<(Word, Instant)>,
    naps: u64,
    /// How many naps the collector has waited for those who help to mark, since it has last done something itself.
    helpers: u64,
}

/// Waits a little longer the more often it has been called, but no longer than so many times 10 us.
fn doze(naps: u64, longest: u64) {
    match naps {
        ..50 => std::hint::spin_loop(),
        50..100 => thread::yield_now(),
        _ => thread::sleep(Duration::from_micros(10 * (naps - 99).min(longest))),
    }
}

impl Waits {
    /// Takes a nap; they become longer.
    fn nap(&mut self, wait: Wait) {
        if matches!(wait, Wait::Helpers) {
            self.helpers += 1;
            // Each of them is there for some microseconds, unless it has lost its CPU.
            return doze(self.helpers, 10);
        }
        let begin = Instant::now();
        self.naps += 1;
        doze(self.naps, 100);
        if let Wait::Pins(before) = wait {
            let nap = begin.elapsed();
            match before.phase() {
                Phase::Idle | Phase::Arm => self.first += nap,
                Phase::Mark1 | Phase::Mark2 => self.second += nap,
            }
            self.waited_for_pins(before, begin);
        }
    }

    /// Reports those who have not unpinned for long. Between two naps the cycle may have done something else.
    fn waited_for_pins(&mut self, before: Word, now: Instant) {
        match self.pins {
            Some((word, since)) if word == before => {
                let waited = now - since;
                if waited >= STALLED {
                    let all = Local::all().to_vec();
                    all.iter()
                        .for_each(|local| local.report_pin_before(before, waited));
                }
            }
            _ => {
                self.pins = Some((before, now));
                self.naps = 0;
            }
        }
    }
}
