//! The monitor: one thread for the process, without a P, that looks at what the Ms do.
//!
//! It keeps the coarse clock, ends time slices, wakes an M for work that a stuck one sits on, takes over the reactor when nobody
//! has polled it since the last round, and runs timers that are overdue. It takes no P away from anybody yet.
//!
//! # When it looks
//!
//! Every millisecond; every ten after 50 rounds in which it found nothing; not at all while every P is idle and some
//! thread waits in the reactor. An M that takes up a P wakes it from that deep sleep:
//!
//! | the monitor falls asleep | an M takes up a P |
//! |---|---|
//! | 1. stores `asleep` (SeqCst) | 1. counts the P as not idle (SeqCst) |
//! | 2. looks at the idle sets once more | 2. looks at `asleep` |
//!
//! Whoever is second sees the other.
//!
//! A round that comes much later than planned is discarded: then the process was descheduled, throttled or stopped, and
//! nothing that was observed says anything about the goroutines.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, Weak};
use std::time::{Duration, Instant};

use gort_net::Reactor;

use crate::lease::Flag;
use crate::m::M;
use crate::shared::Shared;
use crate::time;
use crate::{drive, lost};

/// The shortest time between two rounds.
const PERIOD: Duration = Duration::from_millis(1);

/// The time between rounds when nothing has happened for [`QUIET_ROUNDS`]. From Go's longest.
const LONG_PERIOD: Duration = Duration::from_millis(10);

/// From Go: 50 rounds without a finding.
const QUIET_ROUNDS: u32 = 50;

/// Rounds with every P idle and no poll in between before the monitor sleeps deeply. A guess: to be woken for a burst of work
/// costs as much as ten rounds.
const IDLE_ROUNDS: u32 = 5;

/// From Go: a goroutine may run for 10 ms before its time slice ends.
const SLICE: Duration = Duration::from_millis(10);

/// A round that is this late observes nothing.
const LATE: Duration = Duration::from_millis(5);

/// What M's polls look like to the monitor. Lives in the M; touched by the monitor only.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    tick: AtomicU64,
    /// The round's time, in microseconds of the monitor's clock, when the tick was first seen.
    since: AtomicU64,
}

#[derive(Debug)]
struct Monitor {
    runtimes: Mutex<Vec<Weak<Shared>>>,
    kicked: Mutex<bool>,
    wake: Condvar,
    started: OnceLock<Instant>,
}

static MONITOR: Monitor = Monitor {
    runtimes: Mutex::new(Vec::new()),
    kicked: Mutex::new(false),
    wake: Condvar::new(),
    started: OnceLock::new(),
};

/// Set if the monitor sleeps deeply, or is about to.
static ASLEEP: AtomicBool = AtomicBool::new(false);

/// Milliseconds since the monitor started, as of its last round.
static TICK: AtomicU32 = AtomicU32::new(0);

/// The coarse clock: milliseconds, refreshed by the monitor.
#[inline(always)]
pub(crate) fn tick() -> u32 {
    TICK.load(Ordering::Relaxed)
}

/// Has the monitor look after a runtime.
pub(crate) fn register(rt: &Arc<Shared>) {
    MONITOR.runtimes().push(Arc::downgrade(rt));
    ensure();
}

/// Starts the monitor if it does not run, and makes it look at once.
///
/// Called when something begins that nobody else may be watching: a runtime, or a timer of a thread without one.
pub(crate) fn ensure() {
    static START: std::sync::Once = std::sync::Once::new();
    START.call_once(|| {
        let _ = MONITOR.started.set(Instant::now());
        let thread = std::thread::Builder::new().name("gort-sysmon".into());
        if let Err(error) = thread.spawn(|| MONITOR.run()) {
            eprintln!(
                "gort: cannot start the monitor thread: {error}; \
                 timers of threads outside a runtime may be late"
            );
        }
    });
    MONITOR.kick();
}

/// Wakes the monitor from its deep sleep. Called by an M that has taken up a P.
#[inline]
pub(crate) fn stir() {
    // SeqCst: step 2 of the right column of the module's table.
    if ASLEEP.load(Ordering::SeqCst) {
        MONITOR.stir();
    }
}

impl Monitor {
    fn runtimes(&self) -> MutexGuard<'_, Vec<Weak<Shared>>> {
        self.runtimes.lock().expect("nothing panics under it")
    }

    #[cold]
    fn stir(&self) {
        if ASLEEP.swap(false, Ordering::SeqCst) {
            // The clock stood still meanwhile.
            TICK.store(self.now_ms(), Ordering::Relaxed);
            self.kick();
        }
    }

    fn kick(&self) {
        *self.kicked.lock().expect("leaf lock") = true;
        self.wake.notify_one();
    }

    fn now_ms(&self) -> u32 {
        let started = self.started.get().map_or(Duration::ZERO, Instant::elapsed);
        // Wraps after 49 days; ages are differences.
        started.as_millis() as u32
    }

    /// The thread.
    fn run(&self) {
        let mut round = Round::default();
        loop {
            TICK.store(self.now_ms(), Ordering::Relaxed);
            let runtimes = self.living();
            let idle = round.look(&runtimes);
            drop(runtimes);
            if idle {
                self.sleep_deeply(&mut round);
            } else {
                self.nap(&mut round);
            }
        }
    }

    fn living(&self) -> Vec<Arc<Shared>> {
        let mut living = Vec::new();
        self.runtimes().retain(|rt| match rt.upgrade() {
            Some(rt) => {
                living.push(rt);
                true
            }
            None => false,
        });
        living
    }

    fn nap(&self, round: &mut Round) {
        let period = if round.quiet >= QUIET_ROUNDS {
            LONG_PERIOD
        } else {
            PERIOD
        };
        round.sleep(|| self.wait(period));
    }

    fn sleep_deeply(&self, round: &mut Round) {
        // SeqCst: step 1 of the left column of the module's table.
        ASLEEP.store(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        if all_idle(&self.living()) {
            // Timers are the driver's to watch; if there is none, ours.
            let limit = match driven() {
                true => time::NEVER,
                false => time::next_deadline(),
            };
            match time::until(limit, time::now()) {
                Some(limit) => self.wait(limit),
                None => self.wait_for_kick(),
            }
        }
        ASLEEP.store(false, Ordering::SeqCst);
        let lost = std::mem::take(&mut round.lost);
        *round = Round {
            lost,
            ..Round::default()
        };
    }

    fn wait(&self, limit: Duration) {
        let kicked = self.kicked.lock().expect("leaf lock");
        let (mut kicked, _) = self
            .wake
            .wait_timeout_while(kicked, limit, |kicked| !*kicked)
            .expect("leaf lock");
        *kicked = false;
    }

    fn wait_for_kick(&self) {
        let kicked = self.kicked.lock().expect("leaf lock");
        let mut kicked = self
            .wake
            .wait_while(kicked, |kicked| !*kicked)
            .expect("leaf lock");
        *kicked = false;
    }
}

