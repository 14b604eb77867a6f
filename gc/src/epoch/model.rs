//! The races of pins with the collector. What the collector frees, nobody is looking at.

use gort_primitives::atomic::{AtomicBool, Ordering};
use gort_primitives::cell::UnsafeCell;
use gort_primitives::sync::Arc;
use gort_primitives::{model, thread};

use super::*;
use crate::phase::Phase;
use crate::seeded::with_bug;

/// One object, one root of it, and one thread that pins.
struct World {
    epoch: Epoch,
    state: State,
    rooted: AtomicBool,
    marked: AtomicBool,
    /// loom reports a read that races with the write that stands for freeing.
    object: UnsafeCell<u8>,
}

const NEXT: Word = Word::new(1, Phase::Arm);

impl World {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            epoch: Epoch::new(),
            state: State::unpinned(),
            rooted: AtomicBool::new(true),
            marked: AtomicBool::new(false),
            object: UnsafeCell::new(7),
        })
    }

    fn read(&self) {
        // SAFETY: loom checks it.
        self.object.with(|object| assert_eq!(unsafe { *object }, 7));
    }

    fn free(&self) {
        // SAFETY: loom checks it.
        self.object.with_mut(|object| unsafe { *object = 0xDD });
    }

    fn pinned(&self, f: impl FnOnce()) {
        self.state.pin(&self.epoch);
        f();
        self.state.unpin();
    }

    /// Goes on to `word`, and waits for all older pins.
    fn advance_and_wait(&self, word: Word) {
        self.epoch.advance(word);
        while self.state.get().is_some_and(|pinned| pinned < word) {
            thread::yield_now();
        }
    }
}

/// The collector frees what was a root, when all who may have seen it as one are gone.
fn unlink_and_free(pins: usize) {
    model(move || {
        let world = World::new();
        let mutator = thread::spawn({
            let world = world.clone();
            move || {
                for _ in 0..pins {
                    world.pinned(|| {
                        // Acquire: as `Edge::load`.
                        if world.rooted.load(Ordering::Acquire) {
                            world.read();
                        }
                    });
                }
            }
        });
        // Release: as `Edge::store`.
        world.rooted.store(false, Ordering::Release);
        world.advance_and_wait(NEXT);
        world.free();
        mutator.join().unwrap();
    });
}

#[test]
fn nothing_is_freed_before_those_who_may_see_it_have_unpinned() {
    unlink_and_free(1);
}

#[test]
fn a_second_pin_hides_nothing_of_the_first() {
    unlink_and_free(2);
}

/// Pins while the collector goes on, and finds that it has the new word or is waited for.
fn pin_and_advance() {
    model(|| {
        let world = World::new();
        let mutator = thread::spawn({
            let world = world.clone();
            move || {
                world.state.pin(&world.epoch);
                world.state.own()
            }
        });
        world.epoch.advance(NEXT);
        let seen = world.state.get();
        let word = mutator.join().unwrap();
        assert!(word == NEXT || seen.is_some(), "nobody waits for the pin");
    });
}

#[test]
fn who_is_not_waited_for_has_the_new_word() {
    pin_and_advance();
}

#[test]
#[should_panic(expected = "nobody waits for the pin")]
fn the_second_look_at_the_word_is_needed() {
    with_bug(Some("no second look at the word"), pin_and_advance);
}

#[test]
fn a_root_that_is_dropped_is_shaded_or_scanned_or_nobody_has_it() {
    model(|| {
        let world = World::new();
        let mutator = thread::spawn({
            let world = world.clone();
            move || {
                world.pinned(|| {
                    if world.state.own().shades_old() {
                        // Relaxed: as `ObjectRef::set_color`.
                        world.marked.store(true, Ordering::Relaxed);
                    }
                    // Release: as `Root::drop`.
                    world.rooted.store(false, Ordering::Release);
                    world.read();
                });
            }
        });
        world.advance_and_wait(NEXT);
        world.epoch.advance(Word::new(1, Phase::Mark1));
        // Acquire: as `root::for_each`.
        if world.rooted.load(Ordering::Acquire) {
            world.marked.store(true, Ordering::Relaxed);
        }
        world.advance_and_wait(Word::new(1, Phase::Mark2));
        if !world.marked.load(Ordering::Relaxed) {
            world.free();
        }
        mutator.join().unwrap();
    });
}
