//! The races of the idle set: no work is left behind with everyone asleep.
//!
//! Each goroutine has a queue of its own, so that a pusher reads nothing: a push is a plain store, as into a ring.

use gort_primitives::atomic::{AtomicU32, fence};
use gort_primitives::model;
use gort_primitives::sync::Arc;
use gort_primitives::thread;

use super::*;

const A: usize = 0;
const B: usize = 1;

struct World {
    idle: Idle<u8>,
    queues: [AtomicU32; 2],
}

impl World {
    fn new(procs: usize) -> Self {
        Self {
            idle: Idle::new(procs),
            queues: [AtomicU32::new(0), AtomicU32::new(0)],
        }
    }

    /// Ms 1 and up, each asleep with a P of its own.
    fn asleep(procs: usize) -> Arc<Self> {
        let world = Self::new(procs);
        for m in 1..=procs as u8 {
            let p = world.idle.take_p().expect("idle");
            world.idle.sleep(m, p, false);
        }
        Arc::new(world)
    }

    fn push(&self, g: usize) {
        // Release: a plain push into a ring.
        self.queues[g].store(1, Ordering::Release);
    }

    fn has_work(&self) -> bool {
        self.queues
            .iter()
            .any(|queue| queue.load(Ordering::Acquire) != 0)
    }

    fn take(&self, g: usize) -> bool {
        let queue = &self.queues[g];
        queue.load(Ordering::Acquire) != 0 && queue.swap(0, Ordering::AcqRel) != 0
    }

    /// `Shared::wake_p`.
    fn wake_p(&self) -> Option<Pair<u8>> {
        if self.idle.wants_wake() {
            self.idle.take_pair(|_| true)
        } else {
            None
        }
    }

    /// A thread makes `g` ready: the left column.
    fn ready(&self, g: usize) -> Option<Pair<u8>> {
        self.push(g);
        fence(Ordering::SeqCst);
        self.wake_p()
    }

    /// The right column from step 2 on. Returns whether the M got up by itself.
    fn sleep_in_list(&self, m: u8) -> Option<Retracted> {
        fence(Ordering::SeqCst);
        self.has_work().then(|| self.idle.retract(m))
    }

    /// `Here::found_work`.
    fn found_work(&self) -> Option<Pair<u8>> {
        let WasLast(true) = self.idle.stop_search() else {
            return None;
        };
        fence(Ordering::SeqCst);
        if self.has_work() { self.wake_p() } else { None }
    }
}

#[test]
fn a_push_beside_an_m_that_falls_asleep_is_not_left_behind() {
    model(|| {
        let world = Arc::new(World::new(1));
        let p = world.idle.take_p().expect("idle");
        let pusher = thread::spawn({
            let world = world.clone();
            move || world.ready(A)
        });
        world.idle.sleep(1, p, false);
        let risen = world.sleep_in_list(1);
        let pair = pusher.join().unwrap();
        match (&risen, &pair) {
            (Some(Retracted::P(0)), None) => {}
            (None | Some(Retracted::Woken), Some(Pair { p: 0, m: Some(1) })) => {}
            _ => panic!("left behind, or two winners: {risen:?}, {pair:?}"),
        }
    });
}

#[test]
fn a_push_beside_a_searcher_that_falls_asleep_is_not_left_behind() {
    model(|| {
        let world = World::asleep(1);
        // Somebody woke M 1 for nothing: it searches.
        let Pair { p, m } = world.idle.take_pair(|_| true).expect("asleep");
        assert_eq!(m, Some(1));
        let pusher = thread::spawn({
            let world = world.clone();
            move || world.ready(A)
        });
        let mut awake = world.has_work();
        if awake {
            let pair = world.found_work();
            assert_eq!(pair, None, "no P is idle");
        } else {
            world.idle.sleep(1, p, true);
            awake = world.sleep_in_list(1).is_some();
        }
        let pair = pusher.join().unwrap();
        assert!(awake || pair.is_some(), "left behind");
        assert_eq!(world.idle.searching(), usize::from(pair.is_some()));
    });
}

#[test]
fn what_a_pusher_leaves_to_the_last_searcher_is_not_left_behind() {
    model(|| {
        let world = World::asleep(2);
        let pair = world.idle.take_pair(|_| true).expect("asleep");
        let searcher = pair.m;
        world.push(A);
        let pusher = thread::spawn({
            let world = world.clone();
            move || world.ready(B)
        });
        // The searcher found A, and its poll never ends.
        assert!(world.take(A));
        let by_searcher = world.found_work();
        let by_pusher = pusher.join().unwrap();
        let woken = by_searcher.xor(by_pusher).expect("one wakes for B");
        assert_ne!(woken.m, searcher);
    });
}

