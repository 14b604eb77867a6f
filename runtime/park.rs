//! How a thread sleeps: on its own, or inside the reactor, with one token either way.
//!
//! ```text
//!            park                     unpark
//!  EMPTY ------------> PARKED --------------------> NOTIFIED   and the condition variable is signalled
//!    |                                                  |
//!    |  begin_poll               unpark                 |
//!    +-------------> POLLING ----------------------> NOTIFIED  and the reactor is notified
//!    |                                                  |
//!    +------------------- unpark ------------------> NOTIFIED  nobody to wake
//!    ^                                                  |
//!    +------ park returns, begin_poll fails, end_poll <-+
//! ```
//!
//! A token is never lost, and several tokens are one. Unlike `std::thread::park` the token is private: user code on the
//! same thread can neither take it nor leave a stale one.

#[cfg(not(gort_loom))]
use std::time::{Duration, Instant};

use gort_primitives::atomic::{AtomicU32, Ordering};
use gort_primitives::sync::{Condvar, Mutex};

#[cfg(all(test, gort_loom))]
mod model;

const EMPTY: u32 = 0;
const PARKED: u32 = 1;
const POLLING: u32 = 2;
const NOTIFIED: u32 = 3;

/// Where a thread sleeps. One thread parks; any thread unparks.
#[derive(Debug)]
pub(crate) struct Parker {
    state: AtomicU32,
    lock: Mutex<()>,
    wake: Condvar,
}

impl Parker {
    pub(crate) fn new() -> Self {
        Self {
            state: AtomicU32::new(EMPTY),
            lock: Mutex::new(()),
            wake: Condvar::new(),
        }
    }

    /// Gives the thread its token, and wakes it if it sleeps: by `notify_reactor` if it sleeps in there.
    pub(crate) fn unpark(&self, notify_reactor: impl FnOnce()) {
        // AcqRel: Release publishes what was done before to the Acquire of the sleeper. A swap, even if the state is
        // NOTIFIED already: the sleeper must see what *this* thread did.
        match self.state.swap(NOTIFIED, Ordering::AcqRel) {
            PARKED => {
                // Passing through the lock puts us either before the sleeper's look at the state or after its wait began.
                drop(self.lock.lock().expect("leaf lock"));
                self.wake.notify_one();
            }
            POLLING => notify_reactor(),
            _ => {}
        }
    }

    /// Takes the token if it is there.
    pub(crate) fn try_take(&self) -> bool {
        // Acquire: pairs with `unpark`.
        self.state
            .compare_exchange(NOTIFIED, EMPTY, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
    }

    /// Sleeps until the token is there, and takes it.
    pub(crate) fn park(&self) {
        if self.try_take() {
            return;
        }
        let mut guard = self.lock.lock().expect("leaf lock");
        if !self.begin(PARKED) {
            return;
        }
        loop {
            guard = self.wake.wait(guard).expect("leaf lock");
            if self.try_take() {
                return;
            }
        }
    }

    /// Sleeps until the token is there, and takes it, or until `limit` has passed. Returns whether there was a token.
    #[cfg(not(gort_loom))]
    pub(crate) fn park_timeout(&self, limit: Duration) -> bool {
        if self.try_take() {
            return true;
        }
        let mut guard = self.lock.lock().expect("leaf lock");
        if !self.begin(PARKED) {
            return true;
        }
        let end = Instant::now() + limit;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            guard = self.wake.wait_timeout(guard, left).expect("leaf lock").0;
            if self.try_take() {
                return true;
            }
            if left.is_zero() {
                // A token that came after the look above counts: the swap takes it.
                // Acquire: pairs with `unpark`.
                return self.state.swap(EMPTY, Ordering::Acquire) == NOTIFIED;
            }
        }
    }

    /// loom has no clock: the limit never passes.
    #[cfg(gort_loom)]
    pub(crate) fn park_timeout(&self, _: std::time::Duration) -> bool {
        self.park();
        true
    }

    /// Announces that the thread is about to sleep in the reactor. If it returns false there was a token, now taken.
    #[must_use]
    pub(crate) fn begin_poll(&self) -> bool {
        self.begin(POLLING)
    }

    /// Ends what [`begin_poll`](Self::begin_poll) began. Returns whether there was a token, and takes it.
    #[must_use]
    pub(crate) fn end_poll(&self) -> bool {
        // Acquire: pairs with `unpark`.
        self.state.swap(EMPTY, Ordering::Acquire) == NOTIFIED
    }

    /// Returns whether the thread sleeps in the reactor, as it was a moment ago.
    pub(crate) fn is_polling(&self) -> bool {
        self.state.load(Ordering::Relaxed) == POLLING
    }

    fn begin(&self, asleep: u32) -> bool {
        // Acquire on failure: pairs with `unpark`. Relaxed on success: the sleeper publishes nothing by this.
        let done = self
            .state
            .compare_exchange(EMPTY, asleep, Ordering::Relaxed, Ordering::Acquire);
        if done.is_err() {
            // Only `unpark` stores anything while we are awake, so this was NOTIFIED.
            // Acquire: pairs with an `unpark` that came after the look above.
            self.state.swap(EMPTY, Ordering::Acquire);
        }
        done.is_ok()
    }
}

#[cfg(all(test, not(gort_loom)))]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::mpsc;
    use std::time::Duration;

    #[test]
    fn a_token_given_early_is_kept() {
        let p = Parker::new();
        p.unpark(|| unreachable!("nobody polls"));
        p.unpark(|| unreachable!("nobody polls"));
        p.park();
        assert!(!p.try_take());
    }

    #[test]
    fn a_limit_ends_a_park_and_a_token_does_too() {
        let p = Parker::new();
        assert!(!p.park_timeout(Duration::from_millis(1)));
        p.unpark(|| unreachable!("nobody polls"));
        assert!(p.park_timeout(Duration::from_secs(3_600)));
        assert!(!p.try_take());
    }

    #[test]
    fn a_sleeper_in_the_reactor_is_woken_through_it() {
        let p = Parker::new();
        assert!(p.begin_poll());
        assert!(p.is_polling());
        let mut notified = 0;
        p.unpark(|| notified += 1);
        p.unpark(|| notified += 1);
        assert_eq!(notified, 1);
        assert!(p.end_poll());
        p.unpark(|| unreachable!("nobody polls"));
        assert!(!p.begin_poll());
    }

    #[test]
    fn tokens_cross_threads() {
        let (a, b) = (Arc::new(Parker::new()), Arc::new(Parker::new()));
        let (a2, b2) = (a.clone(), b.clone());
        let (done, wait) = mpsc::channel();
        std::thread::spawn(move || {
            for _ in 0..10_000 {
                a2.park();
                b2.unpark(|| {});
            }
            done.send(()).expect("the test waits");
        });
        for _ in 0..10_000 {
            a.unpark(|| {});
            b.park();
        }
        wait.recv_timeout(Duration::from_secs(60))
            .expect("both threads got all tokens");
    }
}
