//! What the collector has to tell: guards that do not end, a limit that is too low, and a line per cycle.

use std::fmt;
use std::panic::Location;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::control::Stats;
use crate::{pacer, settings};

/// What the collector reports: see [`set_report_hook`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Report {
    /// The collector waits for a guard for more than 100 ms. Until it ends no memory is freed.
    StalledGuard {
        /// The name of the thread, if it has one.
        thread: Option<String>,
        /// Where the thread was pinned, or repinned.
        site: Option<&'static Location<'static>>,
        /// How long the collector has waited until now.
        waited: Duration,
    },
    /// A task has returned to its executor and still holds a guard, so the collector may have to wait for it. gort looks for
    /// this; other executors can by [`hooks`](crate::hooks).
    LeftGuard {
        /// The name of the thread, if it has one.
        thread: Option<String>,
        /// Where the thread was pinned, or repinned.
        site: Option<&'static Location<'static>>,
    },
    /// More is alive than the memory limit allows.
    OverLimit {
        /// Bytes that are alive.
        live: usize,
        /// The limit.
        limit: usize,
    },
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Report::StalledGuard {
                thread,
                site,
                waited,
            } => {
                let holder = Holder(thread, site);
                write!(f, "the collector waits for a guard of the thread {holder}")?;
                write!(f, ", for {waited:.0?} now; no memory is freed meanwhile")
            }
            Report::LeftGuard { thread, site } => {
                let holder = Holder(thread, site);
                write!(
                    f,
                    "a task has returned and still holds a guard, on the thread {holder}"
                )
            }
            Report::OverLimit { live, limit } => {
                let (live, limit) = (Mib(*live), Mib(*limit));
                write!(
                    f,
                    "{live} MiB are alive, but the memory limit is {limit} MiB"
                )
            }
        }
    }
}

/// The thread that holds a guard, and where it got it.
struct Holder<'a>(&'a Option<String>, &'a Option<&'static Location<'static>>);

impl fmt::Display for Holder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0.as_deref().unwrap_or("without a name"))?;
        match self.1 {
            Some(site) => write!(f, ", pinned at {site}"),
            None => Ok(()),
        }
    }
}

type Hook = Arc<dyn Fn(&Report) + Send + Sync>;

static HOOK: Mutex<Option<Hook>> = Mutex::new(None);

/// Sets what happens with reports: by default, each is a line on standard error.
///
/// The same guard is reported once, and a limit when it is crossed. The hook is called on a thread of its own, so it may
/// block, and use the heap. If it panics, nothing else happens.
///
/// # Examples
///
/// ```
/// use gort_gc::{Report, set_report_hook};
///
/// set_report_hook(|report| {
///     if let Report::StalledGuard { site: Some(site), .. } = report {
///         eprintln!("{}:{}", site.file(), site.line());
///     }
/// });
/// ```
pub fn set_report_hook(hook: impl Fn(&Report) + Send + Sync + 'static) {
    let hook: Hook = Arc::new(hook);
    let before = HOOK
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .replace(hook);
    // Not under the lock: foreign code.
    drop(before);
}

/// Hands a report to the hook, without waiting for it.
pub(crate) fn report(report: Report) {
    let hook = HOOK.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let Some(hook) = hook else {
        eprintln!("gort-gc: {report}");
        return;
    };
    let builder = std::thread::Builder::new().name("gort-gc-report".to_owned());
    if let Err(error) = builder.spawn(move || hook(&report)) {
        eprintln!("gort-gc: no thread for a report: {error}");
    }
}

/// Bytes, printed in MiB with one digit after the point.
struct Mib(usize);

impl fmt::Display for Mib {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1}", self.0 as f64 / f64::from(1 << 20))
    }
}

/// Milliseconds with two digits after the point.
struct Ms(Duration);

impl fmt::Display for Ms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2}", self.0.as_secs_f64() * 1e3)
    }
}

/// Prints what a cycle was, if `GORT_GCTRACE` asks for it. See [`crate::Stats`] for what the numbers mean.
pub(crate) fn trace(stats: &Stats, before: usize, after: usize) {
    if settings::traces() {
        eprintln!("{}", line(stats, before, after, pacer::uptime()));
    }
}

/// ```text
/// gc 3 @0.512s 1%: 0.01+0.20+3.10+0.62 ms, 8.0->8.4->4.1 MiB, 8.3 MiB goal, 0.0 MiB external, 2 deferred, 1 workers, 0 helped, 0 assists, 0 naps
/// ```
fn line(stats: &Stats, before: usize, after: usize, uptime: Duration) -> String {
    let share = 100.0 * stats.collecting.as_secs_f64() / uptime.as_secs_f64().max(1e-9);
    let waits = stats.first_wait + stats.second_wait;
    let others = stats.duration.saturating_sub(waits + stats.sweeping);
    let goal = match stats.goal_bytes {
        usize::MAX => "no goal".to_owned(),
        bytes => format!(
            "{} MiB goal{}",
            Mib(bytes),
            if stats.limited { " (limit)" } else { "" }
        ),
    };
    format!(
        "gc {} @{:.3}s {share:.0}%: {}+{}+{}+{} ms, {}->{}->{} MiB, {goal}, {} MiB external, {} deferred, {} workers, {} helped, {} assists, {} naps",
        stats.cycles,
        uptime.as_secs_f64(),
        Ms(stats.first_wait),
        Ms(stats.second_wait),
        Ms(others),
        Ms(stats.sweeping),
        Mib(before),
        Mib(after),
        Mib(stats.live_bytes + stats.external_bytes),
        Mib(stats.external_bytes),
        stats.deferred,
        stats.workers,
        stats.helped,
        stats.assists,
        stats.naps,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_names_the_thread_and_the_site() {
        let site = Location::caller();
        let report = Report::StalledGuard {
            thread: Some("worker".to_owned()),
            site: Some(site),
            waited: Duration::from_millis(120),
        };
        let text = report.to_string();
        for part in ["\"worker\"", site.file(), "120ms"] {
            assert!(text.contains(part), "{text}");
        }
        let (live, limit) = (3 << 20, 2 << 20);
        let text = Report::OverLimit { live, limit }.to_string();
        assert!(text.starts_with("3.0 MiB are alive"), "{text}");
    }

    #[test]
    fn the_trace_has_a_line_for_a_cycle() {
        let ms = Duration::from_millis;
        let stats = Stats {
            cycles: 3,
            live_bytes: 4 << 20,
            external_bytes: 1 << 20,
            goal_bytes: 10 << 20,
            limited: true,
            duration: ms(10),
            first_wait: ms(1),
            second_wait: ms(2),
            sweeping: ms(3),
            collecting: ms(20),
            deferred: 2,
            workers: 1,
            helped: 500,
            assists: 6,
            naps: 7,
            ..Stats::NONE
        };
        assert_eq!(
            line(&stats, 8 << 20, 9 << 20, ms(1_000)),
            "gc 3 @1.000s 2%: 1.00+2.00+4.00+3.00 ms, 8.0->9.0->5.0 MiB, 10.0 MiB goal (limit), 1.0 MiB external, 2 deferred, 1 workers, 500 helped, 6 assists, 7 naps"
        );
    }
}