#[test]
fn a_searcher_by_its_own_will_looks_once_more_as_well() {
    model(|| {
        let world = Arc::new(World::new(2));
        let p = world.idle.take_p().expect("idle");
        let own = world.idle.take_p().expect("idle");
        world.idle.sleep(2, p, false);
        assert!(world.idle.start_search());
        let pusher = thread::spawn({
            let world = world.clone();
            move || world.ready(A)
        });
        // The search finds nothing; or it does, and A is not for M 2.
        let mut awake = world.take(A);
        let mut pair = None;
        if awake {
            pair = world.found_work();
        } else {
            world.idle.sleep(1, own, true);
            awake = world.sleep_in_list(1).is_some();
        }
        let pair = pair.or(pusher.join().unwrap());
        assert!(awake || pair.is_some(), "left behind");
    });
}

#[test]
fn a_sleeper_is_woken_once() {
    model(|| {
        let world = World::asleep(1);
        let waker = thread::spawn({
            let world = world.clone();
            move || world.idle.take_pair(|_| true)
        });
        let retracted = world.idle.retract(1);
        let pair = waker.join().unwrap();
        match (&retracted, &pair) {
            (Retracted::P(0), None) => assert_eq!(world.idle.searching(), 0),
            (Retracted::Woken, Some(_)) => assert_eq!(world.idle.searching(), 1),
            _ => panic!("two winners, or none: {retracted:?}, {pair:?}"),
        }
        assert_eq!(world.idle.idle_ps(), 0);
    });
}

#[test]
fn two_wakers_start_one_searcher() {
    model(|| {
        let world = World::asleep(2);
        let other = thread::spawn({
            let world = world.clone();
            move || world.ready(A)
        });
        let pairs = [world.ready(B), other.join().unwrap()];
        assert_eq!(pairs.iter().flatten().count(), 1);
        assert_eq!(world.idle.searching(), 1);
        assert_eq!(world.idle.idle_ps(), 1);
    });
}

#[test]
fn a_waker_that_finds_no_p_is_nobodys_searcher() {
    let mut deeper = loom::model::Builder::new();
    // The race takes three switches: the waker counts as searching; M 1 takes the P; the waker finds none; M 1 gives it back.
    deeper.preemption_bound = Some(3);
    deeper.check(|| {
        let world = World::asleep(1);
        let sleeper = thread::spawn({
            let world = world.clone();
            move || {
                // M 1 sees A before it is woken for it, makes B ready, and gives its P away to block.
                let Some(Retracted::P(p)) = world.sleep_in_list(1) else {
                    return None;
                };
                assert!(world.take(A));
                assert_eq!(world.ready(B), None, "no P is idle");
                world.idle.put_p(p);
                fence(Ordering::SeqCst);
                world.wake_p()
            }
        });
        let by_pusher = world.ready(A);
        let by_sleeper = sleeper.join().unwrap();
        assert!(by_pusher.or(by_sleeper).is_some(), "left behind");
    });
}

#[test]
fn an_m_that_falls_asleep_while_no_thread_can_be_started_gets_the_p() {
    model(|| {
        let world = Arc::new(World::new(1));
        let starter = thread::spawn({
            let world = world.clone();
            move || {
                let pair = world.ready(A)?;
                // There is no M to be woken, or the one that has come meanwhile is.
                pair.m.or_else(|| world.idle.put_back(pair.p)?.m)
            }
        });
        // M 1 comes back from a blocking section.
        let mut awake = world.idle.take_p().is_some();
        if !awake {
            world.idle.sleep_without_p(1);
            awake = matches!(world.sleep_in_list(1), Some(Retracted::P(_)));
        }
        let woken = starter.join().unwrap();
        assert!(awake != woken.is_some(), "left behind, or two winners");
    });
}

#[test]
fn a_push_beside_a_p_that_retires_is_not_left_behind() {
    model(|| {
        // P 0 is idle, with M 2 to take it; M 1 holds P 1, which is one too many from some moment on.
        let world = Arc::new(World::new(2));
        let p = world.idle.take_p().expect("idle");
        let surplus = world.idle.take_p().expect("idle");
        world.idle.sleep(2, p, false);
        let resizer = thread::spawn({
            let world = world.clone();
            move || {
                assert_eq!(world.idle.resize(1), 2);
                fence(Ordering::SeqCst);
                if world.has_work() {
                    world.wake_p()
                } else {
                    None
                }
            }
        });
        let pusher = thread::spawn({
            let world = world.clone();
            move || world.ready(A)
        });
        world.idle.sleep(1, surplus, false);
        let risen = world.sleep_in_list(1);
        let awake = matches!(risen, Some(Retracted::P(_) | Retracted::Woken));
        let pairs = [resizer.join().unwrap(), pusher.join().unwrap()];
        assert!(awake || pairs.iter().flatten().count() > 0, "left behind");
        // Who took the surplus one before it was one gives it back.
        if let Some(Retracted::P(p)) = risen {
            world.idle.put_p(p);
        }
        for pair in pairs.into_iter().flatten() {
            world.idle.put_p(pair.p);
        }
        assert_eq!((world.idle.live(), world.idle.idle_ps()), (1, 1));
    });
}

