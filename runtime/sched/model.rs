//! The races of an M that loses its P, or gives it away, with the monitor and with who wakes it: some thread that is awake, and
//! has a P, comes for whatever is queued; and every P is in one place.
//!
//! Lease, idle set and parker are the real ones. The queues hold one goroutine each; the functions of the scheduler and of the monitor are
//! their steps, without the rest.

use gort_primitives::atomic::AtomicU32;
use gort_primitives::model;
use gort_primitives::sync::Arc;
use gort_primitives::thread;

use super::*;
use crate::idle::{Idle, Pair, Retracted};
use crate::lease::{Held, Lease, Released};
use crate::park::Parker;

/// The M that all this is about, as the idle set names it.
const OURS: u8 = 1;

struct World {
    idle: Idle<u8>,
    lease: Lease,
    parker: Parker,
    next_p: AtomicU32,
    ring: AtomicU32,
    global: AtomicU32,
}

impl World {
    /// The M polls, with P 0 of `procs`.
    fn new(procs: usize) -> (Arc<Self>, Held) {
        let world = Self {
            idle: Idle::new(procs),
            lease: Lease::new(),
            parker: Parker::new(),
            next_p: AtomicU32::new(0),
            ring: AtomicU32::new(0),
            global: AtomicU32::new(0),
        };
        let p = world.idle.take_p().expect("idle");
        assert_eq!(p, 0);
        let held = world.lease.acquire(p);
        (Arc::new(world), held)
    }

    fn has_work(&self) -> bool {
        self.ring.load(Ordering::Acquire) + self.global.load(Ordering::Acquire) != 0
    }

