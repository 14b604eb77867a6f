//! Timers: sleeping, timeouts, intervals.
//!
//! Everything here works on any thread and under any executor; there is no "timer context" to enter. Deadlines are kept in
//! nanoseconds and nothing fires early.
//!
//! | | |
//! |---|---|
//! | [`sleep`], [`sleep_until`] | wait once |
//! | [`timeout`], [`timeout_at`] | give up on a future |
//! | [`interval`], [`interval_at`] | tick, with a policy for missed ticks |
//! | [`Timer`] | a future and a stream in one; the interface of `async_io::Timer` |
//!
//! # Examples
//!
//! ```
//! use gort::time::{Duration, sleep, timeout};
//!
//! gort::block_on(async {
//!     sleep(Duration::from_millis(5)).await;
//!     let late = timeout(Duration::from_millis(5), sleep(Duration::from_secs(3600))).await;
//!     assert!(late.is_err());
//! });
//! ```

// Inside: `clock < heap < shard < alarm < shards < registration < timer, sleep, timeout, interval`.
//
// A timer is a slot of the heap of one `Shard`. Each P owns a shard, foreign threads share a few. The scheduler says which shard
// a thread arms in (`enter`), runs what is due (`Shard::run_due`, `run_overdue`), and sleeps by `next_deadline` under the
// protocol of `alarm`.

mod alarm;
mod clock;
mod heap;
mod interval;
mod lent;
mod registration;
mod shard;
mod shards;
mod sleep;
mod timeout;
mod timer;

#[cfg(all(test, not(gort_loom)))]
mod tests;

use std::panic::{self, AssertUnwindSafe, Location};
use std::task::Waker;

use crate::task::WaitReason;

pub use std::time::{Duration, Instant};

pub use interval::{Interval, MissedTickBehavior, Tick, interval, interval_at};
pub use sleep::{Sleep, sleep, sleep_until};
pub use timeout::{Elapsed, Timeout, timeout, timeout_at};
pub use timer::Timer;

pub(crate) use clock::{NEVER, now, until};
pub(crate) use lent::Lent;
pub(crate) use shard::Shard;
pub(crate) use shards::{
    acquire, announce, clear, driver_leaves, driver_sleeps, enter, look, monitor_pauses,
    monitor_sleeps, monitor_wakes, next_deadline, release, run_overdue,
};

/// What a goroutine waits for, as far as timers are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WaitKind {
    /// A [`Sleep`], a [`Tick`] or a [`Timer`].
    Sleep,
    /// The future inside a [`Timeout`], unless that says better.
    Timeout,
}

/// Notes why the current goroutine is about to wait, and where it said so.
#[inline]
pub(crate) fn note_wait(kind: WaitKind, site: &'static Location<'static>) {
    let reason = match kind {
        WaitKind::Timeout => WaitReason::Timeout,
        WaitKind::Sleep => WaitReason::Sleep,
    };
    crate::task::note_wait(reason, site);
}

/// Wakes the driver of the reactor: it sleeps past a new deadline.
fn notify_driver() {
    crate::drive::notify();
}

/// Wakes the monitor, or starts it: nobody drives, and it sleeps past a new deadline.
fn wake_monitor() {
    crate::sysmon::ensure();
}

/// Wakes and empties `due`. A waker that panics does not keep the others from being woken.
pub(crate) fn wake_all(due: &mut Vec<Waker>) {
    for waker in due.drain(..) {
        // The panic has been reported by the hook; nobody here can do more about it.
        let _ = panic::catch_unwind(AssertUnwindSafe(|| waker.wake()));
    }
}
