//! What the simulator must find, and what it must not.

use super::{Local, MUTATORS, World, alone};
use crate::seeded::with_bug;

/// The rules that are left out one by one.
const BUGS: [&str; 20] = [
    "no first grace period",
    "no second grace period",
    "no shading of new pointers",
    "shading of new pointers in ARM only",
    "no shading of old pointers",
    "no shading of what a new object holds",
    "black objects in ARM",
    "no shading of new roots",
    "no shading of dropped roots",
    "no snapshot of locks",
    "no shading of changed locks",
    "no look at the grey buffers",
    "white objects after the snapshot",
    "no wait for the sweep",
    "new blocks are swept",
    "no shading of upgrades",
    "upgrades after the last look",
    "helpers are not counted",
    "no look at the pool",
    "the rest of a slice is lost",
];

/// Runs worlds until one loses an object, and tells whether one did.
fn loses(bug: Option<&'static str>, worlds: u64, steps: usize) -> bool {
    let locals: [_; MUTATORS] = std::array::from_fn(|_| Local::of_simulator());
    let mut lost = false;
    for seed in 1..=worlds {
        let mut world = World::new(&locals, seed);
        lost = with_bug(bug, || {
            let lost = world.run(steps).is_err();
            // The bug may have freed what is let go of here, which then must not be overwritten.
            world.end().is_err() || lost
        });
        if lost {
            break;
        }
    }
    for local in locals {
        local.end_of_simulator();
    }
    lost
}

fn rounds(n: u64) -> u64 {
    let factor = std::env::var("GORT_STRESS")
        .ok()
        .and_then(|factor| factor.parse().ok());
    n * factor.unwrap_or(1).max(1)
}

#[test]
fn no_order_of_steps_frees_what_can_be_reached() {
    let _alone = alone();
    assert!(!loses(None, rounds(20_000), 400));
}

#[test]
fn each_rule_of_the_protocol_is_needed() {
    let _alone = alone();
    let found = BUGS.map(|bug| (bug, loses(Some(bug), 400_000, 1_200)));
    let missed: Vec<_> = found.iter().filter(|(_, lost)| !lost).collect();
    assert!(missed.is_empty(), "not found: {missed:?}");
}
