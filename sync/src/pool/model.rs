//! Models of the pool: that a value in it never waits for a timer that does not come.

use std::any::Any;
use std::task::Waker;
use std::time::{Duration, Instant};

use gort_primitives::atomic::Ordering;
use gort_primitives::thread;

use super::{Arc, Shared};
use crate::{Timers, set_timers};

/// The model itself says when the timer goes off.
struct ByHand;

impl Timers for ByHand {
    fn wake_at(&self, _: Instant, _: &Waker) -> Box<dyn Any + Send> {
        Box::new(())
    }
}

#[test]
fn model_a_value_in_the_pool_has_a_timer() {
    set_timers(&ByHand);
    loom::model(|| {
        let shared = Arc::new(Shared::new(1, Duration::from_secs(1)));
        shared.put(1);
        shared.arm();
        let puts = shared.clone();
        let thread = thread::spawn(move || {
            let taken = puts.take();
            puts.put(taken.unwrap_or(2));
            // Relaxed: as in `Pool::put`.
            if !puts.armed.load(Ordering::Relaxed) {
                puts.arm();
            }
        });
        shared.tick();
        thread.join().unwrap();
        // Relaxed: the join orders.
        assert!(shared.len() == 0 || shared.armed.load(Ordering::Relaxed));
    });
}

#[test]
fn model_a_value_is_taken_once() {
    loom::model(|| {
        let shared = Arc::new(Shared::new(2, Duration::from_secs(1)));
        shared.put(1);
        let takes = shared.clone();
        let thread = thread::spawn(move || takes.take());
        let ours = shared.take();
        let theirs = thread.join().unwrap();
        assert!(ours.is_none() || theirs.is_none());
        let left = shared.take();
        assert_eq!(ours.or(theirs).or(left), Some(1));
    });
}
