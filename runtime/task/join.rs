//! Handles of detached goroutines.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::io;
use std::panic::{self, Location};
use std::pin::Pin;
use std::task::{Context, Poll};

use async_task::{FallibleTask, Task};

use super::{TaskId, WaitReason, note_wait};
use crate::g::G;
use crate::spawn::Recorded;

/// A handle to a goroutine that runs whether or not anybody holds it.
///
/// Awaiting it gives the output, or a [`JoinError`] if the goroutine panicked, was aborted, or ended with its runtime.
/// Dropping it lets the goroutine run on. Made by [`gort::go`](crate::go).
///
/// # Cancel safety
///
/// Dropping a handle that was polled loses only the output.
pub struct JoinHandle<T> {
    /// None once the output was taken.
    task: Option<FallibleTask<Result<T, JoinError>>>,
    abort: AbortHandle,
}

/// Stops a goroutine from anywhere. Made by [`JoinHandle::abort_handle`].
#[derive(Clone)]
pub struct AbortHandle {
    g: &'static G,
    generation: u32,
    id: TaskId,
}

impl<T> JoinHandle<T> {
    pub(crate) fn new((recorded, task): (Recorded, Task<Result<T, JoinError>>)) -> Self {
        Self {
            abort: AbortHandle {
                g: recorded.g,
                generation: recorded.generation,
                id: TaskId::new(recorded.id),
            },
            task: Some(task.fallible()),
        }
    }

    /// Asks the goroutine to stop: its future is dropped at its next poll instead of being polled.
    ///
    /// Does nothing if it has finished. A goroutine in a poll runs to the end of that poll.
    pub fn abort(&self) {
        self.abort.abort();
    }

    /// Returns a handle that can only abort, and that can be cloned.
    #[must_use]
    pub fn abort_handle(&self) -> AbortHandle {
        self.abort.clone()
    }

    /// Returns whether the goroutine has ended, in whatever way.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.task.as_ref().is_none_or(FallibleTask::is_finished)
    }

    /// Returns the goroutine's number.
    #[must_use]
    pub fn id(&self) -> TaskId {
        self.abort.id
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    #[track_caller]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let id = self.abort.id;
        let task = self.task.as_mut();
        let task = task.expect("a JoinHandle was polled after it had returned its output");
        match Pin::new(task).poll(cx) {
            Poll::Ready(output) => {
                self.task = None;
                Poll::Ready(output.unwrap_or(Err(JoinError {
                    id,
                    why: Why::Cancelled,
                })))
            }
            Poll::Pending => {
                note_wait(WaitReason::Join, Location::caller());
                Poll::Pending
            }
        }
    }
}

impl<T> Drop for JoinHandle<T> {
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            task.detach();
        }
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle")
            .field("id", &self.id())
            .field("is_finished", &self.is_finished())
            .finish()
    }
}

impl AbortHandle {
    /// Asks the goroutine to stop; see [`JoinHandle::abort`].
    pub fn abort(&self) {
        self.g.abort(self.generation);
    }

    /// Returns the goroutine's number.
    #[must_use]
    pub fn id(&self) -> TaskId {
        self.id
    }

    /// Returns whether the goroutine's future is gone.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.g.generation() != self.generation || !self.g.is_alive()
    }
}

impl fmt::Debug for AbortHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AbortHandle")
            .field("id", &self.id)
            .field("is_finished", &self.is_finished())
            .finish()
    }
}

/// Why a goroutine gave no output.
pub struct JoinError {
    id: TaskId,
    why: Why,
}

enum Why {
    Panicked(Payload),
    Aborted,
    Cancelled,
}

/// What a goroutine panicked with. `Sync`, so that a [`JoinError`] may be the source of errors that are.
struct Payload(Box<dyn Any + Send + 'static>);

// SAFETY: by a shared reference nothing is done with the value but what `text` does, and `&str` and `String` are Sync.
unsafe impl Sync for Payload {}

impl Payload {
    fn text(&self) -> Option<&str> {
        let text = self.0.downcast_ref::<&str>().copied();
        text.or_else(|| self.0.downcast_ref::<String>().map(String::as_str))
    }
}

impl JoinError {
    pub(crate) fn panicked(id: u64, payload: Box<dyn Any + Send + 'static>) -> Self {
        Self {
            id: TaskId(id),
            why: Why::Panicked(Payload(payload)),
        }
    }

    pub(crate) fn aborted(id: u64) -> Self {
        Self {
            id: TaskId(id),
            why: Why::Aborted,
        }
    }

    /// Returns the goroutine's number.
    #[must_use]
    pub fn id(&self) -> TaskId {
        self.id
    }

    /// Returns whether the goroutine panicked.
    #[must_use]
    pub fn is_panic(&self) -> bool {
        matches!(self.why, Why::Panicked(_))
    }

    /// Returns whether the goroutine was stopped: aborted, or dropped with its runtime.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        !self.is_panic()
    }

    /// Returns what the goroutine panicked with.
    ///
    /// # Errors
    ///
    /// Gives the error back if it was no panic.
    pub fn try_into_panic(self) -> Result<Box<dyn Any + Send + 'static>, Self> {
        match self.why {
            Why::Panicked(Payload(payload)) => Ok(payload),
            why => Err(Self { id: self.id, why }),
        }
    }

    /// Returns what the goroutine panicked with.
    ///
    /// # Panics
    ///
    /// If it was no panic: see [`is_panic`](Self::is_panic) and [`try_into_panic`](Self::try_into_panic).
    #[must_use]
    #[track_caller]
    pub fn into_panic(self) -> Box<dyn Any + Send + 'static> {
        self.try_into_panic()
            .unwrap_or_else(|error| panic!("`into_panic` of an error that is no panic: {error}"))
    }

    /// Raises the goroutine's panic on this thread.
    ///
    /// # Panics
    ///
    /// Always: with the goroutine's payload, or, if it was no panic, with the text of the error.
    #[track_caller]
    pub fn resume_panic(self) -> ! {
        match self.try_into_panic() {
            Ok(payload) => panic::resume_unwind(payload),
            Err(error) => panic!("{error}"),
        }
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "goroutine {} ", self.id)?;
        let payload = match &self.why {
            Why::Panicked(payload) => payload,
            Why::Aborted => return f.write_str("was aborted"),
            Why::Cancelled => return f.write_str("was cancelled: its runtime has ended"),
        };
        match payload.text() {
            Some(text) => write!(f, "panicked: {text}"),
            None => f.write_str("panicked"),
        }
    }
}

impl fmt::Debug for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JoinError({self})")
    }
}

impl Error for JoinError {}

impl From<JoinError> for io::Error {
    /// An error of the kind [`Other`](io::ErrorKind::Other), with this one inside.
    fn from(error: JoinError) -> Self {
        Self::other(error)
    }
}
