//! What an async-task task of gort consists of: the future that polls the user's one with the goroutine's own waker, and the
//! schedule function that puts the goroutine into a queue.

use std::future::Future;
use std::panic::{Location, resume_unwind};
use std::pin::Pin;
use std::ptr::{self, NonNull};
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

    /// The size of the user's future.
    const FRAME: usize;

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

    const FRAME: usize = size_of::<F>();

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, g: &'static G, cx: &mut Context<'_>) -> Poll<F::Output> {
        // To async-task, which keeps it for the awaiter.
        panic::reported(g, || self.project().future.poll(cx)).unwrap_or_else(|p| resume_unwind(p))
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

    const FRAME: usize = size_of::<F>();

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, g: &'static G, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if g.is_aborted() {
            return Poll::Ready(Err(JoinError::aborted(g.id())));
        }
        match panic::reported(g, || self.project().future.poll(cx)) {
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

/// A body that is too [large](crate::frame) to be passed on by value.
pub(crate) struct Boxed<B>(Pin<Box<B>>);

impl<B> Boxed<B> {
    pub(crate) fn new(body: B) -> Self {
        Self(Box::pin(body))
    }
}

impl<B: Body> Body for Boxed<B> {
    type Output = B::Output;

    const FRAME: usize = B::FRAME;

    fn poll(mut self: Pin<&mut Self>, g: &'static G, cx: &mut Context<'_>) -> Poll<B::Output> {
        self.0.as_mut().poll(g, cx)
    }

    fn armed(mut self: Pin<&mut Self>, g: &'static G) -> Poll<B::Output> {
        self.0.as_mut().armed(g)
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
        let g = this.life.g(here, B::FRAME);
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
///
/// One word, because it is part of every parked goroutine. Born: the address of the record, which is even. Not polled yet (see
/// [`g`](super) for why it has no record): what the record will hold, with the lowest bit set.
///
/// ```text
///  63            32 31          1 0
/// |  spawn site    |  parent     |1|    the site's address, relative to this program's own; the parent's id
/// ```
#[derive(Debug)]
pub(crate) struct Life(usize);

/// What spawn sites are near to: a constant of this program.
static NEAR: u8 = 0;

impl Life {
    #[inline(always)]
    pub(crate) fn born(g: &'static G) -> Self {
        Self(ptr::from_ref(g).expose_provenance())
    }

    /// None if the two do not fit into a word: a library that was loaded far away, or a very old process.
    #[inline(always)]
    pub(crate) fn unborn(at: &'static Location<'static>, parent: u64) -> Option<Self> {
        let near = (&raw const NEAR).addr();
        let at = ptr::from_ref(at).expose_provenance();
        let offset = i32::try_from(at.wrapping_sub(near).cast_signed()).ok()?;
        let parent = u32::try_from(parent).ok().filter(|&id| id < 1 << 31)?;
        let word = u64::from(offset.cast_unsigned()) << 32 | u64::from(parent) << 1 | 1;
        usize::try_from(word).ok().map(Self)
    }

    /// The record.
    #[inline(always)]
    fn recorded(&self) -> Option<&'static G> {
        // SAFETY: an even word is the address of a record, from `born`, and records are never freed.
        (self.0 & 1 == 0).then(|| unsafe { &*ptr::with_exposed_provenance::<G>(self.0) })
    }

    /// What the record will hold. Only for an odd word.
    #[inline(always)]
    fn origin(&self) -> (&'static Location<'static>, u64) {
        let word = self.0 as u64;
        let offset = ((word >> 32) as u32).cast_signed();
        let at = (&raw const NEAR)
            .addr()
            .wrapping_add_signed(offset as isize);
        // SAFETY: the address is that of a `&'static Location`, from `unborn`.
        let at = unsafe { &*ptr::with_exposed_provenance::<Location<'static>>(at) };
        (at, word as u32 as u64 >> 1)
    }

    #[inline(always)]
    fn g(&mut self, here: Here<'_>, frame: usize) -> &'static G {
        if let Some(g) = self.recorded() {
            return g;
        }
        let (at, parent) = self.origin();
        let g = here.free_records().take();
        let birth = Birth {
            id: here.new_id(),
            parent,
            frame,
            at,
            name: None,
        };
        g.begin(here.rt(), birth);
        *self = Self::born(g);
        g
    }
}

impl Drop for Life {
    #[inline]
    fn drop(&mut self) {
        if let Some(g) = self.recorded() {
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

#[cfg(all(test, not(gort_loom), target_pointer_width = "64"))]
mod tests {
    use super::*;

    #[test]
    fn a_spawn_site_and_a_parent_come_back_from_their_word() {
        let at = Location::caller();
        for parent in [0, 1, 77, (1 << 31) - 1] {
            let Some(life) = Life::unborn(at, parent) else {
                panic!("a test's own code is near, and {parent} is small");
            };
            assert!(life.recorded().is_none());
            let (found, found_parent) = life.origin();
            assert!(ptr::eq(found, at));
            assert_eq!(found_parent, parent);
        }
        assert!(Life::unborn(at, 1 << 31).is_none(), "it does not fit");
    }
}
