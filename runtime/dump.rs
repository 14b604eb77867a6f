//! What everything does at this moment: for a program that hangs.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use gort_net::Reactor;

use crate::g::State;
use crate::m::M;
use crate::shared::Shared;
use crate::sysmon::{self, Stall, thread_clock};
use crate::task::{Info, WaitReason};
use crate::{lost, pool, root, time};

pub(crate) mod quit;

/// So many goroutines that do the same are listed one by one; of more, a line tells the number. Thin air.
const ALIKE: usize = 4;

/// Looks at all goroutines of the process, at the futures of [`block_on`](crate::block_on), and at the threads of all runtimes.
///
/// Stops nobody: each is described as it was when the walk came by. A goroutine that was made by [`spawn`](crate::spawn) without a name, and
/// has not run yet, is only counted among the queued ones. Tasks of an [`Executor`](crate::Executor) are told of by its own `Debug`.
///
/// It works while every worker is stuck, and needs no goroutine: call it from any thread. [`signal::dump_on_quit`](crate::signal::dump_on_quit) writes one
/// on request from outside.
///
/// # Examples
///
/// ```
/// gort::block_on(async {
///     let (_sender, receiver) = gort::sync::chan::unbounded::<u8>();
///     let waits = gort::task::Builder::new().name("waits").go(async move { receiver.recv().await });
///     while !gort::dump().to_string().contains("chan receive") {
///         gort::task::yield_now().await;
///     }
///     waits.abort();
/// });
/// ```
#[must_use]
pub fn dump() -> Dump {
    let mut goroutines = Info::all(|_| true);
    goroutines.sort_by_key(|g| (std::cmp::Reverse(g.waiting_for()), g.id()));
    Dump {
        roots: root::infos(),
        runtimes: sysmon::living().iter().map(Runtime::of).collect(),
        goroutines,
        surroundings: Surroundings::now(),
    }
}

/// What everything did at one moment; made by [`dump`].
///
/// Its `Display` is for people, and may change: a line for each future of `block_on`, for each runtime, for each of its threads that is in a poll, and for
/// each goroutine, those first that wait longest. Of goroutines that do the same at the same place, more than a few share a line;
/// `{:#}` lists each.
///
/// ```text
/// 2 goroutines, 1 runtime, 1 block_on
/// thread 4711 "server" [chan receive, 12.3s, at src/main.rs:9:24] in block_on at src/main.rs:3:1
/// runtime: 2 Ps, 1 idle; 3 threads; 0 queued; 1 hand-off, 1 stall
/// thread 4713 "gort-1": goroutine 8 (spawned at src/main.rs:5:5) has been in one poll for 12301 ms: blocked in futex (system call 202)
/// goroutine 7 "ticker" [sleep, 4s, at src/tick.rs:20:9] spawned at src/main.rs:4:5
/// goroutine 8 [running] spawned at src/main.rs:5:5
/// ```
#[derive(Clone, Debug)]
pub struct Dump {
    roots: Vec<root::Info>,
    runtimes: Vec<Runtime>,
    goroutines: Vec<Info>,
    surroundings: Surroundings,
}

impl Dump {
    /// Returns the goroutines of all runtimes, those first that wait longest.
    #[must_use]
    pub fn goroutines(&self) -> &[Info] {
        &self.goroutines
    }
}

impl fmt::Display for Dump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = [
            Count(self.goroutines.len(), "goroutine"),
            Count(self.runtimes.len(), "runtime"),
            Count(self.roots.len(), "block_on"),
        ];
        let [goroutines, runtimes, roots] = counts;
        writeln!(f, "{goroutines}, {runtimes}, {roots}")?;
        self.surroundings.fmt(f)?;
        self.roots
            .iter()
            .try_for_each(|root| writeln!(f, "{root}"))?;
        self.runtimes.iter().try_for_each(|rt| rt.fmt(f))?;
        match f.alternate() {
            true => self.goroutines.iter().try_for_each(|g| writeln!(f, "{g}")),
            false => Groups::of(&self.goroutines).fmt(f),
        }
    }
}

/// A number of things.
struct Count(usize, &'static str);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(n, what) = self;
        let plural = if *n == 1 { "" } else { "s" };
        write!(f, "{n} {what}{plural}")
    }
}

