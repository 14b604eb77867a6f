//! Mutators that shade and upgrade while the collector has its last look. What it finds dead, nobody gets.

use gort_primitives::atomic::{AtomicPtr, AtomicU8, Ordering};
use gort_primitives::cell::UnsafeCell;
use gort_primitives::sync::Arc;
use gort_primitives::{model, thread};

use super::*;
use crate::seeded::with_bug;

const WHITE: Color = 1;
pub(crate) const BLACK: Color = 2;

/// An object, and an edge to another.
pub(crate) struct Object {
    color: AtomicU8,
    /// loom reports a read that races with the write that stands for freeing.
    value: UnsafeCell<u8>,
    pub(crate) edge: AtomicPtr<Object>,
}

impl Object {
    /// A white one.
    pub(crate) fn new(edge: *mut Object) -> Box<Self> {
        Box::new(Self {
            color: AtomicU8::new(WHITE),
            value: UnsafeCell::new(7),
            edge: AtomicPtr::new(edge),
        })
    }

    pub(crate) fn color(&self) -> Color {
        // Relaxed: as `ObjectRef::color`.
        self.color.load(Ordering::Relaxed)
    }

    pub(crate) fn free(&self) {
        // SAFETY: loom checks it.
        self.value.with_mut(|value| unsafe { *value = 0xDD });
    }
}

/// A pointer to an object of a [`World`].
#[derive(Clone, Copy)]
pub(crate) struct Pointer(pub(crate) *mut Object);

// SAFETY: it leads into what the world owns, and the threads of a model end before it does.
unsafe impl Send for Pointer {}

impl Pointer {
    /// What an edge leads to.
    pub(crate) fn load(edge: &AtomicPtr<Object>) -> Option<Self> {
        // Acquire: as `weak::target_of` and `Edge::load`.
        let target = edge.load(Ordering::Acquire);
        (!target.is_null()).then_some(Self(target))
    }

    pub(crate) fn object(&self) -> &Object {
        // SAFETY: the world is there.
        unsafe { &*self.0 }
    }

    pub(crate) fn read(&self) {
        // SAFETY: loom checks it.
        self.object()
            .value
            .with(|value| assert_eq!(unsafe { *value }, 7));
    }
}

impl Shade for Pointer {
    fn color(self) -> Color {
        self.object().color()
    }

    fn set_color(self, color: Color) {
        // Relaxed: as `ObjectRef::set_color`.
        self.object().color.store(color, Ordering::Relaxed);
    }

    fn needs_trace(self) -> bool {
        true
    }
}

/// Two objects, the first of which leads to the second, and a weak cell to the first. No root leads to either.
struct World {
    objects: [Box<Object>; 2],
    cell: AtomicPtr<Object>,
    buffers: [Buffer<Pointer>; 2],
}

impl World {
    fn new() -> Arc<Self> {
        let mut second = Object::new(std::ptr::null_mut());
        let mut first = Object::new(&raw mut *second);
        let cell = AtomicPtr::new(&raw mut *first);
        Arc::new(Self {
            objects: [first, second],
            cell,
            buffers: [Buffer::new(Closing::Open), Buffer::new(Closing::Open)],
        })
    }

    /// Upgrades the weak pointer by a pin that marks, and follows the edge. One that would have to wait for the decision goes
    /// away.
    fn upgrade(&self, thread: usize) {
        let upgraded = self.buffers[thread].upgrade(|| Pointer::load(&self.cell), BLACK);
        if let Ok(Some(object)) = upgraded {
            object.read();
            Pointer::load(&object.object().edge)
                .iter()
                .for_each(Pointer::read);
        }
    }

    /// Traces until nothing is grey.
    fn mark(&self) {
        let mut grey: Vec<Pointer> = Vec::new();
        loop {
            while let Some(object) = grey.pop() {
                if let Some(target) = Pointer::load(&object.object().edge)
                    && target.color() != BLACK
                {
                    target.set_color(BLACK);
                    grey.push(target);
                }
            }
            if last_look(self.buffers.iter(), &mut grey) {
                return;
            }
        }
    }

    /// What comes after the decision: step 6 of a cycle.
    fn sweep(&self, done_too_early: bool) {
        let done = || {
            self.buffers
                .iter()
                .for_each(|b| b.set_closing(Closing::Done))
        };
        if done_too_early {
            done();
        }
        let is_dead = |object: &Object| object.color() == WHITE;
        if is_dead(&self.objects[0]) {
            // Release: as `weak::clear_dead`.
            self.cell.store(std::ptr::null_mut(), Ordering::Release);
        }
        done();
        for object in self.objects.iter().filter(|object| is_dead(object)) {
            object.free();
        }
    }
}

/// Lets so many mutators upgrade while the collector decides.
fn upgrade_and_decide(mutators: usize, done_too_early: bool) {
    model(move || {
        let world = World::new();
        let threads: Vec<_> = (0..mutators)
            .map(|mutator| {
                let world = world.clone();
                thread::spawn(move || world.upgrade(mutator))
            })
            .collect();
        world.mark();
        world.sweep(done_too_early);
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

#[test]
fn what_is_upgraded_is_not_freed() {
    upgrade_and_decide(1, false);
}

#[test]
fn what_two_upgrade_is_not_freed() {
    upgrade_and_decide(2, false);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn upgrades_must_be_shaded() {
    with_bug(Some("no shading of upgrades"), || {
        upgrade_and_decide(1, false)
    });
}

#[test]
#[should_panic(expected = "Causality violation")]
fn upgrades_must_wait_for_the_decision() {
    with_bug(Some("upgrades after the last look"), || {
        upgrade_and_decide(1, false);
    });
}

#[test]
#[should_panic(expected = "Causality violation")]
fn the_second_look_is_needed() {
    with_bug(Some("no second look at the grey buffers"), || {
        upgrade_and_decide(1, false);
    });
}

#[test]
#[should_panic(expected = "Causality violation")]
fn cells_must_be_empty_before_upgrades_go_on() {
    upgrade_and_decide(1, true);
}
