//! The futures behind `tick()` and `run()`, for both kinds of executor.

use std::future::Future;
use std::panic::RefUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll};

use async_task::Runnable;
use pin_project_lite::pin_project;

use super::sleepers::{Place, Sleepers};
use crate::task::Note;

/// How many tasks a poll of `run()` runs before it lets its caller do something else. Borrowed from async-executor. In models one, so that its
/// thread may do no more after any.
const TURN: usize = if cfg!(all(test, gort_loom)) { 1 } else { 200 };

/// What the futures take tasks from.
pub(super) trait Source {
    /// What a `run()` future holds from its first poll to its end.
    type Seat;
    /// What it holds during a poll.
    type Seated<'p>
    where
        Self: 'p;

    fn claim(&self) -> Self::Seat;

    /// Makes the seat the current one of this thread.
    ///
    /// The caller keeps the guard on its stack.
    fn sit(seat: &Self::Seat) -> Self::Seated<'_>;

    /// Finds a task for the holder of a seat: in its own queue, or in another that will not be empty then.
    fn take(&self, seat: &Self::Seat) -> Option<Runnable>;

    /// Waits for a task for a moment before the holder of a seat goes to sleep, if that has been worth it lately.
    fn watch(&self, _seat: &Self::Seat) -> Option<Runnable> {
        None
    }

    /// Finds a task for the holder of a seat wherever there is one: the last look before the sleep.
    fn take_last(&self, seat: &Self::Seat) -> Option<Runnable> {
        self.take(seat)
    }

    /// Finds a task in any queue.
    fn take_any(&self) -> Option<Runnable>;

    /// Whether any queue holds a task.
    fn has_work(&self) -> bool;

    fn sleepers(&self) -> &Sleepers;
}

/// One future's place among the sleepers.
#[derive(Debug)]
struct Sleep<'s, S: Source> {
    source: &'s S,
    place: Place,
}

impl<'s, S: Source> Sleep<'s, S> {
    fn new(source: &'s S) -> Self {
        Self {
            source,
            place: Place::default(),
        }
    }

    /// Takes a task by `take`, or puts the future to sleep.
    #[inline]
    fn poll_take(
        &mut self,
        cx: &Context<'_>,
        mut take: impl FnMut(&S) -> Option<Runnable>,
    ) -> Poll<Runnable> {
        loop {
            if let Some(runnable) = take(self.source) {
                // Another may have to continue where we stop to look: the wake-up that we used up may have been for a task
                // that we did not find.
                if self.source.sleepers().withdraw(&mut self.place) && self.source.has_work() {
                    self.source.sleepers().wake_one();
                }
                return Poll::Ready(runnable);
            }
            if !self.source.sleepers().announce(&mut self.place, cx.waker()) {
                return Poll::Pending;
            }
        }
    }
}

impl<S: Source> Drop for Sleep<'_, S> {
    fn drop(&mut self) {
        if self.source.sleepers().withdraw(&mut self.place) {
            self.source.sleepers().wake_one();
        }
    }
}

/// The future of `tick()`.
pub(super) struct Tick<'s, S: Source>(Sleep<'s, S>);

impl<'s, S: Source> Tick<'s, S> {
    pub(super) fn new(source: &'s S) -> Self {
        Self(Sleep::new(source))
    }
}

impl<S: Source> Future for Tick<'_, S> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.poll_take(cx, S::take_any).map(|runnable| {
            runnable.run();
        })
    }
}

pin_project! {
    /// The future of `run()`.
    pub(super) struct Run<'s, S: Source, F> {
        #[pin]
        future: F,
        // Before the seat: what leaves its queue must wake another, not this one.
        sleep: Sleep<'s, S>,
        seat: Option<S::Seat>,
    }
}

impl<'s, S: Source, F> Run<'s, S, F> {
    pub(super) fn new(source: &'s S, future: F) -> Self {
        Self {
            future,
            sleep: Sleep::new(source),
            seat: None,
        }
    }
}

// What a panic of a task interrupts is the task, not its executor.
impl<S: Source, F: RefUnwindSafe> RefUnwindSafe for Run<'_, S, F> {}
impl<S: Source> RefUnwindSafe for Tick<'_, S> {}

impl<S: Source, F: Future> Future for Run<'_, S, F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let seat = &*this.seat.get_or_insert_with(|| this.sleep.source.claim());
        let _seated = S::sit(seat);
        if let Poll::Ready(output) = this.future.poll(cx) {
            return Poll::Ready(output);
        }
        let waits = Note::current();
        for _ in 0..TURN {
            let mut last = false;
            let look = |source: &S| match std::mem::replace(&mut last, true) {
                false => source.take(seat).or_else(|| source.watch(seat)),
                true => source.take_last(seat),
            };
            match this.sleep.poll_take(cx, look) {
                Poll::Ready(runnable) => {
                    runnable.run();
                }
                Poll::Pending => {
                    waits.put_again();
                    return Poll::Pending;
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