fn driven() -> bool {
    Reactor::existing().is_some_and(Reactor::is_driven)
}

fn all_idle(runtimes: &[Arc<Shared>]) -> bool {
    let unwatched = Reactor::existing().is_some_and(|r| r.sources() > 0 && !r.is_driven());
    (runtimes.is_empty() || !unwatched) && runtimes.iter().all(|rt| rt.idle.all_idle())
}

/// What the monitor remembers from round to round.
#[derive(Debug)]
struct Round {
    /// Rounds in a row without a finding.
    quiet: u32,
    /// Rounds in a row with every P idle, now and since the round before.
    idle: u32,
    turns: u32,
    late: bool,
    lost: lost::Search,
}

impl Default for Round {
    fn default() -> Self {
        Self {
            quiet: 0,
            idle: 0,
            turns: Reactor::existing().map_or(0, Reactor::turns),
            late: true,
            lost: lost::Search::default(),
        }
    }
}

impl Round {
    /// Looks at everything once. Returns whether the monitor may sleep deeply.
    fn look(&mut self, runtimes: &[Arc<Shared>]) -> bool {
        let now = Instant::now();
        let late = std::mem::take(&mut self.late);
        let (mut found, mut moves) = (false, false);
        for rt in runtimes {
            let now = now.saturating_duration_since(*MONITOR.started.get().unwrap_or(&now));
            let mut behind = false;
            rt.for_each_m(|m| match look_at(m, now, late) {
                Seen::Rests => {}
                Seen::Moves => moves = true,
                Seen::Stuck => found = true,
                Seen::StuckWithWork => (found, behind) = (true, true),
            });
            // Not under the lock that the walk holds: this may start a thread.
            if behind {
                rt.wake_p();
            }
        }
        found |= self.watch_reactor(runtimes);
        run_overdue();
        self.lost.step();
        self.quiet = if found {
            0
        } else {
            self.quiet.saturating_add(1)
        };
        self.idle = if !moves && all_idle(runtimes) {
            self.idle + 1
        } else {
            0
        };
        self.idle >= IDLE_ROUNDS && self.lost.settle()
    }

    /// Lets somebody poll the reactor if nobody has since the last round.
    fn watch_reactor(&mut self, runtimes: &[Arc<Shared>]) -> bool {
        let Some(reactor) = Reactor::existing() else {
            return false;
        };
        let turns = reactor.turns();
        let untouched = std::mem::replace(&mut self.turns, turns) == turns && !reactor.is_driven();
        if !untouched || reactor.sources() == 0 || runtimes.is_empty() {
            return false;
        }
        if let Some(rt) = runtimes.iter().find(|rt| rt.idle.wants_wake()) {
            // It finds nothing to run, and sleeps in the reactor.
            rt.wake_p();
        } else if let Some(mut driver) = reactor.try_driver() {
            let mut wakers = Vec::new();
            let outcome = driver.wait(Some(Duration::ZERO), &mut wakers);
            drop(driver);
            drive::check(outcome);
            time::wake_all(&mut wakers);
        }
        true
    }

    fn sleep(&mut self, wait: impl FnOnce()) {
        let before = Instant::now();
        wait();
        self.late = before.elapsed() > LONG_PERIOD + LATE;
    }
}

/// What one look at an M tells.
enum Seen {
    /// It has not polled since last time.
    Rests,
    /// It has ended a poll, or begun one.
    Moves,
    /// It is in the same poll as last time.
    Stuck,
    /// And work waits behind it, which somebody must come and take.
    StuckWithWork,
}

fn look_at(m: &M, now: Duration, late: bool) -> Seen {
    let tick = m.tick();
    let watch = &m.watch;
    let now = now.as_micros() as u64;
    let last = watch.tick.swap(tick, Ordering::Relaxed);
    if late || last != tick || tick.is_multiple_of(2) {
        watch.since.store(now, Ordering::Relaxed);
        return if last == tick {
            Seen::Rests
        } else {
            Seen::Moves
        };
    }
    let stuck = now.saturating_sub(watch.since.load(Ordering::Relaxed));
    if stuck >= SLICE.as_micros() as u64 {
        m.lease.raise(Flag::Slice);
    }
    if m.has_queued() || !m.slot.is_empty() {
        Seen::StuckWithWork
    } else {
        Seen::Stuck
    }
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
        time::wake_all(&mut wakers);
    }
}
