//! `Timer`: the surface and semantics of `async_io::Timer` 2.6.
//!
//! As there, the poll that takes a tick of a periodic timer also arms it for the next one: futures are written that poll it once each time
//! they are woken.
//!
//! One difference, not visible to a future that keeps to its contract: a `set_*` between the firing and the poll it caused does
//! not wake the task a second time.

use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use futures_core::Stream;

use super::registration::Registration;
use super::{WaitKind, note_wait};

/// Completes or emits at a point in time, once or periodically.
///
/// A timer is a [`Future`] and a [`Stream`] of [`Instant`]s: the moments for which it was set. It is armed when first polled, and
/// wakes the task that polled it last. A timer that has fired for the last time stays pending; [`sleep`](crate::time::sleep) is
/// a future that stays ready.
///
/// # Cancel safety
///
/// Dropping a timer cancels it and frees its waker at once. Polling it by reference, `(&mut timer).await`, and giving up loses
/// nothing: the timer keeps its deadline.
///
/// # Examples
///
/// ```
/// use gort::time::{Duration, Timer};
///
/// gort::block_on(async {
///     Timer::after(Duration::from_millis(1)).await;
/// });
/// ```
pub struct Timer {
    registration: Registration,
    /// The next instant to fire at.
    when: Option<Instant>,
    /// `Duration::MAX` when the timer fires once: the sum with any instant overflows.
    period: Duration,
    site: &'static Location<'static>,
}

impl Timer {
    /// Creates a timer that never fires.
    ///
    /// # Examples
    ///
    /// ```
    /// use gort::time::{Duration, Timer};
    ///
    /// fn limit(timeout: Option<Duration>) -> Timer {
    ///     timeout.map_or_else(Timer::never, Timer::after)
    /// }
    /// assert!(!limit(None).will_fire());
    /// ```
    #[track_caller]
    pub fn never() -> Timer {
        Timer::with(None, Duration::MAX)
    }

    /// Creates a timer that fires once, after `duration`; never if that overflows.
    ///
    /// # Examples
    ///
    /// ```
    /// use gort::time::{Duration, Timer};
    ///
    /// gort::block_on(async {
    ///     Timer::after(Duration::from_millis(1)).await;
    /// });
    /// ```
    #[track_caller]
    pub fn after(duration: Duration) -> Timer {
        Timer::with(Instant::now().checked_add(duration), Duration::MAX)
    }

    /// Creates a timer that fires once, at `instant`.
    ///
    /// # Examples
    ///
    /// ```
    /// use gort::time::{Duration, Instant, Timer};
    ///
    /// gort::block_on(async {
    ///     let when = Instant::now() + Duration::from_millis(1);
    ///     assert_eq!(Timer::at(when).await, when);
    /// });
    /// ```
    #[track_caller]
    pub fn at(instant: Instant) -> Timer {
        Timer::with(Some(instant), Duration::MAX)
    }

    /// Creates a timer that fires every `period`, the first time after one `period`.
    ///
    /// # Examples
    ///
    /// ```
    /// use futures_core::Stream;
    /// use gort::time::{Duration, Timer};
    /// use std::{future::poll_fn, pin::Pin};
    ///
    /// gort::block_on(async {
    ///     let mut ticks = Timer::interval(Duration::from_millis(1));
    ///     let first = poll_fn(|cx| Pin::new(&mut ticks).poll_next(cx)).await.unwrap();
    ///     let second = poll_fn(|cx| Pin::new(&mut ticks).poll_next(cx)).await.unwrap();
    ///     assert_eq!(second - first, Duration::from_millis(1));
    /// });
    /// ```
    #[track_caller]
    pub fn interval(period: Duration) -> Timer {
        Timer::with(Instant::now().checked_add(period), period)
    }

    /// Creates a timer that fires at `start` and every `period` from then on.
    ///
    /// # Examples
    ///
    /// ```
    /// use gort::time::{Duration, Instant, Timer};
    ///
    /// gort::block_on(async {
    ///     let start = Instant::now();
    ///     let mut timer = Timer::interval_at(start, Duration::from_millis(1));
    ///     assert_eq!((&mut timer).await, start);
    ///     assert_eq!((&mut timer).await, start + Duration::from_millis(1));
    /// });
    /// ```
    #[track_caller]
    pub fn interval_at(start: Instant, period: Duration) -> Timer {
        Timer::with(Some(start), period)
    }

