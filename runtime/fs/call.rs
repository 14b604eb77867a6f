//! [`Call`], one call to the file system.

use std::fmt;
use std::future::Future;
use std::io;
use std::panic::{Location, RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::task::{Context, Poll};

use async_task::Task;

use crate::pool::unblock;
use crate::task::{WaitReason, note_wait};

/// Future of the functions of this module: one call, made by a thread of the pool.
///
/// It begins when it is polled first.
///
/// # Cancel safety
///
/// Dropped before it has ended, the call may or may not be made; what it returns is lost.
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct Call<T> {
    state: State<T>,
    location: &'static Location<'static>,
}

/// A call that was not made yet. As free to go anywhere as the paths that it holds, so that the future is.
type Closure<T> = dyn FnOnce() -> io::Result<T> + Send + Sync + UnwindSafe + RefUnwindSafe;

enum State<T> {
    /// None while it is being handed over.
    New(Option<Box<Closure<T>>>),
    Made(Task<io::Result<T>>),
}

impl<T: Send + 'static> Call<T> {
    #[track_caller]
    pub(super) fn new(
        call: impl FnOnce() -> io::Result<T> + Send + Sync + UnwindSafe + RefUnwindSafe + 'static,
    ) -> Self {
        Self {
            state: State::New(Some(Box::new(call))),
            location: Location::caller(),
        }
    }
}

// The closure is boxed, and a task can be moved.
impl<T> Unpin for Call<T> {}

impl<T: Send + 'static> Future for Call<T> {
    type Output = io::Result<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let State::New(call) = &mut self.state {
            let call = call.take().expect("a thread to make the call could be had");
            self.state = State::Made(unblock(call));
        }
        let State::Made(task) = &mut self.state else {
            unreachable!("it has just been made");
        };
        let outcome = Pin::new(task).poll(cx);
        if outcome.is_pending() {
            note_wait(WaitReason::BlockingCall, self.location);
        }
        outcome
    }
}

impl<T> fmt::Debug for Call<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("made", &matches!(self.state, State::Made(_)))
            .field("at", &self.location)
            .finish()
    }
}
