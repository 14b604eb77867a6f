//! The global queue: goroutines that belong to no M yet, first in, first out.
//!
//! Its entries are [batches](Batch), not goroutines: a wake from a foreign thread is a batch of one, half of an overflowing
//! ring is a batch of thousands. So the lock-free queue, which costs some 30 ns for a push and a pop, is paid once per batch.
//!
//! Rejected: an intrusive list under a lock, as in Go and tokio. It costs as little, but a foreign thread that is descheduled
//! while it holds the lock stops every worker.

use async_task::Runnable;
use concurrent_queue::ConcurrentQueue;
use gort_primitives::atomic::{AtomicUsize, Ordering};

/// Goroutines in order, first in, first out.
#[derive(Debug)]
pub(crate) enum Batch {
    One(Runnable),
    /// What is left of a vector: taking the first of them moves none of the others.
    Many(std::vec::IntoIter<Runnable>),
}

impl Batch {
    pub(crate) fn many(all: Vec<Runnable>) -> Self {
        Self::Many(all.into_iter())
    }

    fn len(&self) -> usize {
        match self {
            Self::One(_) => 1,
            Self::Many(all) => all.len(),
        }
    }

    fn for_each(self, mut each: impl FnMut(Runnable)) {
        match self {
            Self::One(one) => each(one),
            Self::Many(all) => all.for_each(each),
        }
    }
}

/// The queue.
#[derive(Debug)]
pub(crate) struct Inject {
    batches: ConcurrentQueue<Batch>,
    /// Goroutines in all batches, for the size of a share and for reports. Counted up before a push, down after a pop.
    len: AtomicUsize,
}

impl Inject {
    pub(crate) fn new() -> Self {
        Self {
            batches: ConcurrentQueue::unbounded(),
            len: AtomicUsize::new(0),
        }
    }

    /// Appends a batch that is not empty.
    pub(crate) fn push(&self, batch: Batch) {
        debug_assert!(batch.len() > 0, "inject: an empty batch");
        // Relaxed: the count is a hint; the queue itself orders the goroutines.
        self.len.fetch_add(batch.len(), Ordering::Relaxed);
        if self.batches.push(batch).is_err() {
            unreachable!("the global queue is never closed");
        }
    }

    /// Takes one goroutine.
    pub(crate) fn pop(&self) -> Option<Runnable> {
        let first = match self.batches.pop().ok()? {
            Batch::One(one) => Some(one),
            Batch::Many(mut all) => {
                let first = all.next();
                // The rest loses its place, once in 61 turns of a busy worker.
                if all.len() > 0 && self.batches.push(Batch::Many(all)).is_err() {
                    unreachable!("the global queue is never closed");
                }
                first
            }
        };
        self.len
            .fetch_sub(usize::from(first.is_some()), Ordering::Relaxed);
        first
    }

    /// Takes whole batches until there were at least `want` goroutines or none are left, and gives each to `each`.
    ///
    /// A batch that holds more than was wanted is not split: thieves even it out.
    pub(crate) fn take(&self, want: usize, mut each: impl FnMut(Runnable)) {
        let mut taken = 0;
        while taken < want {
            let Ok(batch) = self.batches.pop() else {
                break;
            };
            let n = batch.len();
            taken += n;
            self.len.fetch_sub(n, Ordering::Relaxed);
            batch.for_each(&mut each);
        }
    }

    /// The number of goroutines in the queue, as it was a moment ago.
    pub(crate) fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    /// Returns whether the queue is empty. Exact after a fence, unlike [`len`](Self::len).
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }
}
