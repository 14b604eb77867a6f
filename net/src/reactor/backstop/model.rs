//! The races of the backstop: it is never in the way of a runtime, and never asleep while it is needed.

use gort_primitives::atomic::{AtomicBool, AtomicUsize, Ordering, totally_ordered};
use gort_primitives::sync::{Arc, Condvar, Mutex};
use gort_primitives::thread;

use super::claims::{Claims, Patience};
use super::sleep::Sleep;
use crate::reactor::baton::Baton;
use crate::reactor::bell::{Bell, MayBlock, MustWrite};

/// A reactor without descriptors: the kernel's part is an eventfd, which remembers a write until a wait reports it.
struct Reactor {
    claims: Claims,
    baton: Baton,
    bell: Bell,
    written: Mutex<bool>,
    arrived: Condvar,
}

impl Reactor {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            claims: Claims::new(),
            baton: Baton::new(),
            bell: Bell::new(),
            written: Mutex::new(false),
            arrived: Condvar::new(),
        })
    }

    fn ring(&self) {
        if self.bell.ring() == MustWrite(true) {
            *self.written.lock().unwrap() = true;
            self.arrived.notify_one();
        }
    }

    fn wait(&self, patience: Patience) {
        if patience == Patience::None || self.bell.about_to_wait() == MayBlock(false) {
            return;
        }
        let mut written = self.written.lock().unwrap();
        while !*written {
            written = self.arrived.wait(written).unwrap();
        }
        *written = false;
        drop(written);
        self.bell.back();
    }

    /// `Backstop::drive`: until somebody else wants to. No event ever comes, so only a ring ends a wait.
    fn backstop(&self) {
        loop {
            let took = self.claims.drive_once(
                || self.baton.try_take().then_some(()),
                |(), patience| {
                    self.wait(patience);
                    self.baton.give_back();
                },
            );
            let alone = !self.claims.has_intents() && !self.claims.is_adopted();
            if took.is_none() || !alone {
                return;
            }
        }
    }
}

/// Runs a model of at most three threads.
fn check(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(model);
}

#[test]
fn model_an_adopted_reactor_is_free() {
    check(|| {
        let reactor = Reactor::new();
        let backstop = {
            let reactor = Arc::clone(&reactor);
            thread::spawn(move || reactor.backstop())
        };
        reactor.claims.adopt(|| reactor.ring());
        assert!(reactor.baton.try_take(), "the backstop is in the way");
        reactor.baton.give_back();
        // loom reports a deadlock if it stays in the kernel.
        backstop.join().unwrap();
        assert!(reactor.baton.try_take());
    });
}

#[test]
fn model_an_intent_gets_the_backstop_out_of_the_kernel() {
    check(|| {
        let reactor = Reactor::new();
        let backstop = {
            let reactor = Arc::clone(&reactor);
            thread::spawn(move || reactor.backstop())
        };
        reactor.claims.intend(|| reactor.ring(), 1);
        if reactor.baton.try_take() {
            reactor.baton.give_back();
        }
        backstop.join().unwrap();
        reactor.claims.intend_no_more();
    });
}

#[test]
fn model_two_that_come_at_once_get_it_out() {
    check(|| {
        let reactor = Reactor::new();
        let backstop = {
            let reactor = Arc::clone(&reactor);
            thread::spawn(move || reactor.backstop())
        };
        let intent = {
            let reactor = Arc::clone(&reactor);
            thread::spawn(move || reactor.claims.intend(|| reactor.ring(), 0))
        };
        reactor.claims.adopt(|| reactor.ring());
        assert!(reactor.baton.try_take());
        intent.join().unwrap();
        backstop.join().unwrap();
    });
}

/// What makes the backstop needed.
struct Needs {
    claims: Claims,
    sleep: Sleep,
    sources: AtomicUsize,
    starts: AtomicUsize,
    served: AtomicBool,
}

impl Needs {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            claims: Claims::new(),
            sleep: Sleep::new(),
            sources: AtomicUsize::new(0),
            starts: AtomicUsize::new(0),
            served: AtomicBool::new(false),
        })
    }

    fn unneeded(&self) -> bool {
        self.claims.is_adopted() || self.sources.load(Ordering::SeqCst) == 0
    }

    /// The thread, until it is needed for the first time.
    fn run(&self) {
        self.sleep.sleep_while(|| self.unneeded());
        assert!(!self.unneeded());
        self.served.store(true, Ordering::Relaxed);
    }

    fn started(&self) -> std::io::Result<()> {
        self.starts.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// `Backstop::source_added`.
    fn add_source(&self) {
        self.sources.fetch_add(1, Ordering::SeqCst);
        totally_ordered();
        if !self.claims.is_adopted() && self.sleep.lasts() {
            self.sleep.rouse(|| self.started()).unwrap();
        }
    }

    /// `Reactor::disown`.
    fn disown(&self) {
        if self.claims.disown() && self.sources.load(Ordering::SeqCst) != 0 {
            self.sleep.rouse(|| self.started()).unwrap();
        }
    }
}

#[test]
fn model_a_source_wakes_the_backstop() {
    check(|| {
        let needs = Needs::new();
        needs.sleep.rouse(|| needs.started()).unwrap();
        let backstop = {
            let needs = Arc::clone(&needs);
            thread::spawn(move || needs.run())
        };
        needs.add_source();
        // loom reports a deadlock if it sleeps on.
        backstop.join().unwrap();
        assert!(needs.served.load(Ordering::Relaxed));
    });
}

#[test]
fn model_a_source_beside_the_last_disown_wakes_the_backstop() {
    check(|| {
        let needs = Needs::new();
        needs.sleep.rouse(|| needs.started()).unwrap();
        needs.claims.adopt(|| ());
        let backstop = {
            let needs = Arc::clone(&needs);
            thread::spawn(move || needs.run())
        };
        let other = {
            let needs = Arc::clone(&needs);
            thread::spawn(move || needs.disown())
        };
        needs.add_source();
        other.join().unwrap();
        backstop.join().unwrap();
    });
}

#[test]
fn model_the_backstop_is_started_once() {
    check(|| {
        let needs = Needs::new();
        needs.claims.adopt(|| ());
        let other = {
            let needs = Arc::clone(&needs);
            thread::spawn(move || needs.disown())
        };
        needs.add_source();
        other.join().unwrap();
        assert_eq!(needs.starts.load(Ordering::Relaxed), 1);
    });
}
