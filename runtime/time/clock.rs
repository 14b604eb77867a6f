//! The timers' clock: nanoseconds since the first use of this module.
//!
//! A deadline is a `u64`, so that a heap entry is 16 bytes and the earliest deadline of a shard is one atomic word. 64 bits of
//! nanoseconds last 584 years; what lies beyond saturates to [`NEVER`], what lies before the epoch to 0. Nothing is rounded:
//! `now() >= deadline(at)` exactly when `Instant::now() >= at`, so a timer that is run by this clock never fires early.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// The deadline that is never reached.
pub(crate) const NEVER: u64 = u64::MAX;

static EPOCH: OnceLock<Instant> = OnceLock::new();

#[inline]
fn epoch() -> Instant {
    *EPOCH.get_or_init(Instant::now)
}

/// Reads the clock.
#[inline]
pub(crate) fn now() -> u64 {
    // The epoch first: were the clock read before it, the very first reading would lie before the epoch.
    let epoch = epoch();
    nanos(Instant::now().saturating_duration_since(epoch))
}

/// Converts an instant.
#[inline]
pub(crate) fn deadline(at: Instant) -> u64 {
    nanos(at.saturating_duration_since(epoch()))
}

/// How long to sleep at `now` to reach `deadline`; `None` is for ever.
#[inline]
pub(crate) fn until(deadline: u64, now: u64) -> Option<Duration> {
    (deadline != NEVER).then(|| Duration::from_nanos(deadline.saturating_sub(now)))
}

/// Adds `duration` to `instant`; what overflows becomes an instant that no program lives to see.
#[inline]
pub(crate) fn saturating_add(instant: Instant, duration: Duration) -> Instant {
    instant
        .checked_add(duration)
        .unwrap_or_else(|| far_future(instant))
}

/// About a century from `instant`. Platforms differ in how much further an `Instant` reaches.
#[cold]
fn far_future(instant: Instant) -> Instant {
    const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
    instant + 100 * YEAR
}

#[inline]
fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(NEVER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conversion_is_exact_and_saturates() {
        let base = epoch();
        assert_eq!(deadline(base), 0);
        assert_eq!(deadline(base + Duration::from_nanos(1)), 1);
        assert_eq!(
            deadline(base + Duration::new(3, 999_999_999)),
            3_999_999_999
        );
        if let Some(before) = base.checked_sub(Duration::from_millis(1)) {
            assert_eq!(deadline(before), 0);
        }
        if let Some(beyond) = base.checked_add(Duration::from_secs(600 * 365 * 24 * 60 * 60)) {
            assert_eq!(deadline(beyond), NEVER);
        }
    }

    #[test]
    fn an_overflowing_sum_is_in_the_far_future() {
        let now = Instant::now();
        let far = saturating_add(now, Duration::MAX);
        assert!(far - now > Duration::from_secs(50 * 365 * 24 * 60 * 60));
        assert_eq!(
            saturating_add(now, Duration::from_secs(1)),
            now + Duration::from_secs(1)
        );
    }

    #[test]
    fn waiting_for_never_has_no_timeout() {
        assert_eq!(until(NEVER, 5), None);
        assert_eq!(until(7, 5), Some(Duration::from_nanos(2)));
        assert_eq!(until(3, 5), Some(Duration::ZERO));
    }
}