    /// Moves what is in the ring to the global queue, as the owner or as a thief does.
    fn hand_in_all(&self) {
        if self.ring.load(Ordering::Acquire) != 0 && self.ring.swap(0, Ordering::AcqRel) != 0 {
            self.global.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// `Shared::wake_p_after_fence`. The pair is awake, or about to be: it will look at every queue.
    fn wake_p(&self) -> Option<Pair<u8>> {
        fence(Ordering::SeqCst);
        let pair = if self.idle.wants_wake() {
            self.idle.take_pair(|_| true)
        } else {
            None
        };
        if let Some(Pair { p, m: Some(OURS) }) = pair {
            // `M::hand_over`.
            self.next_p.store(p as u32 + 1, Ordering::Relaxed);
            self.parker.unpark(|| {});
        }
        pair
    }

    /// `take_p` of the monitor.
    fn revoke(&self, seen: Held) -> Option<Pair<u8>> {
        if !self.lease.revoke(seen) {
            return None;
        }
        self.hand_in_all();
        self.idle.put_p(seen.p());
        self.wake_p()
    }

    /// `Here::look_at_lease`. Returns whether the M holds its P, and whom it has woken.
    fn end_poll(&self) -> (bool, Option<Pair<u8>>) {
        match self.lease.acknowledge() {
            Acknowledged::StillHeld(_) => (true, None),
            Acknowledged::Gone => {
                self.hand_in_all();
                let any = self.global.load(Ordering::Acquire) != 0;
                (false, any.then(|| self.wake_p()).flatten())
            }
        }
    }

    /// `Here::give_p_away`.
    fn give_p_away(&self) -> Option<Pair<u8>> {
        self.hand_in_all();
        let Released::P(p) = self.lease.release() else {
            return None;
        };
        self.idle.put_p(p);
        fence(Ordering::SeqCst);
        if self.has_work() { self.wake_p() } else { None }
    }

    /// `Here::sleep_without_p`, up to where the thread parks. Returns whether the M is awake, with a P.
    fn sleep_without_p(&self) -> bool {
        if let Some(p) = self.idle.take_p() {
            let _ = self.lease.acquire(p);
            return true;
        }
        self.idle.sleep_without_p(OURS);
        fence(Ordering::SeqCst);
        if !self.has_work() {
            return false;
        }
        match self.idle.retract(OURS) {
            Retracted::P(p) => {
                let _ = self.lease.acquire(p);
                true
            }
            Retracted::NoP => false,
            Retracted::Woken => self.wait_for_p(),
        }
    }

    /// `Here::wait_for_p`.
    fn wait_for_p(&self) -> bool {
        loop {
            let p = self.next_p.swap(0, Ordering::Relaxed);
            if p != 0 {
                let _ = self.lease.acquire(p as usize - 1);
                return true;
            }
            self.parker.park();
        }
    }

    /// Asserts that each of `procs` Ps is idle, held by the M, or on its way with one of the `pairs` to another.
    fn each_p_is_in_one_place(&self, procs: usize, pairs: &[Option<Pair<u8>>]) {
        let held = usize::from(self.lease.observe().is_some());
        let to_us = |pair: &&Pair<u8>| pair.m == Some(OURS);
        let on_the_way = pairs.iter().flatten().filter(|pair| !to_us(pair)).count();
        // One that was handed over to our M and not taken up yet.
        let in_hand = usize::from(self.next_p.load(Ordering::Relaxed) != 0);
        assert_eq!(self.idle.idle_ps() + held + on_the_way + in_hand, procs);
    }

    /// Asserts that somebody who has a P, or is about to, comes for what is queued.
    fn nothing_is_left_behind(&self, awake: bool, pairs: &[Option<Pair<u8>>]) {
        let somebody = awake || pairs.iter().any(Option::is_some);
        assert!(somebody || !self.has_work(), "left behind");
    }
}

#[test]
fn what_an_orphan_leaves_is_found_by_it_or_by_another() {
    model(|| {
        let (world, seen) = World::new(1);
        // Another M is in the cache.
        world.idle.sleep_without_p(2);
        let monitor = thread::spawn({
            let world = world.clone();
            move || world.revoke(seen)
        });
        world.ring.store(1, Ordering::Release);
        fence(Ordering::SeqCst);
        if !world.lease.still_held() {
            world.hand_in_all();
        }
        let (held, by_m) = world.end_poll();
        let awake = held || world.sleep_without_p();
        let pairs = [monitor.join().unwrap(), by_m];
        world.nothing_is_left_behind(awake, &pairs);
        world.each_p_is_in_one_place(1, &pairs);
    });
}

#[test]
fn an_orphan_that_comes_back_takes_a_p_that_is_idle() {
    model(|| {
        let (world, seen) = World::new(2);
        let monitor = thread::spawn({
            let world = world.clone();
            move || {
                let has_p = world.lease.revoke(seen);
                if has_p {
                    world.idle.put_p(seen.p());
                }
            }
        });
        let (held, pair) = world.end_poll();
        assert_eq!(pair, None, "nothing was queued");
        assert!(held || world.sleep_without_p(), "P 1 is idle all the time");
        monitor.join().unwrap();
        world.each_p_is_in_one_place(2, &[]);
    });
}

#[test]
fn a_nested_block_on_beside_a_revocation_gives_the_p_away_once() {
    model(|| {
        let (world, seen) = World::new(1);
        world.idle.sleep_without_p(2);
        world.ring.store(1, Ordering::Release);
        let monitor = thread::spawn({
            let world = world.clone();
            move || world.revoke(seen)
        });
        // The M waits for what the goroutine in its ring will do.
        let by_m = world.give_p_away();
        let pairs = [monitor.join().unwrap(), by_m];
        assert_eq!(pairs.iter().flatten().count(), 1, "one comes for it");
        // The poll goes on, and ends: there is nothing to acknowledge, and no P for this M.
        assert!(!world.end_poll().0);
        assert!(!world.sleep_without_p() || !world.has_work());
        world.each_p_is_in_one_place(1, &pairs);
    });
}

#[test]
fn an_m_that_leaves_the_cache_takes_no_p_with_it() {
    model(|| {
        // P 0 is with an M that is stuck; ours has waited in the cache for a long time.
        let (world, stuck) = World::new(1);
        world.idle.sleep_without_p(OURS);
        let waker = thread::spawn({
            let world = world.clone();
            move || {
                let p = stuck.p();
                assert_eq!(world.lease.release(), Released::P(p));
                world.idle.put_p(p);
                world.global.store(1, Ordering::Release);
                world.wake_p()
            }
        });
        // Its time is over, unless it is wanted: see `sleep_in_list`.
        let ends = world.idle.leave(OURS);
        let pair = waker.join().unwrap();
        let woken = pair.as_ref().is_some_and(|pair| pair.m == Some(OURS));
        assert_eq!(ends, !woken, "it ends, or it is woken");
        assert!(ends || world.wait_for_p());
        assert!(pair.is_some(), "left behind");
        world.each_p_is_in_one_place(1, &[pair]);
    });
}

#[test]
fn the_queue_of_an_m_whose_p_retires_goes_to_those_that_stay() {
    model(|| {
        // P 0 stays, and is idle; P 1 is ours, and one too many.
        let (world, first) = World::new(2);
        assert_eq!(world.lease.release(), Released::P(first.p()));
        let surplus = world.idle.take_p().expect("idle");
        world.idle.put_p(first.p());
        let _ = world.lease.acquire(surplus);
        let resizer = thread::spawn({
            let world = world.clone();
            move || {
                let _ = world.idle.resize(1);
                world.lease.raise(Flag::Retire);
            }
        });
        world.ring.store(1, Ordering::Release);
        fence(Ordering::SeqCst);
        let by_push = world.wake_p();
        let asked = world.lease.take(Flag::Retire) && world.idle.is_surplus(surplus);
        let by_m = if asked { world.give_p_away() } else { None };
        let awake = !asked || world.sleep_without_p();
        resizer.join().unwrap();
        let pairs = [by_push, by_m];
        world.nothing_is_left_behind(awake, &pairs);
        if asked {
            assert_eq!(world.idle.live(), 1);
            world.each_p_is_in_one_place(1, &pairs);
        }
    });
}
