//! `sleep`: a future that is ready from a point in time on.

use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::registration::Registration;
use super::{WaitKind, clock, note_wait};

/// Waits for `duration`, counted from this call.
///
/// A duration that overflows the clock means about a century.
///
/// # Cancel safety
///
/// Dropping the future frees its timer at once. Polled by reference, it keeps its deadline.
///
/// # Examples
///
/// ```
/// use gort::time::{Duration, Instant, sleep};
///
/// gort::block_on(async {
///     let start = Instant::now();
///     sleep(Duration::from_millis(2)).await;
///     assert!(start.elapsed() >= Duration::from_millis(2));
/// });
/// ```
#[track_caller]
pub fn sleep(duration: Duration) -> Sleep {
    Sleep {
        registration: Registration::ahead(duration),
        deadline: clock::saturating_add(Instant::now(), duration),
        site: Location::caller(),
    }
}

/// Waits until `deadline`.
///
/// # Cancel safety
///
/// Dropping the future frees its timer at once. Polled by reference, it keeps its deadline.
///
/// # Examples
///
/// ```
/// use gort::time::{Duration, Instant, sleep_until};
///
/// gort::block_on(async {
///     let deadline = Instant::now() + Duration::from_millis(2);
///     sleep_until(deadline).await;
///     assert!(Instant::now() >= deadline);
/// });
/// ```
#[track_caller]
pub fn sleep_until(deadline: Instant) -> Sleep {
    Sleep {
        registration: Registration::new(),
        deadline,
        site: Location::caller(),
    }
}

/// A future that is ready from its deadline on; made by [`sleep`] and [`sleep_until`].
///
/// It can be [reset](Sleep::reset) and polled again after it was ready.
#[must_use = "futures do nothing unless polled"]
pub struct Sleep {
    registration: Registration,
    deadline: Instant,
    site: &'static Location<'static>,
}

impl Sleep {
    /// Returns the instant from which on the future is ready.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Says whether the deadline has passed.
    pub fn is_elapsed(&self) -> bool {
        Instant::now() >= self.deadline
    }

    /// Moves the deadline.
    ///
    /// A task that waits for the future goes on waiting, for the new deadline.
    ///
    /// # Examples
    ///
    /// ```
    /// use gort::time::{Duration, Instant, sleep};
    ///
    /// gort::block_on(async {
    ///     let mut idle = sleep(Duration::from_secs(3600));
    ///     idle.reset(Instant::now() + Duration::from_millis(1));
    ///     idle.await;
    /// });
    /// ```
    pub fn reset(&mut self, deadline: Instant) {
        self.deadline = deadline;
        self.registration.reset(Some(deadline));
    }
}

impl Future for Sleep {
    type Output = ();

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let sleep = self.get_mut();
        let polled = sleep.registration.poll(sleep.deadline, cx);
        if polled.is_pending() {
            note_wait(WaitKind::Sleep, sleep.site);
        }
        polled.map(drop)
    }
}

impl std::fmt::Debug for Sleep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sleep")
            .field("deadline", &self.deadline)
            .field("registration", &self.registration)
            .finish()
    }
}
