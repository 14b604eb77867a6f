//! Following the system: the CPUs that the process may use can change while it runs, by its affinity or by its cgroup.
//!
//! A runtime whose number of Ps nobody has set gets the new number, as in Go 1.25. What counts is a *change* of what the monitor's
//! own thread sees, which nobody pins to a CPU: a runtime that was built by a thread with an affinity of its own keeps its number.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::config::available_procs;
use crate::shared::Shared;

/// The time between two looks. From Go. A look reads a few small files of the kernel's, some 50 us.
const PERIOD: Duration = Duration::from_secs(1);

/// What the system said last.
#[derive(Debug, Default)]
pub(super) struct Follow {
    next: Option<Instant>,
    procs: Option<usize>,
}

impl Follow {
    /// Looks if it is time to.
    pub(super) fn step(&mut self, runtimes: &[Arc<Shared>]) {
        let now = Instant::now();
        if self.next.is_some_and(|next| now < next) {
            return;
        }
        let Some(first) = runtimes.iter().find(|rt| rt.follows_system()) else {
            return;
        };
        self.next = Some(now + PERIOD);
        let procs = available_procs();
        // Before the first look: what the runtime was built with.
        let before = self.procs.replace(procs).unwrap_or(first.settings.procs);
        if before != procs {
            for rt in runtimes {
                rt.follow_system(procs);
            }
        }
    }
}
