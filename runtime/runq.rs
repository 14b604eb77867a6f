//! The run queue of an M: a ring that its owner fills, and that thieves take half of.
//!
//! A thin layer over [`crossbeam_deque`], whose FIFO worker is a single-producer ring. It grows without bound; the bound of
//! [`CAPACITY`] is policy: half of a full ring goes to the global queue, where every M finds it.
//!
//! The owner's end never changes its thread: two producers on one ring would be undefined behaviour, which is why a P that
//! is taken from a stuck M gets the ring of its next M, and the old one is emptied through [`Thief`].

use std::ptr::NonNull;

use crossbeam_deque::{Steal, Stealer, Worker};

use crate::g::G;
use crate::g::chain::Chain;

/// The most goroutines a ring holds. Borrowed from Go and tokio: 256.
pub(crate) const CAPACITY: usize = 256;

/// A goroutine in a ring: the right to run it once.
#[derive(Clone, Copy, Debug)]
struct Entry(NonNull<G>);

// SAFETY: a record is shared memory, and the entry is the right to run a goroutine, which any thread may have.
unsafe impl Send for Entry {}

impl Entry {
    #[inline(always)]
    fn of(g: &'static G) -> Self {
        Self(NonNull::from(g))
    }

    #[inline(always)]
    fn g(self) -> &'static G {
        // SAFETY: made from a `&'static G`.
        unsafe { self.0.as_ref() }
    }
}

/// The owner's end.
#[derive(Debug)]
pub(crate) struct RunQ(Worker<Entry>);

/// The other end, for thieves and for the drain of a stuck M.
#[derive(Debug)]
pub(crate) struct Thief(Stealer<Entry>);

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
    pub(crate) fn push(&self, g: &'static G) -> Option<Chain> {
        let overflow = (self.len() >= CAPACITY).then(|| self.take_half());
        self.0.push(Entry::of(g));
        overflow
    }

    #[cold]
    fn take_half(&self) -> Chain {
        let mut half = Chain::new();
        while half.len() < CAPACITY / 2 {
            // Thieves may have been here meanwhile.
            let Some(entry) = self.0.pop() else { break };
            half.push(entry.g());
        }
        half
    }

    #[inline]
    pub(crate) fn pop(&self) -> Option<&'static G> {
        // The check saves the read-modify-write of a pop that finds nothing.
        if self.0.is_empty() {
            return None;
        }
        self.0.pop().map(Entry::g)
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
    One(&'static G),
    Nothing,
    /// Somebody else was faster; there may be more.
    Lost,
}

impl Thief {
    /// Moves half of the ring into `to`, and takes one of them to run.
    pub(crate) fn steal_half(&self, to: &RunQ) -> Stolen {
        let half = self.len().div_ceil(2).clamp(1, CAPACITY / 2);
        match self.0.steal_batch_with_limit_and_pop(&to.0, half) {
            Steal::Success(entry) => Stolen::One(entry.g()),
            Steal::Empty => Stolen::Nothing,
            Steal::Retry => Stolen::Lost,
        }
    }

    /// Takes everything, from a thread that owns no ring.
    pub(crate) fn drain(&self) -> Chain {
        let mut all = Chain::new();
        loop {
            match self.0.steal() {
                Steal::Success(entry) => all.push(entry.g()),
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
