//! Stall reports: a poll that does not end is told of, with what, where and since when.

use std::fmt;
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::thread_clock::{Doing, Threads};
use super::{errands, system_call};
use crate::m::M;
use crate::panic::Described;
use crate::shared::Shared;
use crate::task::Info;

/// What the thread of a stalled poll does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StallKind {
    /// It waits in the kernel: in a system call, for a lock, for a page.
    Blocked,
    /// It uses a CPU, or the kernel does not tell.
    Computing,
}

/// A poll that has not ended for longer than the runtime's [threshold](crate::Builder::stall_threshold).
///
/// Its `Display` is the line that the runtime writes to the standard error stream:
/// `goroutine 7 "name" (spawned at src/main.rs:3:5) has been in one poll for 104 ms: blocked in nanosleep (system call 35)`.
#[derive(Clone, Debug)]
pub struct Stall {
    goroutine: Option<Info>,
    described: String,
    duration: Duration,
    kind: StallKind,
    system_call: Option<u32>,
}

impl Stall {
    pub(super) fn of(m: &M, duration: Duration, doing: Doing) -> Self {
        let g = m.cur();
        let kind = match doing {
            Doing::Blocked => StallKind::Blocked,
            Doing::Computing | Doing::Descheduled => StallKind::Computing,
        };
        Self {
            goroutine: g.map(Info::of),
            described: g.map_or_else(
                || String::from("a waker, a destructor or a root future"),
                |g| Described(g).to_string(),
            ),
            duration,
            kind,
            system_call: m
                .tid()
                .filter(|_| kind == StallKind::Blocked)
                .and_then(Threads::system_call),
        }
    }

    /// Returns the goroutine whose poll it is. None for other foreign code: wakers, destructors, the root of a `block_on`.
    #[must_use]
    pub fn goroutine(&self) -> Option<&Info> {
        self.goroutine.as_ref()
    }

    /// Returns for how long the poll has run, to the resolution of the monitor's rounds.
    #[must_use]
    pub fn duration(&self) -> Duration {
        self.duration
    }

    /// Returns what its thread does.
    #[must_use]
    pub fn kind(&self) -> StallKind {
        self.kind
    }

    /// Returns the number of the system call it is in, where the kernel tells.
    #[must_use]
    pub fn system_call(&self) -> Option<u32> {
        self.system_call
    }
}

impl fmt::Display for Stall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.duration.as_millis();
        write!(f, "{} has been in one poll for {ms} ms: ", self.described)?;
        match (self.kind, self.system_call) {
            (StallKind::Blocked, Some(number)) => match system_call::name_of(number) {
                Some(name) => write!(f, "blocked in {name} (system call {number})"),
                None => write!(f, "blocked in system call {number}"),
            },
            (StallKind::Blocked, None) => f.write_str("blocked"),
            (StallKind::Computing, _) => f.write_str("computing"),
        }
    }
}

/// Lines that are written without a pause between them.
const FREE_LINES: u64 = 8;

/// After those, one line in this many stalls.
const ONE_IN: u64 = 64;

/// What a runtime does with stalls.
#[derive(Debug, Default)]
pub(crate) struct Stalls(AtomicU64);

impl Stalls {
    /// The number of stalls so far.
    pub(crate) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Tells of a stall, on another thread: to the application's hook if there is one, else to the standard error stream.
pub(super) fn tell(rt: &Shared, stall: Stall) {
    let before = rt.stalls.0.fetch_add(1, Ordering::Relaxed);
    if let Some(hook) = rt.settings.on_stall.clone() {
        errands::run(move || hook(&stall));
    } else if before < FREE_LINES || before.is_multiple_of(ONE_IN) {
        errands::run(move || {
            // A standard error stream that is closed is no reason to panic.
            let _ = writeln!(std::io::stderr(), "gort: {stall}");
        });
    }
}
