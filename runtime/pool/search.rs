//! How many threads are on their way to a job, in one word.

use gort_primitives::atomic::{AtomicUsize, Ordering, fence};

#[cfg(all(test, gort_loom))]
mod model;

/// The count of searchers. See the table of [`threads`](super::threads).
#[derive(Debug)]
pub(super) struct Search(AtomicUsize);

impl Search {
    pub(super) fn new() -> Self {
        Self(AtomicUsize::new(0))
    }

    /// Called after a job was pushed, or before one is run while others wait. If it returns true the caller has to start a searcher, which is counted already.
    #[inline]
    pub(super) fn must_start(&self) -> bool {
        // SeqCst: step 2 of the left column of that table.
        fence(Ordering::SeqCst);
        self.try_start()
    }

    /// [`must_start`](Self::must_start), if there are jobs: for a thread that found none and does not search any more.
    pub(super) fn must_start_if(&self, jobs: impl FnOnce() -> bool) -> bool {
        // SeqCst: step 2 of the right column.
        fence(Ordering::SeqCst);
        jobs() && self.try_start()
    }

    fn try_start(&self) -> bool {
        // Relaxed: the fences order the look, and the job itself is published by the queue.
        self.0.load(Ordering::Relaxed) == 0
            && self
                .0
                .compare_exchange(0, 1, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }

    /// Counts a searcher beyond the first.
    pub(super) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Ends a search.
    pub(super) fn stop(&self) {
        // Relaxed: where it matters a fence follows.
        let before = self.0.fetch_sub(1, Ordering::Relaxed);
        debug_assert_ne!(before, 0, "stop: nobody searches");
    }
}
