//! The queues of an [`Executor`](super::Executor): the global one, and the ring of a seat.
//!
//! Thin layers over [`concurrent_queue`] and [`crossbeam_deque`], which have no loom build: models get a stand-in, with a lock for the
//! tasks, and a length that is as weakly ordered as the indices of the real ones.

use async_task::Runnable;

pub(super) use flavour::{Global, Ring};

/// The most tasks that are stolen at once. Borrowed from the runtime's rings.
const MOST_STOLEN: usize = 128;

#[cfg(not(gort_loom))]
mod flavour {
    use concurrent_queue::ConcurrentQueue;
    use crossbeam_deque::{Steal, Stealer, Worker};

    use super::*;

    /// The queue of those who have no ring, first in, first out.
    #[derive(Debug)]
    pub(in crate::executor) struct Global(ConcurrentQueue<Runnable>);

    impl Global {
        pub(in crate::executor) fn new() -> Self {
            Self(ConcurrentQueue::unbounded())
        }

        pub(in crate::executor) fn push(&self, runnable: Runnable) {
            if self.0.push(runnable).is_err() {
                unreachable!("the global queue is never closed");
            }
        }

        pub(in crate::executor) fn pop(&self) -> Option<Runnable> {
            // The check saves the fence of a pop that finds nothing.
            if self.0.is_empty() {
                return None;
            }
            self.0.pop().ok()
        }

        /// Moves up to `most` tasks, and up to half of what is there: one to run, and the others to `to`. For the owner of that.
        pub(in crate::executor) fn take_batch(&self, to: &Ring, most: usize) -> Option<Runnable> {
            let half = self.len().div_ceil(2).min(most);
            // Without the check of `pop`, which takes the cache line of the tail away from who pushes, for every task.
            let pop = || self.0.pop().ok();
            let first = pop()?;
            (1..half)
                .map_while(|_| pop())
                .for_each(|runnable| to.push(runnable));
            Some(first)
        }

        #[inline]
        pub(in crate::executor) fn is_empty(&self) -> bool {
            self.0.is_empty()
        }

        pub(in crate::executor) fn len(&self) -> usize {
            self.0.len()
        }
    }

    /// A queue that one thread fills, first in, first out.
    #[derive(Debug)]
    pub(in crate::executor) struct Ring {
        worker: Worker<Runnable>,
        thief: Stealer<Runnable>,
    }

    impl Ring {
        pub(in crate::executor) fn new() -> Self {
            let worker = Worker::new_fifo();
            let thief = worker.stealer();
            Self { worker, thief }
        }

        /// For the owner.
        #[inline]
        pub(in crate::executor) fn push(&self, runnable: Runnable) {
            self.worker.push(runnable);
        }

        /// For the owner.
        #[inline]
        pub(in crate::executor) fn pop(&self) -> Option<Runnable> {
            self.worker.pop()
        }

        /// As [`is_empty`](Self::is_empty), without the fence of that. For the owner.
        #[inline]
        pub(in crate::executor) fn is_empty_here(&self) -> bool {
            self.worker.is_empty()
        }

        pub(in crate::executor) fn is_empty(&self) -> bool {
            self.thief.is_empty()
        }

        pub(in crate::executor) fn len(&self) -> usize {
            self.thief.len()
        }

        /// Takes one task. For everybody.
        pub(in crate::executor) fn steal_one(&self) -> Option<Runnable> {
            until_decided(|| self.thief.steal())
        }

        /// Moves half of the ring into `to`, and takes one of them to run. For the owner of `to`.
        pub(in crate::executor) fn steal_half(&self, to: &Self) -> Option<Runnable> {
            until_decided(|| {
                // The check saves a pin of the ring's memory.
                if self.is_empty() {
                    return Steal::Empty;
                }
                let half = self.len().div_ceil(2).clamp(1, MOST_STOLEN);
                self.thief.steal_batch_with_limit_and_pop(&to.worker, half)
            })
        }
    }

    fn until_decided(mut steal: impl FnMut() -> Steal<Runnable>) -> Option<Runnable> {
        loop {
            match steal() {
                Steal::Success(runnable) => return Some(runnable),
                Steal::Empty => return None,
                Steal::Retry => std::hint::spin_loop(),
            }
        }
    }
}

#[cfg(gort_loom)]
mod flavour {
    use std::collections::VecDeque;

    use gort_primitives::atomic::{AtomicUsize, Ordering};
    use gort_primitives::sync::{Mutex, MutexGuard};

    use super::*;

    /// Stands in for both.
    #[derive(Debug)]
    pub(in crate::executor) struct Global {
        tasks: Mutex<VecDeque<Runnable>>,
        len: AtomicUsize,
    }

    pub(in crate::executor) type Ring = Global;

    impl Global {
        pub(in crate::executor) fn new() -> Self {
            Self {
                tasks: Mutex::new(VecDeque::new()),
                len: AtomicUsize::new(0),
            }
        }

        fn lock(&self) -> MutexGuard<'_, VecDeque<Runnable>> {
            self.tasks.lock().expect("leaf lock")
        }

        fn set_len(&self, tasks: &VecDeque<Runnable>) {
            // Release: as the index of a queue.
            self.len.store(tasks.len(), Ordering::Release);
        }

        pub(in crate::executor) fn push(&self, runnable: Runnable) {
            let mut tasks = self.lock();
            tasks.push_back(runnable);
            self.set_len(&tasks);
        }

        pub(in crate::executor) fn pop(&self) -> Option<Runnable> {
            if self.is_empty() {
                return None;
            }
            let mut tasks = self.lock();
            let first = tasks.pop_front();
            self.set_len(&tasks);
            first
        }

        pub(in crate::executor) fn is_empty_here(&self) -> bool {
            self.is_empty()
        }

        pub(in crate::executor) fn is_empty(&self) -> bool {
            self.len() == 0
        }

        pub(in crate::executor) fn len(&self) -> usize {
            // Acquire: as the index of a queue.
            self.len.load(Ordering::Acquire)
        }

        pub(in crate::executor) fn steal_one(&self) -> Option<Runnable> {
            self.pop()
        }

        pub(in crate::executor) fn steal_half(&self, to: &Self) -> Option<Runnable> {
            self.take_batch(to, MOST_STOLEN)
        }

        pub(in crate::executor) fn take_batch(&self, to: &Self, most: usize) -> Option<Runnable> {
            let half = self.len().div_ceil(2).min(most);
            let first = self.pop()?;
            // One by one: what is on the way is in no queue.
            (1..half)
                .map_while(|_| self.pop())
                .for_each(|runnable| to.push(runnable));
            Some(first)
        }
    }
}