#[test]
fn a_searcher_whose_p_retires_leaves_nothing_behind() {
    model(|| {
        let world = Arc::new(World::new(2));
        let p = world.idle.take_p().expect("idle");
        let surplus = world.idle.take_p().expect("idle");
        world.idle.sleep(1, p, false);
        world.idle.sleep(2, surplus, false);
        // Somebody woke an M for nothing; it searches, and its P is not wanted any more.
        let pair = world.idle.take_pair(|_| true).expect("asleep");
        let m = pair.m.expect("asleep");
        assert_eq!(pair.p, surplus);
        assert_eq!(world.idle.resize(1), 2);
        let pusher = thread::spawn({
            let world = world.clone();
            move || world.ready(A)
        });
        world.idle.sleep(m, pair.p, true);
        let risen = world.sleep_in_list(m);
        let woken = pusher.join().unwrap();
        let awake = matches!(risen, Some(Retracted::P(0) | Retracted::Woken));
        assert!(awake || woken.is_some(), "left behind");
        assert_eq!((world.idle.live(), world.idle.bound()), (1, 1));
    });
}

#[test]
fn what_waits_for_a_p_is_found_when_there_are_more() {
    model(|| {
        // M 1 holds the only P, and is stuck.
        let world = Arc::new(World::new(1));
        let _stuck = world.idle.take_p().expect("idle");
        world.idle.sleep_without_p(2);
        let pusher = thread::spawn({
            let world = world.clone();
            move || world.ready(A)
        });
        assert_eq!(world.idle.resize(2), 1);
        fence(Ordering::SeqCst);
        let by_resizer = if world.has_work() {
            world.wake_p()
        } else {
            None
        };
        let by_pusher = pusher.join().unwrap();
        let pair = by_resizer.xor(by_pusher).expect("one wakes for it");
        assert_eq!(pair, Pair { p: 1, m: Some(2) });
    });
}

#[test]
fn an_m_that_falls_asleep_while_the_p_for_it_retires_gets_another() {
    model(|| {
        let world = Arc::new(World::new(2));
        let other = world.idle.take_p().expect("idle");
        let starter = thread::spawn({
            let world = world.clone();
            move || {
                let pair = world.ready(A)?;
                assert_eq!(world.idle.resize(1), 2);
                // No thread can be started.
                match pair.m {
                    Some(_) => Some(pair),
                    None => world.idle.put_back(pair.p),
                }
            }
        });
        // M 1 comes back from a blocking section, and then the M with the P that stays begins one.
        world.idle.sleep_without_p(1);
        let risen = world.sleep_in_list(1);
        assert_eq!(other, 0);
        world.idle.put_p(other);
        fence(Ordering::SeqCst);
        let by_other = if world.has_work() {
            world.wake_p()
        } else {
            None
        };
        let woken = starter.join().unwrap();
        let awake = matches!(risen, Some(Retracted::P(_)));
        assert!(awake || woken.or(by_other).is_some(), "left behind");
    });
}

#[test]
fn a_sleeper_looks_behind_a_p_that_has_just_come() {
    model(|| {
        let world = Arc::new(World::new(1));
        let p = world.idle.take_p().expect("idle");
        let other = thread::spawn({
            let world = world.clone();
            move || {
                assert_eq!(world.idle.resize(2), 1);
                let p = world.idle.take_p().expect("P 1, or the sleeper's");
                // Into the ring of its M, whose poll then goes on for ever.
                (p, world.ready(p))
            }
        });
        world.idle.sleep(1, p, false);
        fence(Ordering::SeqCst);
        let seen = world.queues[..world.idle.bound()]
            .iter()
            .any(|queue| queue.load(Ordering::Acquire) != 0);
        let risen = seen.then(|| world.idle.retract(1));
        let (taken, pair) = other.join().unwrap();
        let awake = matches!(risen, Some(Retracted::P(_) | Retracted::Woken));
        assert!(awake || pair.is_some(), "left behind with P {taken}");
    });
}
