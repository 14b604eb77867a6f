//! The cases: their names and sizes, and what all bodies share.
//!
//! A body is `async fn name<R: Runtime>(cx: Cx) -> Verdict`. It prepares, starts the meter, works,
//! stops the meter and then checks that the work was done; a body that finds a wrong sum returns
//! [`Failure::Wrong`], so no figure of unfinished work is ever printed.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::adapters::{OnceReceiver, OnceSender, Runtime};
use crate::figures::{Figure, Figures};

mod catalogue;
mod channels;
mod echo;
mod fork;
pub(crate) mod heap;
mod http;
pub(crate) mod local;
mod locks;
mod memory;
mod quiet;
mod spawn;
mod stuck;
mod timers;
mod unblock;
mod wake;
mod yields;

pub(crate) use catalogue::{CASES, find};

/// How much work a case does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scale {
    /// As the cases are defined.
    Full,
    /// About a second for each process.
    Normal,
    /// As little as still shows the order of the runtimes.
    Quick,
    /// Nearly nothing, to test that the cases do their work.
    Tiny,
}

impl Scale {
    /// Every scale.
    pub(crate) const ALL: [Scale; 4] = [Scale::Full, Scale::Normal, Scale::Quick, Scale::Tiny];

    /// Returns the name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Scale::Full => "full",
            Scale::Normal => "normal",
            Scale::Quick => "quick",
            Scale::Tiny => "tiny",
        }
    }

    /// Returns the scale of that name.
    pub(crate) fn from_name(name: &str) -> Option<Scale> {
        Scale::ALL.into_iter().find(|scale| scale.name() == name)
    }
}

/// The sizes of a case: operations, or milliseconds where the case lasts a fixed time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    full: u64,
    normal: u64,
    quick: u64,
    tiny: u64,
}

impl Sizes {
    /// Returns the size for a scale.
    pub(crate) fn at(self, scale: Scale) -> u64 {
        match scale {
            Scale::Full => self.full,
            Scale::Normal => self.normal,
            Scale::Quick => self.quick,
            Scale::Tiny => self.tiny,
        }
    }
}

/// What a group of cases is about; its name stands for all of them on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// Spawning, yielding, joining: judged by geometric mean.
    Scheduler,
    /// Channels and locks.
    Sync,
    /// Timers.
    Time,
    /// Bytes per task.
    Memory,
    /// Sockets.
    Net,
    /// What others get while workers are stuck.
    HandOff,
    /// Executors of one thread.
    Local,
    /// Memory that threads share.
    Heap,
}

impl Family {
    /// Every family.
    pub(crate) const ALL: [Family; 8] = [
        Family::Scheduler,
        Family::Sync,
        Family::Time,
        Family::Memory,
        Family::Net,
        Family::HandOff,
        Family::Local,
        Family::Heap,
    ];

    /// Returns the name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Family::Scheduler => "scheduler",
            Family::Sync => "sync",
            Family::Time => "time",
            Family::Memory => "memory",
            Family::Net => "net",
            Family::HandOff => "hand-off",
            Family::Local => "local",
            Family::Heap => "heap",
        }
    }
}

/// One case of the comparison.
#[derive(Debug)]
pub(crate) struct Case {
    /// The name on the command line and in the tables.
    pub(crate) name: &'static str,
    /// The group it belongs to.
    pub(crate) family: Family,
    /// The figure that ranks the runtimes.
    pub(crate) main: Figure,
    /// How much it does.
    pub(crate) sizes: Sizes,
    /// Whether it uses sockets or timers.
    pub(crate) reactor: bool,
    /// Whether `--quick` runs it when no case is named.
    pub(crate) quick: bool,
    /// Whether the Go program knows it.
    pub(crate) go: bool,
    /// The heaps or local executors of this program that it compares; none for a case that runs on each runtime.
    pub(crate) contestants: &'static [&'static str],
    /// What it does, in a line.
    pub(crate) summary: &'static str,
}

/// What a body is told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cx {
    /// The number of workers.
    pub(crate) procs: usize,
    /// How much work: operations or milliseconds.
    pub(crate) size: u64,
    /// The scale that `size` was taken from.
    pub(crate) scale: Scale,
}

impl Cx {
    /// Returns `count`, or a few at the tiny scale.
    fn up_to(&self, count: u64) -> u64 {
        if self.scale == Scale::Tiny {
            count.min(16)
        } else {
            count
        }
    }

    /// Returns `size` as a time, for the cases that last a fixed time.
    fn duration(&self) -> Duration {
        Duration::from_millis(self.size)
    }
}

/// Why a case has no figures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The work was not done, or done wrong.
    Wrong(String),
    /// This machine cannot run the case.
    Skip(String),
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Failure {
        Failure::Wrong(format!("input or output failed: {error}"))
    }
}

/// What a body returns.
pub(crate) type Verdict = Result<Figures, Failure>;

/// Checks a sum of the work done.
fn check(what: &str, found: u64, expected: u64) -> Result<(), Failure> {
    if found == expected {
        return Ok(());
    }
    Err(Failure::Wrong(format!(
        "{what}: {found} instead of {expected}"
    )))
}

