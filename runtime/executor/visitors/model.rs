//! The race of a foreign wake against the destructor: the state is not freed under a visitor.

use gort_primitives::atomic::AtomicBool;
use gort_primitives::cell::UnsafeCell;
use gort_primitives::model;
use gort_primitives::sync::Arc;
use gort_primitives::thread;

use super::*;

struct World {
    visitors: Visitors,
    /// Whether the task is in the queue.
    queue: [AtomicBool; 2],
    /// The state: read by visitors, written by who frees. loom reports it if they meet.
    state: UnsafeCell<bool>,
}

impl World {
    fn use_state(&self) {
        // SAFETY: loom checks it.
        assert!(self.state.with(|alive| unsafe { *alive }), "freed");
    }

    fn wake(&self, task: usize) {
        self.use_state();
        self.visitors.enter();
        // Release: a push.
        self.queue[task].store(true, Ordering::Release);
        self.use_state();
        self.visitors.leave();
    }

    fn end(&self) {
        for task in &self.queue {
            // Acquire: a pop.
            while !task.load(Ordering::Acquire) {
                thread::yield_now();
            }
        }
        self.visitors.wait();
        // SAFETY: loom checks it.
        self.state.with_mut(|alive| unsafe { *alive = false });
    }
}

#[test]
fn model_the_state_outlives_its_visitors() {
    model(|| {
        let world = Arc::new(World {
            visitors: Visitors::new(),
            queue: [AtomicBool::new(false), AtomicBool::new(false)],
            state: UnsafeCell::new(true),
        });
        let threads = [0, 1].map(|task| {
            let world = world.clone();
            thread::spawn(move || world.wake(task))
        });
        world.end();
        for thread in threads {
            thread.join().expect("no panic");
        }
    });
}
