//! Blocking readers, writers, seekers and iterators as asynchronous ones.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use async_task::Task;
use futures_core::Stream;
use futures_io::{AsyncRead, AsyncSeek, AsyncWrite};
use futures_lite::future::poll_fn;
use gort_sync::channel;

/// Room of the pipe between the task and the thread, in bytes. From the `blocking` crate.
const PIPE_BYTES: usize = 8 * 1024 * 1024;

/// Items that an iterator may be ahead. From the `blocking` crate.
const AHEAD: usize = 8 * 1024;

/// Runs blocking I/O on the default pool behind an asynchronous face.
///
/// Reading, writing and iterating run ahead of the task through a bounded pipe, on threads of the pool, one at a time. What finds the pipe full, or
/// has nothing to write, holds no thread. The surface and the semantics are those of the `blocking` crate's type of this name; as there, a seek relative to the
/// current position counts from where the thread is, which may be ahead of what the task has read.
///
/// # Cancel safety
///
/// Dropping a read, a write or a seek that has not ended loses nothing: bytes stay in the pipe. Dropping the `Unblock` loses what was read ahead. What was
/// written is still passed on, but who wants to know when, and whether it could be, [flushes](futures_io::AsyncWrite::poll_flush) before.
///
/// # Examples
///
/// ```
/// use futures_lite::AsyncReadExt;
/// use gort::Unblock;
///
/// gort::block_on(async {
///     let mut file = Unblock::new(std::fs::File::open("Cargo.toml")?);
///     let mut text = String::new();
///     file.read_to_string(&mut text).await?;
///     assert!(text.contains("gort"));
///     std::io::Result::Ok(())
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Unblock<T> {
    state: State<T>,
    capacity: Option<usize>,
}

/// Where the value is.
enum State<T> {
    /// Here. None only while it is being moved.
    Idle(Option<Box<T>>),
    /// With a thread that runs a closure of the user's.
    WithMut(Task<Box<T>>),
    /// With the pool, which iterates; the receiver is a `Receiver<T::Item>`.
    Streaming(Option<Box<dyn Any + Send + Sync>>, Task<Box<T>>),
    /// With the pool, which reads into the pipe.
    Reading(Option<piper::Reader>, Task<(io::Result<()>, Box<T>)>),
    /// With the pool, which writes what is in the pipe.
    Writing(Option<piper::Writer>, Task<(io::Result<()>, Box<T>)>),
    /// With a thread that seeks.
    Seeking(Task<(SeekFrom, io::Result<u64>, Box<T>)>),
}

impl<T> Unblock<T> {
    /// Wraps a blocking value.
    pub fn new(io: T) -> Self {
        Self {
            state: State::Idle(Some(Box::new(io))),
            capacity: None,
        }
    }

    /// Wraps a blocking value, with a pipe of `capacity` bytes, or items of an iterator, between it and the task.
    ///
    /// # Panics
    ///
    /// Later operations panic if the capacity is 0.
    pub fn with_capacity(capacity: usize, io: T) -> Self {
        Self {
            state: State::Idle(Some(Box::new(io))),
            capacity: Some(capacity),
        }
    }

    /// Waits until the thread is done with the value, and borrows it.
    pub async fn get_mut(&mut self) -> &mut T {
        // An error of the thread is kept for the next operation by the value itself; here it has no place to go.
        let _ = poll_fn(|cx| self.poll_stop(cx)).await;
        match &mut self.state {
            State::Idle(Some(io)) => io,
            _ => unreachable!("get_mut: the value is here after a stop"),
        }
    }

