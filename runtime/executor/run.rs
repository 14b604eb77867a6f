//! The futures that run an executor's tasks.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::ptr;
use std::task::{Context, Poll, ready};

use async_task::Runnable;
use crossbeam_deque::Worker;
use pin_project_lite::pin_project;

use super::sleepers::{Look, Name};
use super::state::State;

/// Tasks that one poll of a `run` future runs before it lets its thread do other things. From async-executor.
const TASKS_PER_POLL: usize = 200;

/// How often the global queue comes first. From Go.
const GLOBAL_EVERY: u32 = 61;

thread_local! {
    /// The seat whose poll this thread is in, innermost.
    static SEAT: Cell<(*const State, *const Worker<Runnable>)> = const { Cell::new((ptr::null(), ptr::null())) };
}

/// Calls `f` with the ring of the seat that this thread is polling, if it belongs to `state`.
#[inline]
pub(super) fn with_seat<R>(state: &State, f: impl FnOnce(Option<&Worker<Runnable>>) -> R) -> R {
    let (of, ring) = SEAT
        .try_with(Cell::get)
        .unwrap_or((ptr::null(), ptr::null()));
    if !ptr::eq(of, state) {
        return f(None);
    }
    // SAFETY: `Sitting` puts the ring there for the length of a poll on this thread, during which the seat stays where it is. The ring's owner's end is used by this thread alone.
    f(Some(unsafe { &*ring }))
}

/// The length of a poll.
struct Sitting((*const State, *const Worker<Runnable>));

impl Sitting {
    fn begin(state: &State, ring: &Worker<Runnable>) -> Self {
        Self(SEAT.replace((state, ring)))
    }
}

impl Drop for Sitting {
    fn drop(&mut self) {
        SEAT.set(self.0);
    }
}

/// A wait for one task, without a seat.
pub(super) struct Tick<'e> {
    state: &'e State,
    name: Name,
}

impl<'e> Tick<'e> {
    pub(super) fn new(state: &'e State) -> Self {
        Self {
            state,
            name: Name::default(),
        }
    }
}

impl Future for Tick<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let state = self.state;
        let runnable = ready!(find(state, &self.name, cx, || state.take()));
        runnable.run();
        Poll::Ready(())
    }
}

impl Drop for Tick<'_> {
    fn drop(&mut self) {
        leave(self.state, &self.name);
    }
}

/// Looks for a task, and sleeps if there is none.
#[inline]
fn find(
    state: &State,
    name: &Name,
    cx: &mut Context<'_>,
    search: impl Fn() -> Option<Runnable>,
) -> Poll<Runnable> {
    loop {
        if let Some(runnable) = search() {
            if state.sleepers.wake_up(name) && state.has_work() {
                // Others relied on us, and this one may take long.
                state.notify();
            }
            return Poll::Ready(runnable);
        }
        if state.sleepers.sleep(name, cx.waker()) == Look::No {
            return Poll::Pending;
        }
    }
}

/// Passes on a wake-up that came for somebody who goes.
fn leave(state: &State, name: &Name) {
    if state.sleepers.wake_up(name) {
        state.notify();
    }
}

/// The part of a `run` future that is registered with the executor.
struct Seat<'e> {
    state: &'e State,
    name: u64,
    ring: Worker<Runnable>,
    sleeper: Name,
    turn: Cell<u32>,
}

impl Seat<'_> {
    /// Runs tasks for one poll. By a shared reference: tasks that are polled reach the ring too.
    fn run_some(&self, cx: &mut Context<'_>) -> Poll<()> {
        let (state, ring, name) = (self.state, &self.ring, self.name);
        for _ in 0..TASKS_PER_POLL {
            let turn = self.turn.get().wrapping_add(1);
            self.turn.set(turn);
            let search = || {
                let first = turn
                    .is_multiple_of(GLOBAL_EVERY)
                    .then(|| state.take_global())
                    .flatten();
                first
                    .or_else(|| ring.pop())
                    .or_else(|| state.take_batch(ring))
                    .or_else(|| state.steal(name, ring))
            };
            let runnable = ready!(find(state, &self.sleeper, cx, search));
            runnable.run();
        }
        // The thread may have other things to do.
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.state.close_seat(self.name, &self.ring);
        leave(self.state, &self.sleeper);
    }
}

pin_project! {
    /// Runs tasks until a future is ready.
    pub(super) struct Run<'e, F> {
        // Dropped before the seat: what its destructor makes ready goes to the others.
        #[pin]
        future: F,
        seat: Seat<'e>,
    }
}

impl<'e, F> Run<'e, F> {
    pub(super) fn new(state: &'e State, future: F) -> Self {
        let (name, ring) = state.open_seat();
        Self {
            future,
            seat: Seat {
                state,
                name,
                ring,
                sleeper: Name::default(),
                turn: Cell::new(0),
            },
        }
    }
}

impl<F: Future> Future for Run<'_, F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let seat: &Seat<'_> = this.seat;
        let _sitting = Sitting::begin(seat.state, &seat.ring);
        if let Poll::Ready(output) = this.future.poll(cx) {
            return Poll::Ready(output);
        }
        ready!(seat.run_some(cx));
        Poll::Pending
    }
}
