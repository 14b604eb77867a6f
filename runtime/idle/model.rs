//! Models of the idle set: no work is left with everybody asleep, and a sleeper has one waker.

use gort_primitives::atomic::{AtomicU32, fence};
use gort_primitives::sync::Arc;
use gort_primitives::{model, thread};

use super::*;

struct World {
    idle: Idle<u8>,
    queue: AtomicU32,
}

impl World {
    fn push(&self) -> bool {
        // A push into a ring is a plain store to those who look.
        self.queue.store(1, Ordering::Release);
        fence(Ordering::SeqCst);
        self.idle.wants_wake() && self.idle.take_pair(|_| true).is_some()
    }

    fn has_work(&self) -> bool {
        self.queue.load(Ordering::Acquire) != 0
    }

    /// Goes to sleep as M 1 with P 0. Returns whether it got up again at once.
    fn sleep(&self, was_searching: bool) -> bool {
        self.idle.sleep(1, 0, was_searching);
        fence(Ordering::SeqCst);
        self.has_work() && matches!(self.idle.retract(1), Retracted::P(0))
    }
}

fn world(procs: usize) -> Arc<World> {
    Arc::new(World {
        idle: Idle::new(procs),
        queue: AtomicU32::new(0),
    })
}

#[test]
fn work_that_is_pushed_while_the_last_m_falls_asleep_is_seen() {
    model(|| {
        let world = world(1);
        assert_eq!(world.idle.take_p(), Some(0));
        let pusher = {
            let world = world.clone();
            thread::spawn(move || world.push())
        };
        let rose = world.sleep(false);
        let woke = pusher.join().expect("no panics");
        assert!(rose != woke, "rose {rose}, woken {woke}");
    });
}

#[test]
fn a_pusher_may_rely_on_a_searcher_that_gives_up() {
    model(|| {
        let world = world(1);
        assert_eq!(world.idle.take_p(), Some(0));
        assert!(world.idle.start_search());
        let pusher = {
            let world = world.clone();
            thread::spawn(move || world.push())
        };
        let rose = world.sleep(true);
        let woke = pusher.join().expect("no panics");
        assert!(rose != woke, "rose {rose}, woken {woke}");
    });
}

#[test]
fn the_last_searcher_that_finds_work_sees_what_others_left_to_it() {
    model(|| {
        let world = world(2);
        assert_eq!(world.idle.take_p(), Some(0));
        assert!(world.idle.start_search());
        let pusher = {
            let world = world.clone();
            thread::spawn(move || world.push())
        };
        // It found something else, and looks once more.
        assert_eq!(world.idle.stop_search(), WasLast(true));
        fence(Ordering::SeqCst);
        let woke =
            world.has_work() && world.idle.wants_wake() && world.idle.take_pair(|_| true).is_some();
        let theirs = pusher.join().expect("no panics");
        assert!(woke || theirs);
    });
}

#[test]
fn two_wakers_take_one_sleeper_once() {
    model(|| {
        let world = world(1);
        assert_eq!(world.idle.take_p(), Some(0));
        world.idle.sleep(1, 0, false);
        let waker = {
            let world = world.clone();
            thread::spawn(move || world.idle.take_pair(|_| true).is_some())
        };
        let rose = match world.idle.retract(1) {
            Retracted::P(_) => true,
            Retracted::Woken => false,
            Retracted::NoP => unreachable!("the P goes with the M"),
        };
        assert!(rose != waker.join().expect("no panics"));
    });
}
