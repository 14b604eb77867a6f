//! Who waits for a task of an executor.
//!
//! One wake-up is on its way at a time: who is woken finds a task, and wakes the next. A future that was woken and is dropped before it is
//! polled passes the wake-up on.
//!
//! | who queues a task | who is about to sleep |
//! |---|---|
//! | 1. pushes it | 1. adds its waker; `wanted` is true from then on, unless somebody is on the way |
//! | 2. fence (SeqCst) | 2. fence (SeqCst) |
//! | 3. reads `wanted`, and wakes somebody | 3. looks at every queue once more |

use std::cell::Cell;
use std::sync::PoisonError;
use std::task::Waker;

use gort_primitives::atomic::{AtomicBool, Ordering, fence};
use gort_primitives::sync::{Mutex, MutexGuard};

#[cfg(all(test, gort_loom))]
mod model;

/// The sleeping `run` and `tick` futures of an executor.
#[derive(Debug)]
pub(super) struct Sleepers {
    /// Whether somebody sleeps and nobody is on the way.
    wanted: AtomicBool,
    list: Mutex<List>,
}

#[derive(Debug)]
struct List {
    wakers: Vec<(u64, Waker)>,
    /// Woken and not polled since.
    woken: usize,
    next: u64,
}

/// A sleeper's name. 0 is nobody's.
#[derive(Debug, Default)]
pub(super) struct Name(Cell<u64>);

impl Sleepers {
    pub(super) fn new() -> Self {
        Self {
            wanted: AtomicBool::new(false),
            list: Mutex::new(List {
                wakers: Vec::new(),
                woken: 0,
                next: 1,
            }),
        }
    }

    pub(super) fn count(&self) -> usize {
        self.lock().wakers.len()
    }

    fn lock(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn update(&self, list: &List) {
        let wanted = !list.wakers.is_empty() && list.woken == 0;
        // SeqCst is given by the fences around; the lock orders the stores.
        self.wanted.store(wanted, Ordering::Relaxed);
    }

    /// Announces that `name` sleeps with `waker`. The caller looks at the queues once more if it is told to.
    pub(super) fn sleep(&self, name: &Name, waker: &Waker) -> Look {
        let mut list = self.lock();
        let known = list
            .wakers
            .iter_mut()
            .find(|(other, _)| *other == name.0.get());
        if let Some((_, old)) = known {
            if !old.will_wake(waker) {
                let old = std::mem::replace(old, waker.clone());
                drop(list);
                drop(old);
            }
            return Look::No;
        }
        if name.0.get() != 0 {
            // It was woken, and has found nothing.
            list.woken -= 1;
        }
        let new = list.next;
        list.next += 1;
        list.wakers.push((new, waker.clone()));
        name.0.set(new);
        self.update(&list);
        drop(list);
        // SeqCst: step 2 of the right column.
        fence(Ordering::SeqCst);
        Look::Again
    }

    /// Ends the sleep of `name`, who is awake. Returns whether somebody had woken it.
    #[inline]
    pub(super) fn wake_up(&self, name: &Name) -> bool {
        let old = name.0.take();
        old != 0 && self.wake_up_slow(old)
    }

    #[cold]
    fn wake_up_slow(&self, old: u64) -> bool {
        let mut list = self.lock();
        let at = list.wakers.iter().position(|(other, _)| *other == old);
        let waker = at.map(|at| list.wakers.swap_remove(at).1);
        if waker.is_none() {
            list.woken -= 1;
        }
        self.update(&list);
        drop(list);
        waker.is_none()
    }

    /// Wakes one sleeper if there is one and nobody is on the way. A SeqCst fence comes between the push and this.
    #[inline]
    pub(super) fn wake_one(&self) {
        if self.wanted.load(Ordering::Relaxed) {
            self.wake_one_slow();
        }
    }

    #[cold]
    fn wake_one_slow(&self) {
        let mut list = self.lock();
        if list.woken > 0 {
            return;
        }
        let Some((_, waker)) = list.wakers.pop() else {
            return;
        };
        list.woken += 1;
        self.update(&list);
        drop(list);
        waker.wake();
    }
}

/// Whether a sleeper has to look at the queues once more.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Look {
    Again,
    No,
}