    /// Runs a closure that may block on the value, on a thread of the pool.
    ///
    /// # Panics
    ///
    /// Panics if the closure does; the value is lost then, and the next operation raises the closure's panic.
    pub async fn with_mut<R, F>(&mut self, op: F) -> R
    where
        F: FnOnce(&mut T) -> R + Send + 'static,
        R: Send + 'static,
        T: Send + 'static,
    {
        let _ = poll_fn(|cx| self.poll_stop(cx)).await;
        let mut io = self.take_idle();
        let (sender, receiver) = channel::bounded(1);
        self.state = State::WithMut(super::unblock(move || {
            // The receiver is gone if the caller was cancelled.
            let _ = sender.try_send(op(&mut io));
            io
        }));
        // These very words are part of the contract: callers match on them.
        let output = receiver.recv().await;
        output.expect("`Unblock::with_mut()` operation has panicked")
    }

    /// Waits until the thread is done with the value, and returns it.
    pub async fn into_inner(self) -> T {
        let mut this = self;
        let _ = poll_fn(|cx| this.poll_stop(cx)).await;
        *this.take_idle()
    }

    fn take_idle(&mut self) -> Box<T> {
        match &mut self.state {
            State::Idle(io) => io
                .take()
                .expect("the value was lost by a panic of its thread"),
            _ => unreachable!("take_idle: the value is with a thread"),
        }
    }

    /// Waits until the value is here.
    fn poll_stop(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            match &mut self.state {
                State::Idle(_) => return Poll::Ready(Ok(())),
                State::WithMut(task) => {
                    let io = ready!(Pin::new(task).poll(cx));
                    self.state = State::Idle(Some(io));
                }
                State::Streaming(receiver, task) => {
                    // Without a receiver the thread stops.
                    receiver.take();
                    let io = ready!(Pin::new(task).poll(cx));
                    self.state = State::Idle(Some(io));
                }
                State::Reading(reader, task) => {
                    reader.take();
                    let (outcome, io) = ready!(Pin::new(task).poll(cx));
                    self.state = State::Idle(Some(io));
                    outcome?;
                }
                State::Writing(writer, task) => {
                    // The end of the pipe makes the thread write what is left, flush, and stop.
                    writer.take();
                    let (outcome, io) = ready!(Pin::new(task).poll(cx));
                    self.state = State::Idle(Some(io));
                    outcome?;
                }
                State::Seeking(task) => {
                    let (_, outcome, io) = ready!(Pin::new(task).poll(cx));
                    self.state = State::Idle(Some(io));
                    outcome?;
                }
            }
        }
    }
}

impl<T> Drop for Unblock<T> {
    fn drop(&mut self) {
        let state = std::mem::replace(&mut self.state, State::Idle(None));
        if let State::Writing(writer, task) = state {
            // The end of the pipe, as in `poll_stop`; but nobody waits.
            drop(writer);
            task.detach();
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Unblock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state: &dyn fmt::Debug = match &self.state {
            State::Idle(io) => io,
            State::WithMut(_) => &"in a closure",
            State::Streaming(..) => &"iterating",
            State::Reading(..) => &"reading",
            State::Writing(..) => &"writing",
            State::Seeking(_) => &"seeking",
        };
        f.debug_struct("Unblock").field("io", state).finish()
    }
}

impl<T> Stream for Unblock<T>
where
    T: Iterator + Send + 'static,
    T::Item: Send + 'static,
{
    type Item = T::Item;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T::Item>> {
        loop {
            match &mut self.state {
                State::Idle(_) => {
                    let mut iterator = self.take_idle();
                    let (sender, receiver) = channel::bounded(self.capacity.unwrap_or(AHEAD));
                    let task = super::default_pool().spawn(async move {
                        for item in &mut *iterator {
                            if sender.send(item).await.is_err() {
                                break;
                            }
                        }
                        iterator
                    });
                    self.state = State::Streaming(Some(Box::new(receiver)), task);
                }
                State::Streaming(Some(any), task) => {
                    let receiver = any
                        .downcast_mut::<channel::Receiver<T::Item>>()
                        .expect("made by this function");
                    let item = ready!(Pin::new(receiver).poll_next(cx));
                    if item.is_none() {
                        let iterator = ready!(Pin::new(task).poll(cx));
                        self.state = State::Idle(Some(iterator));
                    }
                    return Poll::Ready(item);
                }
                _ => {
                    // The error is of an operation that nobody awaits any more.
                    let _ = ready!(self.poll_stop(cx));
                }
            }
        }
    }
}

impl<T: Read + Send + 'static> AsyncRead for Unblock<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            match &mut self.state {
                State::Idle(_) => {
                    let mut io = self.take_idle();
                    let (reader, mut writer) = piper::pipe(self.capacity.unwrap_or(PIPE_BYTES));
                    let task = super::default_pool().spawn(async move {
                        // The pipe fills from the value until its end, an error, or the reader is gone.
                        let outcome = loop {
                            match poll_fn(|cx| writer.poll_fill(cx, &mut *io)).await {
                                Ok(0) => break Ok(()),
                                Ok(_) => {}
                                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                                Err(error) => break Err(error),
                            }
                        };
                        (outcome, io)
                    });
                    self.state = State::Reading(Some(reader), task);
                }
                State::Reading(Some(reader), task) => {
                    let n = ready!(reader.poll_drain_bytes(cx, buffer));
                    if n == 0 && !buffer.is_empty() {
                        // The thread has ended: so did the value, or it failed.
                        let (outcome, io) = ready!(Pin::new(task).poll(cx));
                        self.state = State::Idle(Some(io));
                        outcome?;
                    }
                    return Poll::Ready(Ok(n));
                }
                _ => ready!(self.poll_stop(cx))?,
            }
        }
    }
}