/// Runs a case on a runtime.
///
/// # Panics
///
/// If no case has that name, or a task of the case panics.
pub(crate) fn run<R: Runtime>(case: &Case, cx: Cx) -> Verdict {
    let root = Root {
        cx,
        reactor: case.reactor,
    };
    match case.name {
        "spawn_join" => root.run::<R, _>(spawn::join::<R>(cx)),
        "spawn_detach" => root.run::<R, _>(spawn::detach::<R>(cx)),
        "chained_spawn" => root.run::<R, _>(spawn::chained::<R>(cx)),
        "yield_200" => root.run::<R, _>(yields::yields::<R>(cx, 200)),
        "yield_10k" => root.run::<R, _>(yields::yields::<R>(cx, 10_000)),
        "skynet" => root.run::<R, _>(fork::skynet::<R>(cx)),
        "fib" => root.run::<R, _>(fork::fib::<R>(cx)),
        "ping_pong1" => root.run::<R, _>(channels::ping_pong::<R>(cx, 1)),
        "ping_pong" => root.run::<R, _>(channels::ping_pong::<R>(cx, 1_000)),
        "oneshot_pp" => root.run::<R, _>(channels::oneshot_ping_pong::<R>(cx)),
        "mpmc_4x4" => root.run::<R, _>(channels::mpmc::<R>(cx)),
        "spsc_1" => root.run::<R, _>(channels::spsc::<R>(cx, 1)),
        "spsc_128" => root.run::<R, _>(channels::spsc::<R>(cx, 128)),
        "select4" => root.run::<R, _>(channels::select4::<R>(cx)),
        "mutex" => root.run::<R, _>(locks::mutex::<R>(cx, locks::Holding::Briefly)),
        "mutex_hold" => root.run::<R, _>(locks::mutex::<R>(cx, locks::Holding::AcrossYield)),
        "wake_ext" => root.run::<R, _>(wake::external::<R>(cx)),
        "timers" | "timers1m" => root.run::<R, _>(timers::timers::<R>(cx)),
        "timeout_cancel" => root.run::<R, _>(timers::timeout_cancel::<R>(cx)),
        "mem_parked" => root.run::<R, _>(memory::parked::<R>(cx)),
        "mem_sleep" => root.run::<R, _>(memory::sleeping::<R>(cx)),
        "echo_100" => root.run::<R, _>(echo::echo::<R>(cx, 0)),
        "echo_5000" => root.run::<R, _>(echo::echo::<R>(cx, 4_900)),
        "http" => root.run::<R, _>(http::http::<R>(cx)),
        "idle" => root.run::<R, _>(quiet::idle::<R>(cx)),
        "periodic" => root.run::<R, _>(quiet::periodic::<R>(cx)),
        "block_echo" => root.run::<R, _>(stuck::echo::<R>(cx, stuck::Stuck::Blocked)),
        "block_tick" => root.run::<R, _>(stuck::tick::<R>(cx, stuck::Stuck::Blocked)),
        "hog_echo" => root.run::<R, _>(stuck::echo::<R>(cx, stuck::Stuck::Hogging)),
        "hog_tick" => root.run::<R, _>(stuck::tick::<R>(cx, stuck::Stuck::Hogging)),
        "unblock" => root.run::<R, _>(unblock::unblock::<R>(cx, 1_000)),
        "unblock_seq" => root.run::<R, _>(unblock::unblock::<R>(cx, 1)),
        other => panic!("the catalogue names `{other}`, which has no body"),
    }
}

/// The root task of a process.
struct Root {
    cx: Cx,
    reactor: bool,
}

impl Root {
    fn run<R, F>(self, body: F) -> Verdict
    where
        R: Runtime,
        F: Future<Output = Verdict> + Send + 'static,
    {
        let Root { cx, reactor } = self;
        R::run(cx.procs, reactor, async move {
            warm_up::<R>(cx).await;
            body.await
        })
    }
}

/// Keeps every worker busy for 150 ms, so that the kernel spreads them and the parent can pin them.
///
/// The spinners yield every millisecond: a single long poll would make a runtime with a monitor treat
/// its workers as stuck.
async fn warm_up<R: Runtime>(cx: Cx) {
    let total = Duration::from_millis(if cx.scale == Scale::Tiny { 1 } else { 150 });
    let end = Instant::now() + total;
    let spinners: Vec<_> = (0..cx.procs)
        .map(|_| {
            R::spawn(async move {
                while Instant::now() < end {
                    let slice = Instant::now() + Duration::from_millis(1);
                    while Instant::now() < slice {}
                    R::yield_now().await;
                }
            })
        })
        .collect();
    for spinner in spinners {
        spinner.await;
    }
}

/// Counts down from any task or thread; the last hit wakes the one who waits.
struct Countdown<R: Runtime> {
    left: AtomicU64,
    done: Mutex<Option<R::OnceSender<()>>>,
}

/// The end of a [`Countdown`], to be waited for once.
struct Zero<R: Runtime>(R::OnceReceiver<()>);

impl<R: Runtime> Countdown<R> {
    /// Makes a countdown that lives as long as the process, so that a task needs only its address.
    fn start(count: u64) -> (&'static Countdown<R>, Zero<R>) {
        let (sender, receiver) = R::oneshot();
        let countdown = Countdown {
            left: AtomicU64::new(count),
            done: Mutex::new(Some(sender)),
        };
        (Box::leak(Box::new(countdown)), Zero(receiver))
    }

    /// Counts one down.
    fn hit(&self) {
        // AcqRel: whoever sees zero has seen the work before all other hits, through the release
        // sequence of these very subtractions.
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.signal();
        }
    }

    #[cold]
    fn signal(&self) {
        let sender = self.done.lock().expect("no holder panics").take();
        let sent = sender.expect("a countdown reaches zero once").send(());
        assert!(sent.is_ok(), "nobody waits for the countdown");
    }
}

impl<R: Runtime> Zero<R> {
    /// Waits until the count is zero.
    async fn reached(self) {
        let reached = self.0.recv().await;
        assert!(reached.is_ok(), "a countdown was dropped before zero");
    }
}