/// What one runtime does.
#[derive(Clone, Debug)]
struct Runtime {
    procs: usize,
    idle: usize,
    threads: usize,
    queued: usize,
    handoffs: u64,
    stalls: u64,
    closing: bool,
    polls: Vec<(u32, Stall)>,
}

impl Runtime {
    fn of(rt: &Arc<Shared>) -> Self {
        let handle = crate::Handle::new(rt.clone());
        let poll = |m: Arc<M>| sysmon::poll_of(&m).map(|poll| (m.tid().unwrap_or(0), poll));
        Self {
            procs: rt.procs(),
            idle: rt.idle.idle_ps(),
            threads: rt.threads(),
            queued: rt.backlog(),
            handoffs: handle.handoffs(),
            stalls: handle.stalls(),
            closing: rt.is_closing(),
            polls: rt.ms().into_iter().filter_map(poll).collect(),
        }
    }
}

impl fmt::Display for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { idle, queued, .. } = self;
        let procs = Count(self.procs, "P");
        let threads = Count(self.threads, "thread");
        let handoffs = Count(self.handoffs as usize, "hand-off");
        let stalls = Count(self.stalls as usize, "stall");
        let closing = if self.closing { "; closing" } else { "" };
        writeln!(
            f,
            "runtime: {procs}, {idle} idle; {threads}; {queued} queued; {handoffs}, {stalls}{closing}"
        )?;
        let mut polls = self.polls.iter();
        polls.try_for_each(|(tid, poll)| writeln!(f, "{}: {poll}", thread_clock::Named(*tid)))
    }
}

/// What is the whole process's.
#[derive(Clone, Debug)]
struct Surroundings {
    lost: u64,
    next_timer: Option<Duration>,
    sources: Option<(usize, bool)>,
    /// The threads of the default pool for blocking calls, those that sleep, and the calls that wait.
    pool: Option<(usize, usize, usize)>,
}

impl Surroundings {
    fn now() -> Self {
        Self {
            lost: lost::count(),
            next_timer: time::until(time::next_deadline(), time::now()),
            sources: Reactor::existing().map(|reactor| (reactor.sources(), reactor.is_driven())),
            pool: pool::default_counts(),
        }
    }
}

impl fmt::Display for Surroundings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.lost > 0 {
            writeln!(
                f,
                "{} that nothing can wake",
                Count(self.lost as usize, "goroutine")
            )?;
        }
        if let Some(next) = self.next_timer {
            writeln!(f, "timers: the next in {next:?}")?;
        }
        if let Some((sources, driven)) = self.sources {
            let driven = if driven {
                "watched"
            } else {
                "not watched at this moment"
            };
            writeln!(f, "reactor: {}, {driven}", Count(sources, "source"))?;
        }
        match self.pool {
            Some((threads, idle, waiting)) => {
                let threads = Count(threads, "thread");
                writeln!(
                    f,
                    "blocking calls: {threads}, {idle} idle; {waiting} waiting"
                )
            }
            None => Ok(()),
        }
    }
}

/// What goroutines must have in common to share a line.
type Alike = (State, WaitReason, [Option<&'static Location<'static>>; 2]);

/// Goroutines that do the same, in the order of the first of each group.
struct Groups<'d>(Vec<Vec<&'d Info>>);

impl<'d> Groups<'d> {
    fn of(all: &'d [Info]) -> Self {
        let mut groups: Vec<Vec<_>> = Vec::new();
        let mut places: HashMap<Alike, usize> = HashMap::new();
        for g in all {
            let sites = [g.waits_at(), g.spawned_at()];
            match places.entry((g.state(), g.wait_reason(), sites)) {
                Entry::Occupied(place) => groups[*place.get()].push(g),
                Entry::Vacant(place) => {
                    place.insert(groups.len());
                    groups.push(vec![g]);
                }
            }
        }
        Self(groups)
    }
}

impl fmt::Display for Groups<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for group in &self.0 {
            let listed = if group.len() > ALIKE { 1 } else { group.len() };
            for g in &group[..listed] {
                writeln!(f, "{g}")?;
            }
            if let [_, others @ .., last] = &group[listed - 1..] {
                let others = Count(others.len() + 1, "other");
                writeln!(
                    f,
                    "    and {others} like it, the last for {:?}",
                    last.waiting_for()
                )?;
            }
        }
        Ok(())
    }
}
