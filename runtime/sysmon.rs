//! The monitor: one thread for the process, without a P, that looks at what the Ms do.
//!
//! It keeps the coarse clock, ends time slices, wakes an M for work that a stuck one sits on, takes over the reactor when nobody
//! has polled it since the last round, runs timers that are overdue, takes the P from an M that is stuck, or when there are more Ps
//! than are wanted, tells of polls that do not end, and follows the number of CPUs that the process may use. What it does in one look is in [`round`].
//!
//! # When it looks
//!
//! Every millisecond; every ten after 50 rounds in which it found nothing, or every two while a P is idle and some M polls; every
//! quarter for a while after it took a P away. Not at all while every P is idle, some thread waits in the reactor, and
//! no M is an orphan: for five rounds, or, if it was last woken after a long time, since the round itself began. An M that
//! takes up a P wakes it from that deep sleep:
//!
//! | the monitor falls asleep | an M takes up a P |
//! |---|---|
//! | 1. sets the word (SeqCst) | 1. counts the P as not idle (SeqCst) |
//! | 2. looks at the idle sets once more | 2. looks at the word |
//!
//! Whoever is second sees the other.
//!
//! A round that comes much later than planned is discarded: then the process was descheduled, throttled or stopped, and
//! nothing that was observed says anything about the goroutines.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, Weak};
use std::time::{Duration, Instant};

use gort_net::Reactor;

use crate::shared::Shared;
use crate::time;
use doze::Doze;
use round::Round;

pub(crate) use limit::Limit;
pub(crate) use stall::Stalls;
pub use stall::{Stall, StallKind};
pub(crate) use survey::{Watch, poll_of};

mod doze;
pub(crate) mod errands;
mod follow;
mod limit;
mod round;
mod stall;
mod survey;
mod system_call;
pub(crate) mod thread_clock;

/// The time between rounds while a P was taken away not long ago: others may be stuck too. Simulated (see the design's figures):
/// a ticker beside blocking goroutines is 0.12 ms late at the 99th percentile, against 0.36 with rounds of 1 ms.
const SHORT_PERIOD: Duration = Duration::from_micros(250);

/// The time between rounds.
const PERIOD: Duration = Duration::from_millis(1);

/// The time between quiet rounds while a P is idle and some M polls: what that poll makes ready may wait behind it.
const UNEVEN_PERIOD: Duration = Duration::from_millis(2);

/// The time between rounds when nothing has happened for [`QUIET_ROUNDS`]. From Go's longest.
const LONG_PERIOD: Duration = Duration::from_millis(10);

/// From Go: 50 rounds without a finding.
const QUIET_ROUNDS: u32 = 50;

/// Rounds with every P idle and no poll in between before the monitor sleeps deeply. A guess: to be woken for a burst of work
/// costs as much as ten rounds.
const IDLE_ROUNDS: u32 = 5;

/// A deep sleep that was this long was worth it: to be woken and to look twice costs as much as two or three rounds, of which
/// there would have been one every [`LONG_PERIOD`]. The next one then begins as soon as every P is idle.
const LONG_SLEEP: Duration = Duration::from_millis(25);

/// A round that is this late observes nothing.
const LATE: Duration = Duration::from_millis(5);

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

/// Whether the monitor sleeps deeply.
#[cfg(not(gort_loom))]
static DOZE: Doze = Doze::new();
/// Never used: models make their own.
#[cfg(gort_loom)]
static DOZE: std::sync::LazyLock<Doze> = std::sync::LazyLock::new(Doze::new);

/// Milliseconds since the monitor started, as of its last round.
static TICK: AtomicU32 = AtomicU32::new(0);

/// The coarse clock: milliseconds, refreshed by the monitor.
#[inline(always)]
pub(crate) fn tick() -> u32 {
    TICK.load(Ordering::Relaxed)
}

/// Sets the coarse clock: it stands still while the monitor sleeps deeply.
pub(crate) fn set_clock() {
    TICK.store(MONITOR.now_ms(), Ordering::Relaxed);
}

/// All runtimes that exist.
pub(crate) fn living() -> Vec<Arc<Shared>> {
    MONITOR.living()
}

/// Has the monitor look after a runtime.
pub(crate) fn register(rt: &Arc<Shared>) {
    MONITOR.runtimes().push(Arc::downgrade(rt));
    ensure();
}

/// Starts the monitor if it does not run, and makes it look at once.
///
/// Called when something begins that nobody else may be watching: a runtime, or a timer of a thread without one; and when a thread
/// that has driven the reactor will not do so again.
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
    if DOZE.is_set() {
        MONITOR.stir();
    }
}

impl Monitor {
    fn runtimes(&self) -> MutexGuard<'_, Vec<Weak<Shared>>> {
        self.runtimes.lock().expect("nothing panics under it")
    }

    #[cold]
    fn stir(&self) {
        if DOZE.disturb() {
            set_clock();
            self.kick();
        }
    }

    fn kick(&self) {
        *self.kicked.lock().expect("leaf lock") = true;
        self.wake.notify_one();
    }

    fn now_us(&self) -> u64 {
        let started = self.started.get().map_or(Duration::ZERO, Instant::elapsed);
        started.as_micros() as u64
    }

    fn now_ms(&self) -> u32 {
        // Wraps after 49 days; ages are differences.
        (self.now_us() / 1_000) as u32
    }

    /// The thread.
    fn run(&self) {
        let mut round = Round::default();
        loop {
            set_clock();
            let runtimes = self.living();
            let idle = round.look(&runtimes);
            drop(runtimes);
            if idle {
                self.sleep_deeply(&mut round);
            } else {
                self.pause(round.period());
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

    fn sleep_deeply(&self, round: &mut Round) {
        DOZE.begin();
        let began = Instant::now();
        if all_idle(&self.living()) {
            // Timers are the driver's to watch, if it is one that does: the thread `gort-net` knows none. Else they are ours.
            match time::until(time::monitor_sleeps(), time::now()) {
                Some(limit) => self.wait(limit),
                None => self.wait_for_kick(),
            }
            time::monitor_wakes();
        }
        DOZE.end();
        round.begin_anew(began.elapsed());
    }

    /// Waits for the next round.
    fn pause(&self, period: Duration) {
        let now = time::now();
        let until = time::monitor_pauses(now + period.as_nanos() as u64);
        self.wait(time::until(until, now).unwrap_or(period));
        time::monitor_wakes();
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

fn all_idle(runtimes: &[Arc<Shared>]) -> bool {
    !lacks_driver(runtimes) && runtimes.iter().all(|rt| rt.idle.all_idle())
}

/// Whether nobody drives the reactor, and somebody should.
///
/// An M that finds it driven parks elsewhere, and so does whoever registers a source while some runtime has threads: of these,
/// one has to drive even while there is no source. A thread that drove and will not any more says so; see [`ensure`].
fn lacks_driver(runtimes: &[Arc<Shared>]) -> bool {
    let has_threads = || runtimes.iter().any(|rt| !rt.settings.local);
    Reactor::existing().is_some_and(|reactor| {
        !reactor.is_driven() && (has_threads() || reactor.sources() > 0 && !runtimes.is_empty())
    })
}
