//! The waker that a goroutine's future is polled with: its data is the record, its references are [`Refs`](super::refs::Refs).
//!
//! A wake goes through to async-task's waker, which decides whether there is anything to schedule; it does nothing once the
//! future is gone, so a waker may outlive its goroutine, and its runtime, for any time.

use std::mem::ManuallyDrop;
use std::ptr;
use std::task::{RawWaker, RawWakerVTable, Waker};

use gort_primitives::atomic::Ordering;

use super::refs::Release;
use super::{G, State, free};

static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, drop_waker);

/// Whether a waker wakes a goroutine, which blocks nobody and runs nobody else's code.
pub(crate) fn is_goroutines(waker: &Waker) -> bool {
    ptr::eq(waker.vtable(), &raw const VTABLE)
}

/// # Safety
///
/// `data` is the data of a waker made by [`G::waker`].
unsafe fn record(data: *const ()) -> &'static G {
    // SAFETY: such data points to a record, and records are never freed.
    unsafe { &*data.cast::<G>() }
}

unsafe fn clone(data: *const ()) -> RawWaker {
    // SAFETY: called through our vtable only.
    let g = unsafe { record(data) };
    g.refs.clone_ref(
        || g.make_inner(),
        || drop(ManuallyDrop::into_inner(g.inner())),
    );
    RawWaker::new(data, &VTABLE)
}

unsafe fn wake(data: *const ()) {
    // SAFETY: called through our vtable only.
    let g = unsafe { record(data) };
    g.note_woken();
    g.inner().wake_by_ref();
    g.release_ref();
}

unsafe fn wake_by_ref(data: *const ()) {
    // SAFETY: called through our vtable only.
    let g = unsafe { record(data) };
    g.note_woken();
    g.inner().wake_by_ref();
}

unsafe fn drop_waker(data: *const ()) {
    // SAFETY: called through our vtable only.
    unsafe { record(data) }.release_ref();
}

impl G {
    /// The waker for a poll, borrowed: cloning it adds an owner, dropping it must not happen.
    #[inline(always)]
    pub(super) fn waker(&'static self) -> ManuallyDrop<Waker> {
        let data = ptr::from_ref(self).cast::<()>();
        // SAFETY: the vtable keeps the contract of wakers, and the data is a record.
        ManuallyDrop::new(unsafe { Waker::new(data, &VTABLE) })
    }

    /// async-task's waker. Exists while `refs` is not 0, and during a poll.
    #[inline(always)]
    fn inner(&self) -> ManuallyDrop<Waker> {
        let data = self.data.load(Ordering::Relaxed);
        let vtable = self.vtable.load(Ordering::Relaxed).cast::<RawWakerVTable>();
        // SAFETY: written by `begin_poll` from a `&'static RawWakerVTable`, before any waker of ours existed.
        let vtable = unsafe { &*vtable };
        // SAFETY: both halves come from one waker of async-task's. Every caller holds a reference, or is inside the poll
        // that borrows it.
        ManuallyDrop::new(unsafe { Waker::new(data, vtable) })
    }

    /// Creates the inner waker that the record owns. Called during a poll.
    #[inline]
    fn make_inner(&self) {
        let inner = self.inner();
        let owned: Waker = (*inner).clone();
        std::mem::forget(owned);
    }

    /// Called at the start of each poll, with async-task's waker.
    #[inline(always)]
    pub(super) fn begin_poll(&self, inner: &Waker) {
        let polls = self.polls.load(Ordering::Relaxed).wrapping_add(1);
        self.polls.store(polls, Ordering::Relaxed);
        // Release, these three: who sees one of them (Acquire, in `doing`) sees the count above changed.
        self.woken.store(false, Ordering::Release);
        // What it waited for before says nothing of its next wait, of which gort may know nothing.
        self.wait.store(0, Ordering::Release);
        self.state.store(State::Running as u8, Ordering::Release);
        if self.vtable.load(Ordering::Relaxed).is_null() {
            self.data.store(inner.data().cast_mut(), Ordering::Relaxed);
            let vtable = ptr::from_ref(inner.vtable()).cast_mut().cast::<()>();
            self.vtable.store(vtable, Ordering::Relaxed);
        }
    }

    /// Called when a poll has returned `Pending`. Returns whether it was the first that did.
    #[inline(always)]
    pub(super) fn end_poll(&self, now: u32) -> bool {
        self.since.store(now, Ordering::Relaxed);
        // Release: who sees that it waits (Acquire, in `state`) sees the reason that this poll noted.
        self.state.store(State::Waiting as u8, Ordering::Release);
        self.refs.arm(|| self.make_inner())
    }

    /// Called when the future has been dropped, on any path.
    #[inline]
    pub(super) fn future_dropped(&'static self) {
        // Release: a walk that sees Dead (Acquire) sees what the future's destructor did.
        self.state.store(State::Dead as u8, Ordering::Release);
        if self.refs.is_none() {
            free::release(self);
        } else {
            self.release_ref();
        }
    }

    #[inline]
    fn release_ref(&'static self) {
        match self.refs.release() {
            Release::Last => self.last_ref_gone(),
            Release::Shared => {}
        }
    }

    /// The future's own reference goes when the future does, so both are gone, and nobody has the record any more.
    fn last_ref_gone(&'static self) {
        let inner = ManuallyDrop::into_inner(self.inner());
        free::release(self);
        // Last, because it may free the task, and with it what else the user put there.
        drop(inner);
    }

    /// Wakes the goroutine by a pointer that owns nothing. Returns false if nobody can: it is in a queue, in its first poll,
    /// or finished.
    pub(crate) fn wake_if_reachable(&'static self) -> bool {
        let reachable = self.refs.upgrade();
        if reachable {
            self.note_woken();
            self.inner().wake_by_ref();
            self.release_ref();
        }
        reachable
    }

    /// Whether the goroutine waits and nobody can wake it.
    ///
    /// The caller must see it twice, some time apart, with the same number of polls: for a moment a goroutine looks the same
    /// if it was cancelled, or woken twice at the same time.
    pub(crate) fn looks_lost(&self) -> bool {
        self.state() == State::Waiting && self.refs.only_future()
    }
}
