//! Driving the process-wide reactor, with the next timer as the limit of the wait.
//!
//! Idle Ms, and `block_on` where there is no runtime, sleep here. Whoever has the baton also watches the timers of the whole
//! process; see [`crate::time`] for how a thread that arms an earlier one makes itself heard.

use std::io;
use std::task::Waker;

use gort_net::Reactor;

use crate::park::Parker;
use crate::time;

/// Ends a wait in the reactor, if some thread waits there.
pub(crate) fn notify() {
    if let Some(reactor) = Reactor::existing() {
        reactor.notify();
    }
}

/// How a [`sleep`] ended.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slept {
    /// At once: another thread has the baton, and the caller parks.
    NotHere,
    /// With the parker's token, which is taken.
    WithToken,
    /// For what happened to others.
    WithoutToken,
}

/// Sleeps in the reactor until there are events or timers due, or the parker has a token. Collects the wakers of what happened.
pub(crate) fn sleep(parker: &Parker, wakers: &mut Vec<Waker>) -> Slept {
    let Ok(reactor) = Reactor::get() else {
        // Without a reactor there is no I/O to wait for, and the monitor runs the timers.
        return Slept::NotHere;
    };
    let Some(mut driver) = reactor.try_driver() else {
        // The driver may have gone to sleep before a timer was armed that this thread was to watch.
        time::look();
        return Slept::NotHere;
    };
    if !parker.begin_poll() {
        return Slept::WithToken;
    }
    let until = time::announce(time::NEVER);
    let outcome = driver.wait(time::until(until, time::now()), wakers);
    time::clear();
    drop(driver);
    let token = parker.end_poll();
    check(outcome);
    if until != time::NEVER {
        time::run_overdue(time::now(), wakers);
    }
    match token {
        true => Slept::WithToken,
        false => Slept::WithoutToken,
    }
}

/// Stops the process if the kernel refuses to wait: nothing that waits for I/O could ever go on.
pub(crate) fn check(outcome: io::Result<usize>) {
    if let Err(error) = outcome {
        eprintln!("gort: waiting for I/O failed: {error}");
        std::process::abort();
    }
}
