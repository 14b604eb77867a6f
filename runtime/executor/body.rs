//! What async-task runs for a task of an executor: the user's future, and its record.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use pin_project_lite::pin_project;

/// What an executor notes of one task. Dropped when the future is.
pub(super) trait Record {
    /// Keeps a waker of a task that waits, so that the executor can end it. Called after each poll that returned `Pending`.
    ///
    /// A task whose first poll is its last never gets here. One that does needs it: async-task frees a detached task that
    /// waits and has no waker without dropping its future.
    fn keep(&mut self, waker: &Waker);
}

/// The record of a task whose executor is never dropped: nobody will want to end it, so its waker is in no list. It is
/// kept all the same, in the task itself, for the sake of detached ones; see [`Record::keep`].
#[derive(Debug, Default)]
pub(super) struct Unlisted(Option<Waker>);

impl Record for Unlisted {
    #[inline]
    fn keep(&mut self, waker: &Waker) {
        if self.0.is_none() {
            self.0 = Some(waker.clone());
        }
    }
}

pin_project! {
    /// The future of a task.
    #[derive(Debug)]
    pub(super) struct Body<F, R> {
        #[pin]
        future: F,
        // After the future: fields are dropped in this order, and a task is finished when its future is gone.
        record: R,
    }
}

impl<F, R> Body<F, R> {
    pub(super) fn new(future: F, record: R) -> Self {
        Self { future, record }
    }
}

impl<F: Future, R: Record> Future for Body<F, R> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let poll = this.future.poll(cx);
        if poll.is_pending() {
            this.record.keep(cx.waker());
        }
        poll
    }
}
