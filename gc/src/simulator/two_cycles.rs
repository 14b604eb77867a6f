//! A race within an operation: a store stops between its barrier and its change, while one who marks goes on into the next
//! cycle.

use super::node::{Bag, Node, node};
use super::{alone, finish, finish_sweep, mark};
use crate::collector::{Cycle, Step};
use crate::grey::Shade;
use crate::local::Local;
use crate::seeded::with_bug;
use crate::{Root, pin, with};

/// Lets one who marks for a cycle go on into the next, and tells whether that loses an object.
///
/// | `late`: MARK2 of the last cycle | `storing`: ARM | `reading`: MARK1 |
/// |---|---|---|
/// | | shades what its store will overwrite | |
/// | overwrites another edge to it, and shades it: with the last cycle's colour | | |
/// | unpins | | |
/// | | | loads it from the edge |
/// | | overwrites the edge | |
fn a_late_pin_takes_a_mark_back() -> bool {
    let locals: [_; 3] = std::array::from_fn(|_| Local::of_simulator());
    let [late, storing, reading] = locals;
    let root: Root<Node<'static>> = with(|g| {
        let target = node(g, None, &[], Bag::default());
        node(g, None, &[Some(target); 2], Bag::default()).root(g)
    });
    let mut cycle = Cycle::new();
    mark(&mut cycle);
    let late = late.act(pin);
    finish_sweep(cycle.finish());
    let mut cycle = Cycle::new();
    let lost = if let Step::Waits(_) = cycle.step(1) {
        drop(late);
        false
    } else {
        let storing = storing.act(pin);
        root.get(&storing).edges[0].begin_store(&storing, None);
        root.get(&late).edges[1].store(&late, None);
        drop(late);
        while crate::local::word().marking().is_none() {
            let _ = cycle.step(1);
        }
        let reading = reading.act(pin);
        let found = root.get(&reading).edges[0].load().expect("it is there");
        root.get(&storing).edges[0].end_store(None);
        drop(storing);
        mark(&mut cycle);
        found.object().color() != cycle.color()
    };
    finish(cycle);
    for local in locals {
        local.end_of_simulator();
    }
    lost
}

#[test]
fn no_two_cycles_mark_at_a_time() {
    let _alone = alone();
    assert!(!a_late_pin_takes_a_mark_back());
    let bug = Some("two cycles mark at a time");
    assert!(with_bug(bug, a_late_pin_takes_a_mark_back));
}
