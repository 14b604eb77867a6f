//! Making goroutines.

use std::future::Future;
use std::panic::Location;

use async_task::Task;

use crate::frame::{self, LARGE};
use crate::g::body::{self, Body, Boxed, Joinable, Life, Plain};
use crate::g::{Birth, G, free};
use crate::m::{self, Here};
use crate::shared::Shared;
use crate::task::{JoinHandle, heir, inherited};

/// What the spawner says about a goroutine.
#[derive(Debug)]
pub(crate) struct Origin {
    pub(crate) at: &'static Location<'static>,
    pub(crate) name: Option<Box<str>>,
}

/// A record, as it was when its goroutine was made: by the time the spawner looks again it may be that of another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Recorded {
    pub(crate) g: &'static G,
    pub(crate) generation: u32,
    pub(crate) id: u64,
}

/// Makes the goroutine of [`gort::spawn`](crate::spawn), which works for the context of its parent.
#[inline(always)]
pub(crate) fn plain<F>(rt: &Shared, origin: Origin, future: F) -> Task<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    match inherited() {
        // SAFETY: the future is Send and 'static.
        None => unsafe { spawn(rt, origin, Plain::new(future)) },
        // SAFETY: as above.
        Some(context) => unsafe { spawn(rt, origin, Plain::new(heir(context, future))) },
    }
}

/// Makes the goroutine of [`gort::go`](crate::go), which works for the context of its parent.
#[inline(always)]
pub(crate) fn joinable<F>(rt: &Shared, origin: Origin, future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    // SAFETY: the future is Send and 'static.
    unsafe { joinable_unchecked(rt, origin, future) }
}

/// [`joinable`] for a future that may borrow.
///
/// # Safety
///
/// The future is dropped as long as what it borrows is there, and so is its output.
#[inline(always)]
pub(crate) unsafe fn joinable_unchecked<'a, F>(
    rt: &Shared,
    origin: Origin,
    future: F,
) -> JoinHandle<F::Output>
where
    F: Future + Send + 'a,
    F::Output: Send,
{
    JoinHandle::new(match inherited() {
        // SAFETY: the caller's promise.
        None => unsafe { spawn_recorded(rt, origin, Joinable::new(future)) },
        Some(context) => {
            let body = Joinable::new(heir(context, future));
            // SAFETY: as above.
            unsafe { spawn_recorded(rt, origin, body) }
        }
    })
}

/// Makes a goroutine and puts it into a queue. If the runtime closes, the future is dropped and the task is cancelled.
///
/// # Safety
///
/// The first promise of [`body::task`].
#[inline(always)]
unsafe fn spawn<B: Body>(rt: &Shared, origin: Origin, body: B) -> Task<B::Output> {
    if const { B::FRAME > LARGE } {
        frame::tell(rt, origin.at, B::FRAME);
        // SAFETY: the caller's promise.
        return unsafe { spawn_as_it_is(rt, origin, Boxed::new(body)) };
    }
    // SAFETY: as above.
    unsafe { spawn_as_it_is(rt, origin, body) }
}

/// # Safety
///
/// As for [`spawn`].
#[inline(always)]
unsafe fn spawn_as_it_is<B: Body>(rt: &Shared, origin: Origin, body: B) -> Task<B::Output> {
    m::with_here(|here| {
        let unborn = match origin.name {
            None => Life::unborn(origin.at, parent(here)),
            Some(_) => None,
        };
        let life = unborn.unwrap_or_else(|| Life::born(record(rt, here, origin, B::FRAME).g));
        // SAFETY: the caller's promise.
        unsafe { start(rt, here, life, body) }
    })
}

/// Like [`spawn`], for a handle that wants to reach the goroutine by its record.
///
/// # Safety
///
/// As for [`spawn`].
#[inline(always)]
unsafe fn spawn_recorded<B: Body>(
    rt: &Shared,
    origin: Origin,
    body: B,
) -> (Recorded, Task<B::Output>) {
    if const { B::FRAME > LARGE } {
        frame::tell(rt, origin.at, B::FRAME);
        // SAFETY: the caller's promise.
        return unsafe { spawn_recorded_as_it_is(rt, origin, Boxed::new(body)) };
    }
    // SAFETY: as above.
    unsafe { spawn_recorded_as_it_is(rt, origin, body) }
}

/// # Safety
///
/// As for [`spawn`].
#[inline(always)]
unsafe fn spawn_recorded_as_it_is<B: Body>(
    rt: &Shared,
    origin: Origin,
    body: B,
) -> (Recorded, Task<B::Output>) {
    m::with_here(|here| {
        let recorded = record(rt, here, origin, B::FRAME);
        // SAFETY: the caller's promise.
        let task = unsafe { start(rt, here, Life::born(recorded.g), body) };
        (recorded, task)
    })
}

#[inline(always)]
fn parent(here: Option<Here<'_>>) -> u64 {
    here.and_then(Here::cur).map_or(0, G::id)
}

fn record(rt: &Shared, here: Option<Here<'_>>, origin: Origin, frame: usize) -> Recorded {
    let (g, id) = match here {
        Some(here) => (here.free_records().take(), here.new_id()),
        None => (free::take_shared(), m::new_ids(1).0),
    };
    let birth = Birth {
        id,
        parent: parent(here),
        frame,
        at: origin.at,
        name: origin.name,
    };
    g.begin(rt, birth);
    Recorded {
        g,
        generation: g.generation(),
        id,
    }
}

/// # Safety
///
/// As for [`spawn`].
#[inline(always)]
unsafe fn start<B: Body>(
    rt: &Shared,
    here: Option<Here<'_>>,
    life: Life,
    body: B,
) -> Task<B::Output> {
    // SAFETY: the caller's promise, and what follows.
    let (runnable, task) = unsafe { body::task(rt, life, body) };
    if rt.is_closing() {
        drop(runnable);
        return task;
    }
    match here {
        // Shutdown waits for this M before it empties the queues for the last time.
        Some(here) if here.belongs_to(rt) => here.ready_new(runnable),
        _ => rt.inject_foreign(runnable),
    }
    task
}
