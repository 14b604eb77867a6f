//! The backstop: the thread that drives the reactor when nobody else does.
//!
//! Futures of this crate work under any executor, and most executors know no reactor. So the first registration starts one
//! thread, `gort-net`, unless a runtime has *adopted* the reactor (it has a monitor, which is the same thing and better). The
//! thread gives way to three kinds of others:
//!
//! | there is | the backstop |
//! |---|---|
//! | no source | sleeps until there is one |
//! | a runtime that adopted | sleeps until it is disowned |
//! | a [`DriverIntent`] | looks in at 1 ms, then ever more rarely up to 10 ms; polls without waiting if nobody did since its last look |
//! | none of these | looks in after 1 ms; if nobody drives, takes the baton and waits in the kernel |
//! | nobody who waits | looks in at 1 ms, until there was an event that somebody waits for |
//!
//! Reads and writes that never block make events too, and a thread in the kernel would be woken for each: twice the time of the
//! call. Some [`IN_VAIN`] in a row, and the backstop lets them gather.
//!
//! An intent says: this thread drives whenever it parks. It may also compute for a second between two parks, and the sockets of
//! other threads must not wait for that: hence the rare look, and not none. It costs 100 wake-ups a second at most, and only
//! while a thread is in such a `block_on` with sources registered.
//!
//! # No window
//!
//! | an intent, or an adoption | the backstop |
//! |---|---|
//! | 1. counts itself (SeqCst) | 1. sets `driving` (SeqCst) |
//! | 2. reads `driving` (SeqCst) | 2. reads the counts (SeqCst) |
//! | 3. if set: rings the bell | 3. if any: polls without waiting, or not at all if adopted, gives the baton back and clears `driving` |
//!
//! If the count is first, the backstop sees it at 2. If `driving` is first, the intent rings; the bell is kept, so the wait that
//! follows does not block.
//!
//! A new intent then waits for the backstop to leave, for at most [`YIELDS`] yields: else its thread could find the baton
//! taken at its first park, park elsewhere, and leave the reactor to the backstop's rare look. An adoption waits until it has
//! left: it does not look again, and whoever found the baton taken by it would wait for ever.
//!
//! Rejected: no backstop but a driver in every waiting future (smol: foreign executors know no parker of ours), and a thread
//! that is always in the kernel (each event of a `block_on` would cross threads twice).

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Waker;
use std::thread;
use std::time::Duration;

use gort_primitives::atomic::Ordering;

use super::Reactor;
use claims::{Claims, Patience};
use sleep::Sleep;

mod claims;
#[cfg(all(test, gort_loom))]
mod model;
mod sleep;

/// How long the baton may be free before the backstop takes it. From the design: shorter, and it fights with threads that
/// are between two waits.
const FREE: Duration = Duration::from_millis(1);
/// The longest pause between two looks while somebody else is expected to drive.
const RARELY: Duration = Duration::from_millis(10);
/// How often a new intent yields for the backstop to leave. Thin air; one is enough if a CPU is free.
const YIELDS: usize = 100;
/// How many waits in a row may end with events that nobody waits for before the backstop only looks in. Thin air: a client that
/// waits for answers has one or two between them.
const IN_VAIN: u32 = 16;

/// The state of the backstop of one reactor.
#[derive(Debug)]
pub(super) struct Backstop {
    claims: Claims,
    sleep: Sleep,
}

impl Backstop {
    pub(super) fn new() -> Self {
        Self {
            claims: Claims::new(),
            sleep: Sleep::new(),
        }
    }

    /// To be called after a source was counted.
    ///
    /// # Errors
    ///
    /// Fails if the thread is needed and cannot be started.
    pub(super) fn source_added(&self, reactor: &'static Reactor) -> io::Result<()> {
        // If the reactor is disowned after this, `disown` looks at the sources and finds ours.
        if !self.claims.is_adopted() && self.sleep.lasts() {
            return self.rouse(reactor);
        }
        Ok(())
    }

    /// Starts the thread, or wakes it.
    #[cold]
    fn rouse(&self, reactor: &'static Reactor) -> io::Result<()> {
        self.sleep.rouse(|| {
            thread::Builder::new()
                .name("gort-net".into())
                .spawn(move || reactor.backstop.run(reactor))?;
            Ok(())
        })
    }