impl<T: Write + Send + 'static> AsyncWrite for Unblock<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            match &mut self.state {
                State::Idle(_) => {
                    let mut io = self.take_idle();
                    let (mut reader, writer) = piper::pipe(self.capacity.unwrap_or(PIPE_BYTES));
                    let task = super::default_pool().spawn(async move {
                        let outcome = loop {
                            match poll_fn(|cx| reader.poll_drain(cx, &mut *io)).await {
                                Ok(0) => break io.flush(),
                                Ok(_) => {}
                                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                                Err(error) => {
                                    let _ = io.flush();
                                    break Err(error);
                                }
                            }
                        };
                        (outcome, io)
                    });
                    self.state = State::Writing(Some(writer), task);
                }
                State::Writing(Some(writer), task) => {
                    let n = ready!(writer.poll_fill_bytes(cx, buffer));
                    if n == 0 && !buffer.is_empty() {
                        // The thread has ended: the value failed.
                        let (outcome, io) = ready!(Pin::new(task).poll(cx));
                        self.state = State::Idle(Some(io));
                        outcome?;
                        continue;
                    }
                    return Poll::Ready(Ok(n));
                }
                _ => ready!(self.poll_stop(cx))?,
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.state {
            // Nothing was written since the last flush, or the thread flushes as it stops.
            State::Idle(_) | State::Reading(..) | State::Seeking(_) => Poll::Ready(Ok(())),
            _ => self.poll_stop(cx),
        }
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_stop(cx))?;
        // Closing is dropping: the value may close a descriptor.
        self.state = State::Idle(None);
        Poll::Ready(Ok(()))
    }
}

impl<T: Seek + Send + 'static> AsyncSeek for Unblock<T> {
    fn poll_seek(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        to: SeekFrom,
    ) -> Poll<io::Result<u64>> {
        loop {
            match &mut self.state {
                State::Idle(_) => {
                    let mut io = self.take_idle();
                    let task = super::unblock(move || {
                        let outcome = io.seek(to);
                        (to, outcome, io)
                    });
                    self.state = State::Seeking(task);
                }
                State::Seeking(task) => {
                    let (done, outcome, io) = ready!(Pin::new(task).poll(cx));
                    self.state = State::Idle(Some(io));
                    if done == to {
                        return Poll::Ready(outcome);
                    }
                    // A seek that was cancelled, to another place: this one begins anew.
                }
                _ => ready!(self.poll_stop(cx))?,
            }
        }
    }
}
