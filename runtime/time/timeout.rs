//! `timeout`: a future that another future must beat.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::io;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use pin_project_lite::pin_project;

use super::registration::Registration;
use super::{WaitKind, note_wait};

/// Gives `future` until `duration` from this call.
///
/// The future is polled first, the clock afterwards and only if the future is pending: a future that is ready wins, however
/// late, and a `duration` of zero polls it once. A duration that overflows the clock is no limit.
///
/// # Errors
///
/// The output is [`Elapsed`] when the deadline passed and the future was still pending.
///
/// # Cancel safety
///
/// Dropping the timeout drops the future within. So does the end of `timeout(..).await` by [`Elapsed`]: what the future had done
/// by then is lost unless it is cancel safe itself. Pass `&mut future` to go on with it.
///
/// # Examples
///
/// ```
/// use gort::time::{Duration, sleep, timeout};
///
/// gort::block_on(async {
///     let soon = async { 7 };
///     assert_eq!(timeout(Duration::from_secs(10), soon).await, Ok(7));
///
///     let late = sleep(Duration::from_secs(10));
///     assert!(timeout(Duration::from_millis(1), late).await.is_err());
/// });
/// ```
#[track_caller]
pub fn timeout<F>(duration: Duration, future: F) -> Timeout<F::IntoFuture>
where
    F: IntoFuture,
{
    Timeout {
        future: future.into_future(),
        registration: Registration::ahead(duration),
        deadline: Instant::now().checked_add(duration),
        site: Location::caller(),
    }
}

/// Gives `future` until `deadline`.
///
/// It differs from [`timeout`] only in how the limit is said.
///
/// # Errors
///
/// The output is [`Elapsed`] when the deadline passed and the future was still pending.
///
/// # Cancel safety
///
/// As for [`timeout`].
///
/// # Examples
///
/// ```
/// use gort::time::{Duration, Instant, timeout_at};
/// use std::future::pending;
///
/// gort::block_on(async {
///     // Two steps share one limit.
///     let deadline = Instant::now() + Duration::from_millis(1);
///     assert!(timeout_at(deadline, async {}).await.is_ok());
///     assert!(timeout_at(deadline, pending::<()>()).await.is_err());
/// });
/// ```
#[track_caller]
pub fn timeout_at<F>(deadline: Instant, future: F) -> Timeout<F::IntoFuture>
where
    F: IntoFuture,
{
    Timeout {
        future: future.into_future(),
        registration: Registration::new(),
        deadline: Some(deadline),
        site: Location::caller(),
    }
}

pin_project! {
    /// A future with a limit; made by [`timeout`] and [`timeout_at`].
    #[must_use = "futures do nothing unless polled"]
    pub struct Timeout<F> {
        #[pin]
        future: F,
        registration: Registration,
        deadline: Option<Instant>,
        site: &'static Location<'static>,
    }
}

impl<F> Timeout<F> {
    /// Returns the future within.
    pub fn get_ref(&self) -> &F {
        &self.future
    }

    /// Returns the future within, for a change.
    pub fn get_mut(&mut self) -> &mut F {
        &mut self.future
    }

    /// Lifts the limit and returns the future within.
    pub fn into_inner(self) -> F {
        self.future
    }
}

impl<F: Future> Future for Timeout<F> {
    type Output = Result<F::Output, Elapsed>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        // Before the poll, so that a future which knows better has the last word.
        note_wait(WaitKind::Timeout, this.site);
        if let Poll::Ready(output) = this.future.poll(cx) {
            this.registration.cancel();
            return Poll::Ready(Ok(output));
        }
        match *this.deadline {
            Some(deadline) => this
                .registration
                .poll(deadline, cx)
                .map(|_| Err(Elapsed(()))),
            None => Poll::Pending,
        }
    }
}

impl<F: fmt::Debug> fmt::Debug for Timeout<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timeout")
            .field("future", &self.future)
            .field("deadline", &self.deadline)
            .field("registration", &self.registration)
            .finish()
    }
}

/// The error of a [`Timeout`] whose deadline passed.
///
/// It converts into an [`io::Error`] of the kind [`TimedOut`](io::ErrorKind::TimedOut).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed(());

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("deadline has elapsed")
    }
}

impl Error for Elapsed {}

impl From<Elapsed> for io::Error {
    fn from(elapsed: Elapsed) -> io::Error {
        io::Error::new(io::ErrorKind::TimedOut, elapsed)
    }
}
