//! What an async-task task of gort consists of: the future that polls the user's one with the goroutine's own waker, and the
//! schedule function that puts the goroutine into a queue.

use std::future::Future;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Poll};

use async_task::{Runnable, ScheduleInfo, Task, WithInfo};
use pin_project_lite::pin_project;

use super::{Birth, G, Habit};
use crate::m::{self, Here};
use crate::shared::Shared;
use crate::task::JoinError;
use crate::{panic, sysmon};

/// A future as a goroutine runs it.
pub(crate) trait Body {
    type Output;

    fn poll(self: Pin<&mut Self>, g: &'static G, cx: &mut Context<'_>) -> Poll<Self::Output>;

    /// Called once, when the first poll has returned `Pending` and the goroutine can be reached by others.
    fn armed(self: Pin<&mut Self>, g: &'static G) -> Poll<Self::Output>;
}

pin_project! {
    /// What [`spawn`](crate::spawn) runs: the output is the future's, a panic goes to whoever awaits the handle.
    pub(crate) struct Plain<F> {
        #[pin]
        future: F,
    }
}

impl<F> Plain<F> {
    pub(crate) fn new(future: F) -> Self {
        Self { future }
    }
}

impl<F: Future> Body for Plain<F> {
    type Output = F::Output;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, g: &'static G, cx: &mut Context<'_>) -> Poll<F::Output> {
        let report = panic::Report(g);
        let poll = self.project().future.poll(cx);
        std::mem::forget(report);
        poll
    }

    #[inline(always)]
    fn armed(self: Pin<&mut Self>, _: &'static G) -> Poll<F::Output> {
        Poll::Pending
    }
}

pin_project! {
    /// What [`go`](crate::go) runs: it can be aborted, and a panic is an error for the joiner.
    pub(crate) struct Joinable<F> {
        #[pin]
        future: F,
    }
}

impl<F> Joinable<F> {
    pub(crate) fn new(future: F) -> Self {
        Self { future }
    }
}

impl<F: Future> Body for Joinable<F> {
    type Output = Result<F::Output, JoinError>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, g: &'static G, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if g.is_aborted() {
            return Poll::Ready(Err(JoinError::aborted(g.id())));
        }
        let future = self.project().future;
        // Unwind safety: after a panic the future is dropped and never polled again.
        let polled = catch_unwind(AssertUnwindSafe(|| {
            let report = panic::Report(g);
            let poll = future.poll(cx);
            std::mem::forget(report);
            poll
        }));
        match polled {
            Ok(poll) => poll.map(Ok),
            Err(payload) => Poll::Ready(Err(JoinError::panicked(g.id(), payload))),
        }
    }

    fn armed(self: Pin<&mut Self>, g: &'static G) -> Poll<Self::Output> {
        if g.is_aborted_after_arming() {
            return Poll::Ready(Err(JoinError::aborted(g.id())));
        }
        Poll::Pending
    }
}

pin_project! {
    /// The future that async-task polls.
    struct Goroutine<B> {
        // Dropped before `life`, which then tells the record.
        #[pin]
        body: B,
        life: Life,
    }
}

impl<B: Body> Future for Goroutine<B> {
    type Output = B::Output;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<B::Output> {
        m::with_here(|here| match here {
            Some(here) => self.poll_here(here, cx),
            None => unreachable!("goroutines are polled by Ms only"),
        })
    }
}

impl<B: Body> Goroutine<B> {
    #[inline(always)]
    fn poll_here(self: Pin<&mut Self>, here: Here<'_>, cx: &mut Context<'_>) -> Poll<B::Output> {
        let this = self.project();
        let g = this.life.g(here);
        here.set_cur(g);
        let aside = (g.habit() != Habit::None).then(|| here.step_aside(g));
        g.begin_poll(cx.waker());
        let waker = g.waker();
        let mut body = this.body;
        let poll = body.as_mut().poll(g, &mut Context::from_waker(&waker));
        drop(aside);
        if poll.is_pending() {
            if g.end_poll(sysmon::tick()) {
                return body.armed(g);
            }
        } else {
            here.local().finishing.set(true);
        }
        poll
    }
}

/// The future's part in its record.
#[derive(Debug)]
pub(crate) enum Life {
    /// Not polled yet: what the record will hold. See [`g`](super) for why it has none.
    Unborn {
        at: &'static Location<'static>,
        parent: u64,
    },
    Born(&'static G),
}

// The pointers share a word.
const _: () = assert!(size_of::<Life>() <= 16);

impl Life {
    #[inline(always)]
    fn g(&mut self, here: Here<'_>) -> &'static G {
        match *self {
            Self::Born(g) => g,
            Self::Unborn { at, parent } => {
                let g = here.free_records().take();
                let birth = Birth {
                    id: here.new_id(),
                    parent,
                    at,
                    name: None,
                };
                g.begin(here.rt(), birth);
                *self = Self::Born(g);
                g
            }
        }
    }
}

impl Drop for Life {
    #[inline]
    fn drop(&mut self) {
        if let Self::Born(g) = *self {
            g.future_dropped();
        }
    }
}

/// The runtime of a goroutine, for the schedule function.
#[derive(Clone, Copy)]
struct Home(NonNull<Shared>);

// SAFETY: `Shared` is shared between threads.
unsafe impl Send for Home {}
// SAFETY: as for `Send`.
unsafe impl Sync for Home {}

/// Makes the task of a goroutine. The runnable is in nobody's queue yet.
///
/// # Safety
///
/// 1. The body may be run and dropped on any thread, at any time until the runtime is gone: it is `Send` and `'static`, or the
///    caller makes sure of what these would.
/// 2. The runnable goes into a queue of `rt`, or is dropped.
#[inline]
pub(crate) unsafe fn task<B: Body>(
    rt: &Shared,
    life: Life,
    body: B,
) -> (Runnable, Task<B::Output>) {
    let future = Goroutine { body, life };
    let home = Home(NonNull::from(rt));
    let schedule = move |runnable: Runnable, info: ScheduleInfo| {
        let home = home;
        // SAFETY: async-task schedules a task only while its future exists, and the runtime outlives its futures.
        unsafe { Shared::ready(home.0, runnable, info.woken_while_running) };
    };
    let builder = async_task::Builder::new().propagate_panic(true);
    // SAFETY: the schedule function is Send, Sync and 'static (it holds a pointer to shared memory); for the future the
    // caller vouches.
    unsafe { builder.spawn_unchecked(move |()| future, WithInfo(schedule)) }
}
