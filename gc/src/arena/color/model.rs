//! A slot goes from a dead object by way of the one who sweeps, or drops, to the owner of the block, while others look.

use gort_primitives::cell::UnsafeCell;
use gort_primitives::sync::{Arc, Mutex};
use gort_primitives::{model, thread};

use super::*;
use crate::phase::{TAKEN, is_object};
use crate::seeded::with_bug;

const WHITE: Color = 1;
const LIVE: Color = 2;

/// A slot with a dead object.
struct Slot {
    color: ColorByte,
    /// loom reports two accesses that race, one of which is a write.
    value: UnsafeCell<u8>,
    /// Held by who sweeps, and by those who look at all objects: `sweep::exclude`.
    sweeping: Mutex<()>,
}

impl Slot {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            color: ColorByte::of(WHITE),
            value: UnsafeCell::new(7),
            sweeping: Mutex::new(()),
        })
    }

    fn write(&self, value: u8) {
        // SAFETY: loom checks it.
        self.value.with_mut(|place| unsafe { *place = value });
    }

    /// As `Block::sweep`, of a type with a destructor or without one.
    fn sweep(&self, needs_drop: bool) {
        let sweeping = self.sweeping.lock().unwrap();
        if self.color.get() == WHITE {
            if needs_drop {
                self.color.condemn();
            } else {
                self.write(0xDD);
                self.color.free();
            }
        }
        drop(sweeping);
        if needs_drop {
            self.drop_condemned();
        }
    }

    /// As `Block::drop_condemned`, on the dropper's thread.
    fn drop_condemned(&self) {
        if self.color.is_condemned() {
            self.write(0xDD);
            self.color.free();
        }
    }

    /// As the owner of the block, who may have to call foreign code to fill it.
    fn fill(&self) {
        if self.color.claim() == FREE {
            self.color.publish(TAKEN);
            self.write(9);
            self.color.publish(LIVE);
        }
    }

    /// As `sweep::for_each_object`.
    fn look(&self) {
        let _alone = self.sweeping.lock().unwrap();
        let color = self.color.visit();
        if is_object(color) {
            let wanted = if color == WHITE { 7 } else { 9 };
            // SAFETY: loom checks it.
            self.value
                .with(|place| assert_eq!(unsafe { *place }, wanted));
        }
    }
}

fn hand_over(needs_drop: bool) {
    model(move || {
        let slot = Slot::new();
        let owner = thread::spawn({
            let slot = slot.clone();
            move || slot.fill()
        });
        let visitor = thread::spawn({
            let slot = slot.clone();
            move || slot.look()
        });
        slot.sweep(needs_drop);
        owner.join().unwrap();
        visitor.join().unwrap();
    });
}

#[test]
fn a_swept_slot_goes_to_the_owner_of_its_block() {
    hand_over(false);
}

#[test]
fn a_condemned_slot_goes_to_the_owner_of_its_block() {
    hand_over(true);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn a_slot_must_be_freed_with_a_release() {
    with_bug(Some("slots are freed without a release"), || {
        hand_over(true)
    });
}

#[test]
#[should_panic(expected = "Causality violation")]
fn an_object_must_be_published_with_a_release() {
    with_bug(Some("colours are published without a release"), || {
        hand_over(false);
    });
}

/// The dropper is at the block, for what an earlier sweep has found, when another object is condemned.
fn condemn_meanwhile() {
    model(|| {
        let slot = Slot::new();
        let dropper = thread::spawn({
            let slot = slot.clone();
            move || slot.drop_condemned()
        });
        // The last one who used the object has gone before it was found dead.
        slot.write(8);
        slot.color.condemn();
        dropper.join().unwrap();
    });
}

#[test]
fn the_dropper_comes_after_all_who_used_the_object() {
    condemn_meanwhile();
}

#[test]
#[should_panic(expected = "Causality violation")]
fn an_object_must_be_condemned_with_a_release() {
    with_bug(
        Some("objects are condemned without a release"),
        condemn_meanwhile,
    );
}
