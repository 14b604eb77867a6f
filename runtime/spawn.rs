//! Making goroutines.

use std::panic::Location;

use async_task::Task;
use gort_primitives::atomic::{Ordering, fence};

use crate::g::body::{self, Body};
use crate::g::{Birth, G, free};
use crate::m::{self, Here};
use crate::shared::Shared;

/// What the spawner says about a goroutine.
#[derive(Debug)]
pub(crate) struct Origin {
    pub(crate) at: &'static Location<'static>,
    pub(crate) name: Option<Box<str>>,
}

/// Makes a goroutine and puts it into a queue. If the runtime closes, the future is dropped and the task is cancelled.
///
/// # Safety
///
/// As for [`body::task`].
#[inline(always)]
pub(crate) unsafe fn spawn<B: Body>(
    rt: &Shared,
    origin: Origin,
    body: B,
) -> (&'static G, Task<B::Output>) {
    m::with_here(|here| match here {
        Some(here) if here.belongs_to(rt) => {
            // SAFETY: the caller's promise.
            unsafe { spawn_here(here, origin, body) }
        }
        // SAFETY: the caller's promise.
        _ => unsafe { spawn_foreign(rt, origin, body) },
    })
}

/// # Safety
///
/// As for [`body::task`].
#[inline(always)]
unsafe fn spawn_here<B: Body>(
    here: Here<'_>,
    origin: Origin,
    body: B,
) -> (&'static G, Task<B::Output>) {
    let g = here.free_records().take();
    let birth = Birth {
        id: here.new_id(),
        parent: here.cur().map_or(0, G::id),
        at: origin.at,
        name: origin.name,
    };
    g.begin(here.rt(), birth);
    // SAFETY: the caller's promise.
    let (runnable, task) = unsafe { body::task(g, body) };
    // No fence: shutdown waits for this M before it looks for goroutines, so one that slips through is found.
    if here.rt().is_closing() {
        drop(runnable);
    } else {
        g.put_runnable(runnable);
        here.ready(g, false);
    }
    (g, task)
}

/// # Safety
///
/// As for [`body::task`].
#[cold]
unsafe fn spawn_foreign<B: Body>(
    rt: &Shared,
    origin: Origin,
    body: B,
) -> (&'static G, Task<B::Output>) {
    let g = free::take_shared();
    let birth = Birth {
        id: m::new_ids(1).0,
        parent: 0,
        at: origin.at,
        name: origin.name,
    };
    g.begin(rt, birth);
    // SAFETY: the caller's promise.
    let (runnable, task) = unsafe { body::task(g, body) };
    // SeqCst: pairs with the swap in `Shared::close`. If our record is first, shutdown's walk finds a living goroutine and
    // waits until its future is gone; if its swap is first, we see it here.
    fence(Ordering::SeqCst);
    if rt.is_closing() {
        drop(runnable);
    } else {
        g.put_runnable(runnable);
        // SAFETY: it has a future, and its runnable is in the record.
        unsafe { Shared::ready(g, false) };
    }
    (g, task)
}
