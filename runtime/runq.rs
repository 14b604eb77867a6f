//! The run queue of an M: a ring that its owner fills, and that thieves take half of.
//!
//! A thin layer over [`crossbeam_deque`], whose FIFO worker is a single-producer ring. It grows and shrinks
//! as needed; the bound of [`CAPACITY`] is policy: half of a full ring goes to the global queue, where every M finds it.
//!
//! The owner's end never changes its thread: two producers on one ring would be undefined behaviour, which is why a P that
//! is taken from a stuck M gets the ring of its next M, and the old one is emptied through [`Thief`].

use async_task::Runnable;
use crossbeam_deque::{Steal, Stealer, Worker};

use crate::inject::Batch;

/// The most goroutines a ring holds. Go and tokio stop at 256 because their rings are arrays; this one grows on demand, and
/// what overflows is queued twice. The bound keeps the drain of a stuck M's ring below a millisecond.
pub(crate) const CAPACITY: usize = 16 * 1024;

/// The most goroutines that a thief or the global queue moves into a ring at once. From Go and tokio: half of their rings.
pub(crate) const BATCH: usize = 128;

/// The owner's end.
#[derive(Debug)]
pub(crate) struct RunQ(Worker<Runnable>);

/// The other end, for thieves and for the drain of a stuck M.
#[derive(Debug)]
pub(crate) struct Thief(Stealer<Runnable>);

impl RunQ {
    pub(crate) fn new() -> (Self, Thief) {
        let worker = Worker::new_fifo();
        let thief = Thief(worker.stealer());
        (Self(worker), thief)
    }

    /// Appends a goroutine. If the ring is full, returns its older half instead of growing, for the global queue.
    ///
    /// To whoever must see it this is a plain store: a SeqCst fence must follow before the pusher decides that nobody needs
    /// to be woken.
    #[inline]
    pub(crate) fn push(&self, runnable: Runnable) -> Option<Batch> {
        let overflow = (self.len() >= CAPACITY).then(|| self.take_half());
        self.0.push(runnable);
        overflow
    }

    #[cold]
    fn take_half(&self) -> Batch {
        let mut half = Vec::with_capacity(CAPACITY / 2);
        while half.len() < CAPACITY / 2 {
            // Thieves may have been here meanwhile.
            let Some(runnable) = self.0.pop() else { break };
            half.push(runnable);
        }
        Batch::many(half)
    }

    #[inline]
    pub(crate) fn pop(&self) -> Option<Runnable> {
        // The check saves the read-modify-write of a pop that finds nothing.
        if self.0.is_empty() {
            return None;
        }
        self.0.pop()
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What a thief got.
#[must_use]
#[derive(Debug)]
pub(crate) enum Stolen {
    /// One to run now; the rest of the half is in the thief's ring.
    One(Runnable),
    Nothing,
    /// Somebody else was faster; there may be more.
    Lost,
}

impl Thief {
    /// Moves half of the ring into `to`, and takes one of them to run.
    pub(crate) fn steal_half(&self, to: &RunQ) -> Stolen {
        let half = self.len().div_ceil(2).clamp(1, BATCH);
        match self.0.steal_batch_with_limit_and_pop(&to.0, half) {
            Steal::Success(runnable) => Stolen::One(runnable),
            Steal::Empty => Stolen::Nothing,
            Steal::Retry => Stolen::Lost,
        }
    }

    /// Takes everything, from a thread that owns no ring.
    pub(crate) fn drain(&self) -> Vec<Runnable> {
        let mut all = Vec::new();
        loop {
            match self.0.steal() {
                Steal::Success(runnable) => all.push(runnable),
                Steal::Empty => return all,
                Steal::Retry => std::hint::spin_loop(),
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
