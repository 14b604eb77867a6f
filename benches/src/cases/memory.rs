//! Memory: by how many bytes the process grows per task.
//!
//! Whatever the case itself needs per task is allocated and touched before the first look at the
//! resident set; the future's own bytes (one pointer) belong to the task.

use std::pin::Pin;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::{Countdown, Cx, Failure, Verdict, check};
use crate::adapters::Runtime;
use crate::figures::{Figure, Figures, Meter};
use crate::usage::resident_bytes;

/// Where one parked task leaves its waker.
struct Seat<R: Runtime> {
    waker: OnceLock<Waker>,
    hall: &'static Hall<R>,
}

/// What the parked tasks share.
struct Hall<R: Runtime> {
    parked: &'static Countdown<R>,
    left: &'static Countdown<R>,
    open: AtomicBool,
}

/// Registers its waker and waits until the hall opens.
struct Parked<R: Runtime>(&'static Seat<R>);

impl<R: Runtime> Future for Parked<R> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let Seat { waker, hall } = self.0;
        // Acquire: pairs with the Release store in `parked`.
        if hall.open.load(Ordering::Acquire) {
            hall.left.hit();
            return Poll::Ready(());
        }
        if waker.set(context.waker().clone()).is_ok() {
            hall.parked.hit();
        }
        Poll::Pending
    }
}

/// Parks tasks, looks at the resident set, and wakes them all to see that each was alive.
pub(super) async fn parked<R: Runtime>(cx: Cx) -> Verdict {
    let (countdown, all_parked) = Countdown::<R>::start(cx.size);
    let (left, all_left) = Countdown::<R>::start(cx.size);
    let hall: &'static Hall<R> = Box::leak(Box::new(Hall {
        parked: countdown,
        left,
        open: AtomicBool::new(false),
    }));
    let seats: Vec<_> = (0..cx.size)
        .map(|_| Seat {
            waker: OnceLock::new(),
            hall,
        })
        .collect();
    let seats: &'static [Seat<R>] = seats.leak();
    let growth = Growth::start()?;
    for seat in seats {
        R::spawn_detached(Parked(seat));
    }
    all_parked.reached().await;
    let figures = growth.stop(cx.size)?;
    // Release: a woken task that loads `true` must also see that it was woken for this.
    hall.open.store(true, Ordering::Release);
    for seat in seats {
        seat.waker
            .get()
            .expect("every task has parked")
            .wake_by_ref();
    }
    all_left.reached().await;
    Ok(figures)
}

/// Lets tasks sleep for an hour and looks at the resident set.
pub(super) async fn sleeping<R: Runtime>(cx: Cx) -> Verdict {
    let ended: &'static AtomicU64 = Box::leak(Box::default());
    let (countdown, all_started) = Countdown::<R>::start(cx.size);
    // The runtime's timer threads and queues exist before the first look.
    R::sleep(Duration::from_millis(1)).await;
    let growth = Growth::start()?;
    for _ in 0..cx.size {
        R::spawn_detached(async move {
            countdown.hit();
            R::sleep(Duration::from_secs(3600)).await;
            // Relaxed: only whether it is zero matters.
            ended.fetch_add(1, Ordering::Relaxed);
        });
    }
    all_started.reached().await;
    // The last task has counted but may not have armed its timer yet.
    R::sleep(Duration::from_millis(20)).await;
    let figures = growth.stop(cx.size)?;
    // Relaxed: as above.
    check("sleeps that ended", ended.load(Ordering::Relaxed), 0)?;
    Ok(figures)
}

/// The resident set before the tasks came.
struct Growth {
    before: u64,
    meter: Meter,
}

impl Growth {
    fn start() -> Result<Growth, Failure> {
        Ok(Growth {
            before: resident()?,
            meter: Meter::start(),
        })
    }

    fn stop(self, tasks: u64) -> Result<Figures, Failure> {
        let grown = resident()?.saturating_sub(self.before);
        let measured = self.meter.stop();
        Ok(measured
            .per_op(tasks)
            .with(Figure::BytesPerTask, grown as f64 / tasks as f64))
    }
}

fn resident() -> Result<u64, Failure> {
    let skip = || Failure::Skip("the resident set is read from /proc/self/statm".into());
    resident_bytes().ok_or_else(skip)
}
