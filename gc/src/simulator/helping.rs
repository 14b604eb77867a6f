//! A helper that cannot trace what it has taken, because a lock in it is held.

use super::node::{Bag, Node, node};
use super::{alone, finish, mark};
use crate::collector::Cycle;
use crate::grey::Shade;
use crate::local::{self, Local};
use crate::marker::POOL;
use crate::object::ObjectRef;
use crate::seeded::with_bug;
use crate::{Root, pin, with};

/// Tells whether what is in locks is lost that are held when a helper comes by, and not any more when it has left.
fn what_a_helper_defers_is_lost() -> bool {
    let holder = Local::of_simulator();
    // Two, so that the collector shares one.
    let (roots, targets): (Vec<Root<Node<'static>>>, Vec<ObjectRef>) = with(|g| {
        let pair = |_| {
            let target = node(g, None, &[], Bag::default());
            let holder = node(g, None, &[], Bag::of(Some(target)));
            (holder.root(g), target.object())
        };
        (0..2).map(pair).unzip()
    });
    let mut cycle = Cycle::new();
    while !local::word().shades_new() {
        let _ = cycle.step(1);
    }
    // In ARM, so the holder takes no snapshot.
    let g = holder.act(pin);
    let locks: Vec<_> = roots
        .iter()
        .map(|root| root.get(&g).as_ref().locked.lock(&g))
        .collect();
    let mut helper = loop {
        let _ = cycle.step(1);
        if let Some(helper) = POOL.enter() {
            break helper;
        }
    };
    helper.trace(usize::MAX);
    assert!(!helper.work.deferred.is_empty(), "the lock is held");
    drop(helper);
    drop(locks);
    drop(g);
    mark(&mut cycle);
    let lost = targets.iter().any(|target| target.color() != cycle.color());
    drop(roots);
    finish(cycle);
    holder.end_of_simulator();
    lost
}

#[test]
fn what_a_helper_defers_is_marked() {
    let _alone = alone();
    assert!(!what_a_helper_defers_is_lost());
    let bug = Some("what helpers defer is lost");
    assert!(with_bug(bug, what_a_helper_defers_is_lost));
}
