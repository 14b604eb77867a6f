//! A helper that comes and goes while the collector marks, and a mutator that hides what is yet to be traced. All that can be
//! reached is marked when the collector finds that nothing is grey.
//!
//! ```text
//! roots -> left -> hidden -> last
//!       -> right
//! ```
//!
//! With a chunk of one object the helper gets `left`, and has to give back what it has not traced.

use std::ptr;

use gort_primitives::atomic::Ordering;
use gort_primitives::sync::Arc;
use gort_primitives::{model, thread};

use super::super::model::{BLACK, Object, Pointer};
use super::super::{Buffer, Closing, Shade, last_look};
use super::*;
use crate::seeded::with_bug;

struct World {
    left: Box<Object>,
    right: Box<Object>,
    hidden: Box<Object>,
    last: Box<Object>,
    pool: Pool<Pointer>,
    buffer: Buffer<Pointer>,
}

fn pointer(object: &Object) -> Pointer {
    Pointer(ptr::from_ref(object).cast_mut())
}

/// Traces one object, as [`Work::trace`](crate::grey::Work) does.
fn trace_one(grey: &mut Vec<Pointer>) {
    if let Some(object) = grey.pop()
        && let Some(target) = Pointer::load(&object.object().edge)
    {
        object.read();
        if target.color() != BLACK {
            target.set_color(BLACK);
            grey.push(target);
        }
    }
}

impl World {
    fn new() -> Arc<Self> {
        let mut last = Object::new(ptr::null_mut());
        let mut hidden = Object::new(&raw mut *last);
        let left = Object::new(&raw mut *hidden);
        Arc::new(Self {
            left,
            right: Object::new(ptr::null_mut()),
            hidden,
            last,
            pool: Pool::new(),
            buffer: Buffer::new(Closing::Open),
        })
    }

    /// What the collector does in steps 3 to 5 of a cycle.
    fn mark(&self) {
        let mut work = Work::new();
        for root in [&self.left, &self.right] {
            let root = pointer(root);
            root.set_color(BLACK);
            work.grey.push(root);
        }
        loop {
            self.pool.share(&mut work);
            while !work.grey.is_empty() {
                trace_one(&mut work.grey);
                self.pool.share(&mut work);
            }
            match self.pool.take_back(&mut work) {
                Left::Taken => {}
                Left::InWork => thread::yield_now(),
                Left::Nothing => {
                    if last_look([&self.buffer].into_iter(), &mut work.grey) {
                        return;
                    }
                }
            }
        }
    }

    /// Enters if there is something, traces so many objects, and leaves.
    fn help(&self, objects: usize) {
        if let Some(mut active) = self.pool.enter() {
            for _ in 0..objects {
                trace_one(&mut active.work.grey);
                active.share();
            }
            active.refill();
        }
    }

    /// Takes the object from the edge that leads to it, as a pin that marks, and reads it.
    fn hide(&self) {
        if let Some(old) = Pointer::load(&self.left.edge) {
            if old.color() != BLACK {
                self.buffer.push(old, BLACK);
            }
            // Release: as `Edge::store`.
            self.left.edge.store(ptr::null_mut(), Ordering::Release);
            old.read();
        }
    }

    /// Tells whether all that was reachable is marked.
    fn is_all_marked(&self) -> bool {
        let all = [&self.left, &self.right, &self.hidden, &self.last];
        all.into_iter()
            .all(|object| pointer(object).color() == BLACK)
    }
}

fn mark_with_helper(objects: usize, hides: bool) {
    model(move || {
        let world = World::new();
        let helper = thread::spawn({
            let world = world.clone();
            move || world.help(objects)
        });
        let mutator = hides.then(|| {
            let world = world.clone();
            thread::spawn(move || world.hide())
        });
        world.mark();
        let is_all_marked = world.is_all_marked();
        // A helper must not be torn down in the middle by a panic here.
        helper.join().unwrap();
        if let Some(mutator) = mutator {
            mutator.join().unwrap();
        }
        assert!(is_all_marked, "an object is lost");
    });
}

#[test]
fn what_a_helper_gives_back_is_marked() {
    mark_with_helper(1, false);
}

#[test]
fn what_a_helper_finds_is_marked_before_the_end() {
    mark_with_helper(2, false);
}

#[test]
fn what_is_hidden_from_a_helper_is_marked() {
    mark_with_helper(1, true);
}

#[test]
fn nothing_is_swept_that_a_helper_looks_at() {
    model(|| {
        let world = World::new();
        let helper = thread::spawn({
            let world = world.clone();
            move || world.help(2)
        });
        world.mark();
        // As if a sweep had found it dead.
        world.left.free();
        helper.join().unwrap();
    });
}

/// loom reports it if the worker sleeps for ever.
#[test]
fn a_worker_that_sleeps_is_woken_when_there_is_something() {
    model(|| {
        let world = World::new();
        let worker = thread::spawn({
            let world = world.clone();
            move || drop(world.pool.enter_when_filled())
        });
        let mut work = Work::new();
        work.grey
            .extend([pointer(&world.left), pointer(&world.right)]);
        world.pool.share(&mut work);
        worker.join().unwrap();
        assert_eq!(world.pool.take_back(&mut work), Left::Taken);
    });
}

#[test]
#[should_panic(expected = "an object is lost")]
fn helpers_must_be_counted() {
    with_bug(Some("helpers are not counted"), || {
        mark_with_helper(1, false)
    });
}

#[test]
#[should_panic(expected = "an object is lost")]
fn helpers_must_give_back_before_they_leave() {
    let bug = Some("helpers leave before they give back");
    with_bug(bug, || mark_with_helper(1, false));
}

#[test]
#[should_panic(expected = "an object is lost")]
fn the_collector_must_look_at_the_pool() {
    with_bug(Some("no look at the pool"), || mark_with_helper(1, false));
}
