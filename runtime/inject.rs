//! The global queue: goroutines that belong to no M yet, first in, first out.
//!
//! Its entries are [chains](Chain), not goroutines: a wake from a foreign thread is a chain of one, half of an overflowing ring is a
//! chain of 128. So the lock-free queue, which costs some 30 ns for a push and a pop, is paid once per batch.
//!
//! Rejected: an intrusive list under a lock, as in Go and tokio. It costs as little, but a foreign thread that is descheduled
//! while it holds the lock stops every worker.

use concurrent_queue::ConcurrentQueue;
use gort_primitives::atomic::{AtomicUsize, Ordering};

use crate::g::G;
use crate::g::chain::Chain;

/// The queue.
#[derive(Debug)]
pub(crate) struct Inject {
    chains: ConcurrentQueue<Chain>,
    /// Goroutines in all chains, for the size of a batch and for reports. Counted up before a push, down after a pop.
    len: AtomicUsize,
}

impl Inject {
    pub(crate) fn new() -> Self {
        Self {
            chains: ConcurrentQueue::unbounded(),
            len: AtomicUsize::new(0),
        }
    }

    /// Appends the goroutines of a chain that is not empty.
    pub(crate) fn push(&self, chain: Chain) {
        // Relaxed: the count is a hint; the queue itself orders the goroutines.
        self.len.fetch_add(chain.len(), Ordering::Relaxed);
        if self.chains.push(chain).is_err() {
            unreachable!("the global queue is never closed");
        }
    }

    /// Takes one goroutine.
    pub(crate) fn pop(&self) -> Option<&'static G> {
        self.take(1).pop()
    }

    /// Takes whole chains until there are at least `want` goroutines or none are left.
    ///
    /// A chain that holds more than was wanted is split only for a single goroutine: thieves even out the rest.
    pub(crate) fn take(&self, want: usize) -> Chain {
        let mut taken = Chain::new();
        while taken.len() < want {
            let Ok(mut chain) = self.chains.pop() else {
                break;
            };
            taken.append(&mut chain);
        }
        self.len.fetch_sub(taken.len(), Ordering::Relaxed);
        if want == 1 && taken.len() > 1 {
            let first = taken.split(1);
            // The rest loses its place, once in 61 turns of a busy worker.
            self.push(taken);
            return first;
        }
        taken
    }

    /// The number of goroutines in the queue, as it was a moment ago.
    pub(crate) fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    /// Returns whether the queue is empty. Exact after a fence, unlike [`len`](Self::len).
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.chains.is_empty()
    }
}
