//! `interval`: ticks at a period, with a policy for those that nobody came for.

use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use super::registration::Registration;
use super::{WaitKind, clock, note_wait};

/// A tick that is no later than this is not missed. From tokio; it keeps the latency of ordinary wakes from adding up under
/// [`MissedTickBehavior::Delay`]. Never more than half a period.
const GRACE: Duration = Duration::from_millis(5);

/// Creates an interval that ticks now and every `period` from then on.
///
/// # Panics
///
/// If `period` is zero.
///
/// # Examples
///
/// ```
/// use gort::time::{Duration, interval};
///
/// gort::block_on(async {
///     let mut interval = interval(Duration::from_millis(2));
///     let first = interval.tick().await; // at once
///     let second = interval.tick().await;
///     assert_eq!(second - first, Duration::from_millis(2));
/// });
/// ```
#[track_caller]
pub fn interval(period: Duration) -> Interval {
    interval_at(Instant::now(), period)
}

/// Creates an interval that ticks at `start` and every `period` from then on.
///
/// # Panics
///
/// If `period` is zero.
///
/// # Examples
///
/// ```
/// use gort::time::{Duration, Instant, interval_at};
///
/// gort::block_on(async {
///     let start = Instant::now() + Duration::from_millis(3);
///     let mut interval = interval_at(start, Duration::from_millis(2));
///     assert_eq!(interval.tick().await, start);
/// });
/// ```
#[track_caller]
pub fn interval_at(start: Instant, period: Duration) -> Interval {
    assert!(
        !period.is_zero(),
        "the period of an interval must not be zero"
    );
    Interval {
        registration: Registration::new(),
        deadline: start,
        period,
        behavior: MissedTickBehavior::default(),
        site: Location::caller(),
    }
}

/// Ticks at a period; made by [`interval`] and [`interval_at`].
pub struct Interval {
    registration: Registration,
    deadline: Instant,
    period: Duration,
    behavior: MissedTickBehavior,
    site: &'static Location<'static>,
}

impl Interval {
    /// Waits for the next tick; the output is the instant for which it was set.
    ///
    /// # Cancel safety
    ///
    /// A tick is taken only by the poll that is ready, so a dropped `Tick` loses none.
    ///
    /// # Examples
    ///
    /// ```
    /// use gort::time::{Duration, interval};
    ///
    /// gort::block_on(async {
    ///     let mut interval = interval(Duration::from_millis(1));
    ///     for _ in 0..3 {
    ///         interval.tick().await;
    ///     }
    /// });
    /// ```
    #[track_caller]
    pub fn tick(&mut self) -> Tick<'_> {
        Tick {
            site: Location::caller(),
            interval: self,
        }
    }

    /// Polls for the next tick.
    ///
    /// When it is pending, the task of `cx` is woken by the next tick; of several tasks, the one that polled last.
    pub fn poll_tick(&mut self, cx: &mut Context<'_>) -> Poll<Instant> {
        self.poll_tick_from(cx, self.site)
    }

    /// Makes the next tick come one period from now.
    ///
    /// # Examples
    ///
    /// ```
    /// use gort::time::{Duration, Instant, interval};
    ///
    /// gort::block_on(async {
    ///     let mut interval = interval(Duration::from_millis(2));
    ///     let start = Instant::now();
    ///     interval.reset();
    ///     interval.tick().await;
    ///     assert!(start.elapsed() >= Duration::from_millis(2));
    /// });
    /// ```
    pub fn reset(&mut self) {
        self.reset_after(self.period);
    }

    /// Makes the next tick come at once.
    pub fn reset_immediately(&mut self) {
        self.reset_at(Instant::now());
    }

    /// Makes the next tick come after `duration`, and the following ones a period apart.
    pub fn reset_after(&mut self, duration: Duration) {
        self.reset_at(clock::saturating_add(Instant::now(), duration));
    }

    /// Makes the next tick come at `deadline`, and the following ones a period apart.
    pub fn reset_at(&mut self, deadline: Instant) {
        self.deadline = deadline;
        self.registration.reset(Some(deadline));
    }

    /// Returns the period.
    pub fn period(&self) -> Duration {
        self.period
    }

    /// Returns what happens to ticks that nobody came for.
    pub fn missed_tick_behavior(&self) -> MissedTickBehavior {
        self.behavior
    }

    /// Sets what happens to ticks that nobody came for.
    pub fn set_missed_tick_behavior(&mut self, behavior: MissedTickBehavior) {
        self.behavior = behavior;
    }

    fn poll_tick_from(
        &mut self,
        cx: &mut Context<'_>,
        site: &'static Location<'static>,
    ) -> Poll<Instant> {
        let polled = self.registration.poll(self.deadline, cx);
        if polled.is_pending() {
            note_wait(WaitKind::Sleep, site);
        }
        let now = ready!(polled);
        let next = self.behavior.next(self.deadline, now, self.period);
        Poll::Ready(std::mem::replace(&mut self.deadline, next))
    }
}

