//! The sleep of the backstop while nobody needs it, and its start.
//!
//! | somebody makes it needed | the backstop |
//! |---|---|
//! | 1. counts a source, or takes the last adopter out (SeqCst) | 1. stores `asleep` (SeqCst) |
//! | 2. reads `asleep` (SeqCst); after an adopter always does 3 | 2. looks whether it is needed (SeqCst) |
//! | 3. if set: locks, and wakes it | 3. if not: waits, which lets the lock go |
//!
//! The backstop holds the lock from 1 on, so a wake-up of step 3 comes before the lock is taken, and 2 finds the reason, or after the wait began.

use std::io;

use gort_primitives::atomic::{AtomicBool, Ordering, totally_ordered};
use gort_primitives::sync::{Condvar, Mutex, MutexGuard};

/// See the head of the file.
#[derive(Debug)]
pub(super) struct Sleep {
    /// Set once the thread runs. Changed under `lock`.
    started: AtomicBool,
    /// Set while the thread sleeps without a timeout. Changed under `lock`.
    asleep: AtomicBool,
    lock: Mutex<()>,
    wake: Condvar,
}

impl Sleep {
    pub(super) fn new() -> Self {
        Self {
            started: AtomicBool::new(false),
            asleep: AtomicBool::new(false),
            lock: Mutex::new(()),
            wake: Condvar::new(),
        }
    }

    /// Whether it must be [roused](Self::rouse) for a source that was just counted.
    #[inline]
    pub(super) fn lasts(&self) -> bool {
        totally_ordered();
        // Acquire: pairs with the Release in `rouse`. SeqCst: step 2 of the left column.
        !self.started.load(Ordering::Acquire) || self.asleep.load(Ordering::SeqCst)
    }

    /// Wakes the thread, or has it started.
    #[cold]
    pub(super) fn rouse(&self, start: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let guard = self.lock();
        // Relaxed: changed under the lock that we hold.
        if self.started.load(Ordering::Relaxed) {
            drop(guard);
            self.wake.notify_one();
            return Ok(());
        }
        start()?;
        // Release: pairs with the Acquire in `lasts`.
        self.started.store(true, Ordering::Release);
        Ok(())
    }

    /// Sleeps while the thread is `unneeded`. Returns whether it slept.
    pub(super) fn sleep_while(&self, unneeded: impl Fn() -> bool) -> bool {
        if !unneeded() {
            return false;
        }
        let mut guard = self.lock();
        // SeqCst: step 1 of the right column.
        self.asleep.store(true, Ordering::SeqCst);
        totally_ordered();
        while unneeded() {
            guard = self
                .wake
                .wait(guard)
                .expect("nothing panics under this lock");
        }
        // Relaxed: whoever reads the old value wakes a thread that is awake.
        self.asleep.store(false, Ordering::Relaxed);
        drop(guard);
        true
    }

    fn lock(&self) -> MutexGuard<'_, ()> {
        self.lock.lock().expect("nothing panics under this lock")
    }
}
