//! Goroutines that wait for nothing: parked, with every waker gone.
//!
//! Such a goroutine can never run again, and holds what it holds for ever. It is reported, not reclaimed: awaiting
//! `pending()` with a guard in scope is a known way to keep something alive for the life of the process, and looks the same.
//!
//! The count of wakers makes this exact; no heap is searched. A waker that is itself kept in a leaked structure counts as
//! alive, so what is reported is lost, but not all that is lost is reported.

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::g::{G, RECORDS};
use crate::panic::Described;
use crate::sysmon::errands;
use crate::task::Info;

/// The shortest time between two looks.
const PERIOD: Duration = Duration::from_millis(500);

/// A look takes at most this part of the monitor's time.
const SHARE: u32 = 200;

/// Lines that are written in full before the report falls silent. The count goes on.
const LINES: u64 = 16;

static FOUND: AtomicU64 = AtomicU64::new(0);

/// Returns how many goroutines of this process were found to wait for nothing, since it started.
pub(crate) fn count() -> u64 {
    FOUND.load(Ordering::Relaxed)
}

/// The monitor's part: a suspect is seen twice, with no poll in between, before it is reported.
#[derive(Debug, Default)]
pub(crate) struct Search {
    next: Option<Instant>,
    suspects: Vec<Suspect>,
    reported: Vec<Suspect>,
}

#[derive(Clone, Copy, Debug)]
struct Suspect {
    g: &'static G,
    generation: u32,
    polls: u32,
}

impl Suspect {
    fn is_still_one(&self) -> bool {
        self.g.looks_lost()
            && self.g.generation() == self.generation
            && self.g.polls() == self.polls
    }
}

impl Search {
    /// Looks if it is time to.
    pub(crate) fn step(&mut self) {
        if self.next.is_none_or(|next| Instant::now() >= next) {
            self.look();
        }
    }

    /// Looks once more before the monitor sleeps deeply. Returns false if it had better come back first.
    pub(crate) fn settle(&mut self) -> bool {
        if self.suspects.is_empty() {
            self.step();
            return self.suspects.is_empty();
        }
        self.look();
        true
    }

    fn look(&mut self) {
        let began = Instant::now();
        let mut confirmed = std::mem::take(&mut self.suspects);
        confirmed.retain(Suspect::is_still_one);
        self.reported.retain(Suspect::is_still_one);
        for suspect in confirmed {
            report(suspect.g);
            self.reported.push(suspect);
        }
        RECORDS.for_each(|g| {
            if g.looks_lost() && !self.reported.iter().any(|r| std::ptr::eq(r.g, g)) {
                self.suspects.push(Suspect {
                    g,
                    generation: g.generation(),
                    polls: g.polls(),
                });
            }
        });
        self.next = Some(began + PERIOD.max(began.elapsed() * SHARE));
    }
}

fn report(g: &'static G) {
    let found = FOUND.fetch_add(1, Ordering::Relaxed);
    if found < LINES {
        let age = Info::of(g).waiting_for();
        let line = format!(
            "gort: {} has waited for {age:?} and nothing can wake it: every waker of it is gone",
            Described(g),
        );
        errands::run(move || {
            let _ = writeln!(std::io::stderr(), "{line}");
        });
    }
}
