//! Threads that are inside the state of an executor without being its guests: they wake a task.
//!
//! A task may outlive its executor, as an output that nobody has fetched or as a waker that somebody kept. Its schedule function
//! is not called any more then, for async-task schedules a task only while its future exists. What remains is a thread that
//! has queued a task, and is about to look for a sleeper, while the executor's destructor drops that very task:
//!
//! | who wakes a task | the destructor |
//! |---|---|
//! | 1. counts itself in | 1. drops every future, wherever it is |
//! | 2. queues the task | 2. waits until nobody is counted |
//! | 3. looks at the list of sleepers | 3. frees the state |
//! | 4. counts itself out | |
//!
//! Up to 2 the future exists, so the destructor is at its 1 and the state lives; it can only get past 1 by taking the task
//! from the queue, and then it sees the count. No foreign code runs between 1 and 4, so the destructor waits for a few
//! instructions, and never for itself.
//!
//! Who polls the executor, or spawns, borrows it, and need not be counted.
//!
//! Rejected: a reference to the state in every task, as in async-executor: two read-modify-writes per spawn on one cache line.

use gort_primitives::atomic::{AtomicUsize, Ordering};
use gort_primitives::thread;

#[cfg(all(test, gort_loom))]
mod model;

/// How many there are.
#[derive(Debug)]
pub(super) struct Visitors(AtomicUsize);

impl Visitors {
    pub(super) fn new() -> Self {
        Self(AtomicUsize::new(0))
    }

    /// Counts this thread in, before it queues a task.
    #[inline]
    pub(super) fn enter(&self) {
        // Relaxed: the queue publishes it to who takes the task.
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts this thread out. The state may be gone after.
    #[inline]
    pub(super) fn leave(&self) {
        // Release: what was done inside comes before the free, with the Acquire in `wait`.
        self.0.fetch_sub(1, Ordering::Release);
    }

    /// Waits until nobody is counted. Called after the last future was dropped.
    pub(super) fn wait(&self) {
        // Acquire: pairs with the Release in `leave`.
        while self.0.load(Ordering::Acquire) != 0 {
            thread::yield_now();
        }
    }
}
