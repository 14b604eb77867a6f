//! What is to be written to a file: bytes that a writer leaves, and a thread that comes for them.
//!
//! 1. A writer appends its bytes to the queue. If no thread is under way it sends one.
//! 2. The thread takes all there are, writes them without the lock, and comes again, until it finds none. Then it goes: a file
//!    that nobody writes to keeps no thread.
//! 3. An error drops the bytes that wait, is kept for whoever asks next, and ends the thread's work.
//!
//! The thread holds the queue and the file by itself, so a file that is dropped is still written: nobody has to wait for it.
//!
//! Rejected: one job for each write (a thread hop for each line of a log), and a pipe with a thread that waits at its end
//! (`Unblock` does so, and suits streams that flow; some hundred half-written files would use up the pool).

use std::fs::File;
use std::io::{self, Write};
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker, ready};

use crate::pool::unblock;
use crate::time::wake_all;

/// Bytes that may wait to be written. Thin air: enough that the thread's next round is worth a hop.
const ROOM: usize = 1 << 20;

/// The queue of a file.
#[derive(Debug)]
pub(super) struct Output {
    file: Arc<File>,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    bytes: Vec<u8>,
    /// Whether a thread is under way.
    busy: bool,
    /// Of a write that nobody waited for.
    error: Option<io::Error>,
    /// Who waits for room, or for the thread to be done.
    waiting: Vec<Waker>,
}

impl Output {
    pub(super) fn new(file: Arc<File>) -> Arc<Self> {
        Arc::new(Self {
            file,
            queue: Mutex::default(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().expect("nothing panics under this lock")
    }

    /// Leaves as many of the bytes as there is room for.
    pub(super) fn poll_write(
        self: &Arc<Self>,
        cx: &Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut queue = ready!(self.poll_queue(cx, |queue| queue.bytes.len() < ROOM))?;
        let n = buf.len().min(ROOM - queue.bytes.len());
        queue.bytes.extend_from_slice(&buf[..n]);
        if n > 0 && !mem::replace(&mut queue.busy, true) {
            drop(queue);
            let this = self.clone();
            unblock(move || this.write_all()).detach();
        }
        Poll::Ready(Ok(n))
    }

    /// Waits until everything is written, and gives the error if it could not be.
    pub(super) fn poll_flush(&self, cx: &Context<'_>) -> Poll<io::Result<()>> {
        self.poll_queue(cx, |queue| !queue.busy).map_ok(drop)
    }

    /// Waits until nothing is being written, and leaves the error to others.
    pub(super) fn poll_idle(&self, cx: &Context<'_>) -> Poll<()> {
        match self.poll_locked(cx, |queue| !queue.busy) {
            Some(_) => Poll::Ready(()),
            None => Poll::Pending,
        }
    }

    /// Waits until the queue is as wanted or there is an error, which is given.
    fn poll_queue(
        &self,
        cx: &Context<'_>,
        is_fine: impl Fn(&Queue) -> bool,
    ) -> Poll<io::Result<MutexGuard<'_, Queue>>> {
        let Some(mut queue) = self.poll_locked(cx, |queue| queue.error.is_some() || is_fine(queue))
        else {
            return Poll::Pending;
        };
        Poll::Ready(match queue.error.take() {
            Some(error) => Err(error),
            None => Ok(queue),
        })
    }

    fn poll_locked(
        &self,
        cx: &Context<'_>,
        is_fine: impl Fn(&Queue) -> bool,
    ) -> Option<MutexGuard<'_, Queue>> {
        let mut queue = self.lock();
        if is_fine(&queue) {
            return Some(queue);
        }
        drop(queue);
        // A waker is foreign code, and so cloned outside of the lock.
        let waker = cx.waker().clone();
        queue = self.lock();
        if is_fine(&queue) {
            return Some(queue);
        }
        if !queue.waiting.iter().any(|other| other.will_wake(&waker)) {
            queue.waiting.push(waker);
        }
        None
    }

    /// The thread's part.
    fn write_all(&self) {
        let mut outcome = Ok(());
        loop {
            let mut queue = self.lock();
            if let Err(error) = mem::replace(&mut outcome, Ok(())) {
                queue.error = Some(error);
                queue.bytes.clear();
            }
            let bytes = mem::take(&mut queue.bytes);
            queue.busy = !bytes.is_empty();
            // There is room now, or nothing more to wait for.
            let mut waiting = mem::take(&mut queue.waiting);
            drop(queue);
            wake_all(&mut waiting);
            if bytes.is_empty() {
                return;
            }
            outcome = (&*self.file).write_all(&bytes);
        }
    }
}
