//! How often a blocked M may lose its P.
//!
//! Ten thousand goroutines that queue up for one `std::sync::Mutex` would block each thread that is sent to help. So the
//! first compensations are free, and then each waits twice as long as the one before, for as long as the backlog does not shrink.

use std::time::{Duration, Instant};

use crate::shared::Shared;

/// Compensations without a pause, per P. Thin air: a burst of blocking calls, but not a convoy.
const FREE_PER_P: u32 = 4;

/// The longest pause. Thin air: a process whose threads all block sees another helper twice a second.
const LONGEST: Duration = Duration::from_millis(500);

/// After this long without a compensation the count starts anew.
const FORGET: Duration = Duration::from_secs(1);

/// What there is to do, and with what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    backlog: usize,
    procs: usize,
    now: Instant,
}

impl Load {
    pub(super) fn of(rt: &Shared) -> Self {
        Self {
            backlog: rt.backlog(),
            procs: rt.procs(),
            now: Instant::now(),
        }
    }
}

/// The limit of one runtime. Used by the monitor only.
#[derive(Debug, Default)]
pub(crate) struct Limit {
    made: u32,
    backlog: usize,
    last: Option<Instant>,
}

impl Limit {
    /// Returns whether a compensation may be made now, and counts it.
    pub(super) fn allow(&mut self, load: Load) -> bool {
        let since = self
            .last
            .map(|last| load.now.saturating_duration_since(last));
        let shrinks = load.backlog < self.backlog - self.backlog / 4;
        if shrinks || since.is_none_or(|since| since >= FORGET) {
            self.made = 0;
        }
        let free = FREE_PER_P.saturating_mul(u32::try_from(load.procs).unwrap_or(u32::MAX));
        let beyond = (self.made + 1).saturating_sub(free);
        let pause = match beyond {
            0 => Duration::ZERO,
            n => Duration::from_millis(1 << (n - 1).min(9)).min(LONGEST),
        };
        if since.is_some_and(|since| since < pause) {
            return false;
        }
        self.made = self.made.saturating_add(1);
        self.backlog = load.backlog;
        self.last = Some(load.now);
        true
    }
}

#[cfg(all(test, not(gort_loom)))]
mod tests {
    use super::*;

    fn load(now: Instant, backlog: usize) -> Load {
        Load {
            backlog,
            procs: 1,
            now,
        }
    }

    #[test]
    fn a_convoy_gets_ever_fewer_helpers() {
        let start = Instant::now();
        let mut limit = Limit::default();
        let given = |limit: &mut Limit, from: u64, to: u64| {
            (from..to)
                .filter(|&ms| limit.allow(load(start + Duration::from_millis(ms), 100)))
                .count()
        };
        // Four free ones, then after pauses of 1, 2, 4 ... 64 ms.
        assert_eq!(given(&mut limit, 0, 127 + 4), 4 + 7);
        let later = given(&mut limit, 127 + 4, 10_000);
        assert!((18..=24).contains(&later), "{later} in ten seconds");
    }

    #[test]
    fn a_backlog_that_shrinks_starts_the_count_anew() {
        let now = Instant::now();
        let mut limit = Limit::default();
        for _ in 0..4 {
            assert!(limit.allow(load(now, 100)));
        }
        assert!(!limit.allow(load(now, 80)));
        assert!(limit.allow(load(now, 70)));
    }
}
