//! A point in time that a future waits for, on the timers of [`set_timers`](crate::set_timers).

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use crate::timers;

/// Ready when its time has come; never, if that is further away than the clock reaches.
pub struct Deadline {
    at: Option<Instant>,
    /// The waker that the timer wakes, and the timer.
    armed: Option<(Waker, Box<dyn Any + Send>)>,
}

impl Deadline {
    pub(crate) fn at(at: Instant) -> Self {
        let at = Some(at);
        Self { at, armed: None }
    }

    /// A deadline in so long a time.
    #[must_use]
    pub fn after(duration: Duration) -> Self {
        let at = Instant::now().checked_add(duration);
        Self { at, armed: None }
    }
}

impl Future for Deadline {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(at) = self.at else {
            return Poll::Pending;
        };
        if at <= Instant::now() {
            self.armed = None;
            return Poll::Ready(());
        }
        let armed = self.armed.as_ref();
        if !armed.is_some_and(|(waker, _)| waker.will_wake(cx.waker())) {
            let timer = timers::wake_at(at, cx.waker());
            self.armed = Some((cx.waker().clone(), timer));
        }
        Poll::Pending
    }
}

impl fmt::Debug for Deadline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deadline")
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}