impl std::fmt::Debug for Interval {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Interval")
            .field("deadline", &self.deadline)
            .field("period", &self.period)
            .field("behavior", &self.behavior)
            .field("registration", &self.registration)
            .finish()
    }
}

/// The future of [`Interval::tick`].
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct Tick<'a> {
    interval: &'a mut Interval,
    site: &'static Location<'static>,
}

impl Future for Tick<'_> {
    type Output = Instant;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Instant> {
        let tick = self.get_mut();
        tick.interval.poll_tick_from(cx, tick.site)
    }
}

/// Says what an [`Interval`] does when a tick comes late, because nobody asked for it in time.
///
/// With a period of 10 and a consumer that is busy from 10 to 35, the ticks come at:
///
/// | | |
/// |---|---|
/// | `Burst` | 0, 10, 35, 35, 40, 50 |
/// | `Delay` | 0, 10, 35, 45, 55, 65 |
/// | `Skip` | 0, 10, 35, 40, 50, 60 |
///
/// A tick that is late by less than 5 ms (or half a period, if that is shorter) does not count as missed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MissedTickBehavior {
    /// Catches up: missed ticks come one after the other without a pause, until the schedule is met again.
    #[default]
    Burst,
    /// Starts a new schedule: the following tick comes one period after the late one.
    Delay,
    /// Keeps the schedule and leaves out the ticks that were missed.
    Skip,
}

impl MissedTickBehavior {
    /// The tick after the one of `deadline`, which was taken at `now`.
    fn next(self, deadline: Instant, now: Instant, period: Duration) -> Instant {
        let late = now.saturating_duration_since(deadline);
        let missed = late > GRACE.min(period / 2);
        match self {
            MissedTickBehavior::Delay if missed => clock::saturating_add(now, period),
            MissedTickBehavior::Skip if missed => {
                clock::saturating_add(now, period - remainder(late, period))
            }
            _ => clock::saturating_add(deadline, period),
        }
    }
}

/// `a % b`, exact for any two durations.
fn remainder(a: Duration, b: Duration) -> Duration {
    let rest = a.as_nanos() % b.as_nanos();
    // Both parts fit: `rest` is less than `b`.
    Duration::new((rest / 1_000_000_000) as u64, (rest % 1_000_000_000) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The ticks, in milliseconds, of a consumer that comes for the `i`-th at `comes[i]` at the earliest.
    fn ticks(behavior: MissedTickBehavior, comes: &[u64]) -> Vec<u64> {
        let start = Instant::now();
        let ms = Duration::from_millis;
        let mut deadline = start;
        comes
            .iter()
            .map(|&come| {
                let now = deadline.max(start + ms(come));
                deadline = behavior.next(deadline, now, ms(10));
                u64::try_from((now - start).as_millis()).unwrap()
            })
            .collect()
    }

    const BUSY: [u64; 6] = [0, 10, 35, 35, 35, 35];

    #[test]
    fn burst_catches_up() {
        let ticks = ticks(MissedTickBehavior::Burst, &BUSY);
        assert_eq!(ticks, [0, 10, 35, 35, 40, 50]);
    }

    #[test]
    fn delay_starts_a_new_schedule() {
        let ticks = ticks(MissedTickBehavior::Delay, &BUSY);
        assert_eq!(ticks, [0, 10, 35, 45, 55, 65]);
    }

    #[test]
    fn skip_keeps_the_schedule() {
        let ticks = ticks(MissedTickBehavior::Skip, &BUSY);
        assert_eq!(ticks, [0, 10, 35, 40, 50, 60]);
    }

    #[test]
    fn an_ordinary_wake_latency_is_no_missed_tick() {
        for behavior in [
            MissedTickBehavior::Burst,
            MissedTickBehavior::Delay,
            MissedTickBehavior::Skip,
        ] {
            assert_eq!(ticks(behavior, &[1, 12, 23, 30]), [1, 12, 23, 30]);
        }
    }

    #[test]
    fn the_rules_survive_extreme_durations() {
        let now = Instant::now();
        for behavior in [
            MissedTickBehavior::Burst,
            MissedTickBehavior::Delay,
            MissedTickBehavior::Skip,
        ] {
            assert!(behavior.next(now, now, Duration::MAX) > now);
            let later = now + Duration::from_secs(1);
            assert!(behavior.next(now, later, Duration::MAX) > later);
            assert!(behavior.next(now, later, Duration::from_nanos(1)) > now);
        }
        assert_eq!(
            remainder(Duration::MAX, Duration::new(1, 1)),
            Duration::from_nanos((Duration::MAX.as_nanos() % 1_000_000_001) as u64)
        );
    }
}
