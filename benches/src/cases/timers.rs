//! Timers that fire, and timers that are cancelled before they do.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::{Countdown, Cx, Scale, Verdict, check};
use crate::adapters::Runtime;
use crate::figures::{Figure, Figures, Meter};
use crate::stats::percentile;

/// What the sleeping tasks write down.
struct Log {
    /// How late each sleep ended, in ns.
    late: Vec<AtomicU32>,
    /// How many sleeps ended before their time.
    early: AtomicU64,
}

/// Runs tasks that sleep once, for a random time of up to a second from their own start.
pub(super) async fn timers<R: Runtime>(cx: Cx) -> Verdict {
    let longest = Duration::from_millis(if cx.scale == Scale::Tiny { 20 } else { 1000 });
    let (countdown, zero) = Countdown::<R>::start(cx.size);
    let late = (0..cx.size).map(|_| AtomicU32::new(u32::MAX)).collect();
    let log: &'static Log = Box::leak(Box::new(Log {
        late,
        early: AtomicU64::new(0),
    }));
    let mut random = Random(1);
    let meter = Meter::start();
    for late in &log.late {
        let delay = random.below(longest);
        R::spawn_detached(async move {
            match sleep_and_compare::<R>(delay).await {
                // Relaxed (both): published to the root by the countdown.
                Some(by) => late.store(by, Ordering::Relaxed),
                None => drop(log.early.fetch_add(1, Ordering::Relaxed)),
            }
            countdown.hit();
        });
    }
    zero.reached().await;
    let measured = meter.stop();
    // Relaxed (both): the countdown has published them.
    check(
        "sleeps that ended early",
        log.early.load(Ordering::Relaxed),
        0,
    )?;
    let mut late: Vec<u32> = log
        .late
        .iter()
        .map(|late| late.load(Ordering::Relaxed))
        .collect();
    let figures = measured
        .common(cx.size)
        .with(Figure::CpuS, measured.cpu.as_secs_f64());
    Ok(with_lateness(figures, &mut late))
}

/// Sleeps and returns by how many ns it was late, or `None` if it was early.
pub(super) async fn sleep_and_compare<R: Runtime>(delay: Duration) -> Option<u32> {
    let start = Instant::now();
    R::sleep(delay).await;
    let late = start.elapsed().checked_sub(delay)?;
    Some(u32::try_from(late.as_nanos()).unwrap_or(u32::MAX))
}

/// Adds the percentiles of lateness.
pub(super) fn with_lateness(figures: Figures, late: &mut [u32]) -> Figures {
    figures
        .with(Figure::LateP50Us, f64::from(percentile(late, 50.0)) / 1e3)
        .with(Figure::LateP99Us, f64::from(percentile(late, 99.0)) / 1e3)
}

/// Lets `procs` tasks wrap a future that yields once in a timeout of 10 s, over and over.
pub(super) async fn timeout_cancel<R: Runtime>(cx: Cx) -> Verdict {
    let each = cx.size / cx.procs as u64;
    let meter = Meter::start();
    let tasks: Vec<_> = (0..cx.procs)
        .map(|_| {
            R::spawn(async move {
                let mut in_time = 0;
                for _ in 0..each {
                    let done = R::timeout(Duration::from_secs(10), R::yield_now()).await;
                    in_time += u64::from(done.is_some());
                }
                in_time
            })
        })
        .collect();
    let mut in_time = 0;
    for task in tasks {
        in_time += task.await;
    }
    let measured = meter.stop();
    check(
        "futures that ended in time",
        in_time,
        each * cx.procs as u64,
    )?;
    Ok(measured.per_op(in_time))
}

/// SplitMix64: the same delays for every runtime.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: Duration) -> Duration {
        Duration::from_nanos(self.next() % limit.as_nanos() as u64)
    }
}