    fn has_sources(&self, reactor: &Reactor) -> bool {
        // SeqCst: after the store of `asleep`; pairs with the count of a source before `source_added`.
        reactor.sources.load(Ordering::SeqCst) != 0
    }

    fn run(&self, reactor: &Reactor) {
        let mut pause = FREE;
        let mut turns = reactor.turns();
        let mut wakers = Vec::new();
        let mut in_vain = 0;
        loop {
            if self.sleep_if_unneeded(reactor) {
                pause = FREE;
                turns = reactor.turns();
                in_vain = 0;
            }
            thread::sleep(pause);
            let now = reactor.turns();
            let untouched = now == turns && !reactor.is_driven();
            turns = now;
            pause = (pause * 2).min(RARELY);
            if untouched {
                if self.drive(reactor, &mut wakers, &mut in_vain) {
                    pause = FREE;
                }
                // Our own turns say nothing about others.
                turns = reactor.turns();
            }
        }
    }

    /// Sleeps while there is nothing to drive, or a runtime does it. Returns whether it slept.
    fn sleep_if_unneeded(&self, reactor: &Reactor) -> bool {
        self.sleep
            .sleep_while(|| self.claims.is_adopted() || !self.has_sources(reactor))
    }

    /// Drives until somebody else wants to, or too many events `in_vain` have come. Returns whether there was anything to do.
    fn drive(&self, reactor: &Reactor, wakers: &mut Vec<Waker>, in_vain: &mut u32) -> bool {
        let mut useful = false;
        loop {
            let count = self.drive_once(reactor, wakers);
            let some = count.is_some_and(|count| count > 0);
            useful |= some;
            *in_vain = match wakers.is_empty() {
                true => (*in_vain + u32::from(some)).min(IN_VAIN),
                false => 0,
            };
            for waker in wakers.drain(..) {
                // A waker is foreign code. Its panic must not take everybody's reactor with it; the hook has reported it.
                let _ = catch_unwind(AssertUnwindSafe(|| waker.wake()));
            }
            let alone = !self.claims.has_intents() && !self.claims.is_adopted();
            if count.is_none() || !alone || !self.has_sources(reactor) || *in_vain == IN_VAIN {
                return useful;
            }
        }
    }

    /// One wait; `None` if somebody else has the baton, or the kernel failed.
    fn drive_once(&self, reactor: &Reactor, wakers: &mut Vec<Waker>) -> Option<usize> {
        let wait = |mut driver: super::Driver<'_>, patience| {
            let timeout = match patience {
                Patience::Endless => None,
                Patience::None => Some(Duration::ZERO),
            };
            driver.wait(timeout, wakers)
        };
        self.claims.drive_once(|| reactor.try_driver(), wait)?.ok()
    }
}

impl Reactor {
    /// Declares that a runtime with a monitor drives this reactor from now on: the `gort-net` thread is not needed.
    ///
    /// Counted: each call wants one [`disown`](Self::disown).
    pub fn adopt(&self) {
        self.backstop.claims.adopt(|| self.notify());
    }

    /// Takes one [`adopt`](Self::adopt) back. After the last one the `gort-net` thread drives again where needed.
    pub fn disown(&'static self) {
        let backstop = &self.backstop;
        if backstop.claims.disown() && backstop.has_sources(self) {
            // If no thread can be started now, the next registration tries again, or says why it fails.
            let _ = backstop.rouse(self);
        }
    }

    /// Declares that the calling thread drives the reactor whenever it parks, for as long as the intent lives.
    ///
    /// The `gort-net` thread then keeps out of the kernel, so that an event wakes the thread that it is for.
    #[must_use]
    pub fn enter_driver(&self) -> DriverIntent<'_> {
        self.backstop.claims.intend(|| self.notify(), YIELDS);
        DriverIntent { reactor: self }
    }
}

/// A thread that drives the reactor whenever it parks is alive; see [`Reactor::enter_driver`].
#[derive(Debug)]
pub struct DriverIntent<'a> {
    reactor: &'a Reactor,
}

impl Drop for DriverIntent<'_> {
    fn drop(&mut self) {
        self.reactor.backstop.claims.intend_no_more();
    }
}