    /// Says whether the timer will fire again.
    ///
    /// # Examples
    ///
    /// ```
    /// use gort::time::{Duration, Timer};
    ///
    /// assert!(!Timer::never().will_fire());
    /// assert!(!Timer::after(Duration::MAX).will_fire());
    ///
    /// gort::block_on(async {
    ///     let mut once = Timer::after(Duration::from_millis(1));
    ///     assert!(once.will_fire());
    ///     (&mut once).await;
    ///     assert!(!once.will_fire());
    /// });
    /// ```
    #[inline]
    pub fn will_fire(&self) -> bool {
        self.when.is_some()
    }

    /// Sets the timer to fire after `duration`; never if that overflows.
    ///
    /// Who waits for the timer goes on waiting, for the new moment. A periodic timer keeps its period.
    ///
    /// # Examples
    ///
    /// ```
    /// use gort::time::{Duration, Timer};
    ///
    /// gort::block_on(async {
    ///     let mut timer = Timer::after(Duration::from_secs(3600));
    ///     timer.set_after(Duration::from_millis(1));
    ///     timer.await;
    /// });
    /// ```
    pub fn set_after(&mut self, duration: Duration) {
        self.set(Instant::now().checked_add(duration));
    }

    /// Sets the timer to fire at `instant`.
    ///
    /// Who waits for the timer goes on waiting, for the new moment. A periodic timer keeps its period.
    ///
    /// # Examples
    ///
    /// ```
    /// use gort::time::{Instant, Timer};
    ///
    /// gort::block_on(async {
    ///     let mut timer = Timer::never();
    ///     timer.set_at(Instant::now());
    ///     timer.await;
    /// });
    /// ```
    pub fn set_at(&mut self, instant: Instant) {
        self.set(Some(instant));
    }

    /// Sets the timer to fire every `period`, the first time after one `period`; never if that overflows.
    ///
    /// Who waits for the timer goes on waiting, for the new moment.
    ///
    /// # Examples
    ///
    /// ```
    /// use gort::time::{Duration, Timer};
    ///
    /// gort::block_on(async {
    ///     let mut timer = Timer::never();
    ///     timer.set_interval(Duration::from_millis(1));
    ///     (&mut timer).await;
    ///     (&mut timer).await;
    /// });
    /// ```
    pub fn set_interval(&mut self, period: Duration) {
        match Instant::now().checked_add(period) {
            Some(start) => self.set_interval_at(start, period),
            None => self.clear(),
        }
    }

    /// Sets the timer to fire at `start` and every `period` from then on.
    ///
    /// Who waits for the timer goes on waiting, for the new moment.
    ///
    /// # Examples
    ///
    /// ```
    /// use gort::time::{Duration, Instant, Timer};
    ///
    /// gort::block_on(async {
    ///     let start = Instant::now();
    ///     let mut timer = Timer::never();
    ///     timer.set_interval_at(start, Duration::from_millis(1));
    ///     assert_eq!((&mut timer).await, start);
    /// });
    /// ```
    pub fn set_interval_at(&mut self, start: Instant, period: Duration) {
        self.period = period;
        self.set(Some(start));
    }

    /// Sets the timer never to fire, until it is set again.
    ///
    /// Who waits for the timer goes on waiting.
    ///
    /// # Examples
    ///
    /// ```
    /// use gort::time::{Duration, Timer};
    ///
    /// let mut timer = Timer::after(Duration::from_secs(1));
    /// timer.clear();
    /// assert!(!timer.will_fire());
    /// ```
    pub fn clear(&mut self) {
        self.set(None);
    }

    #[track_caller]
    fn with(when: Option<Instant>, period: Duration) -> Timer {
        Timer {
            registration: Registration::new(),
            when,
            period,
            site: Location::caller(),
        }
    }

    fn set(&mut self, when: Option<Instant>) {
        self.when = when;
        self.registration.reset(when);
    }

    fn poll_when(&mut self, cx: &mut Context<'_>) -> Poll<Instant> {
        let Some(when) = self.when else {
            self.registration.hold(cx);
            return Poll::Pending;
        };
        ready!(self.registration.poll(when, cx));
        self.when = when.checked_add(self.period);
        if self.when.is_some() {
            self.registration.arm(self.when, cx.waker());
        }
        Poll::Ready(when)
    }
}

impl Future for Timer {
    type Output = Instant;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Instant> {
        let timer = self.get_mut();
        let polled = timer.poll_when(cx);
        if polled.is_pending() {
            note_wait(WaitKind::Sleep, timer.site);
        }
        polled
    }
}

impl Stream for Timer {
    type Item = Instant;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Instant>> {
        self.poll(cx).map(Some)
    }
}

impl std::fmt::Debug for Timer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Timer")
            .field("when", &self.when)
            .field("period", &self.period)
            .field("registration", &self.registration)
            .finish()
    }
}
