//! Objects that cannot be traced at once: a lock in them is held.

use super::node::{Bag, Node, node};
use super::{alone, finish, mark};
use crate::collector::Cycle;
use crate::grey::Shade;
use crate::local::{self, Local};
use crate::marker::POOL;
use crate::object::ObjectRef;
use crate::seeded::with_bug;
use crate::{Edge, Mutex, Root, pin, with};

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

/// The collector traces it in parts, and cannot go on where the lock is before that is released.
#[test]
fn a_slice_with_a_lock_that_was_held_is_traced_to_its_end() {
    let _alone = alone();
    let holder = Local::of_simulator();
    let mut targets = Vec::new();
    let root: Root<[Mutex<Bag<'static>>]> = with(|g| {
        let locked = |_| {
            let target = node(g, None, &[], Bag::default());
            targets.push(target.object());
            Mutex::new(Bag::of(Some(target)))
        };
        g.alloc_slice(5, locked).root(g)
    });
    let mut cycle = Cycle::new();
    while !local::word().shades_new() {
        let _ = cycle.step(1);
    }
    let g = holder.act(pin);
    let lock = root.get(&g).as_ref()[2].lock(&g);
    while cycle.deferrals() < 3 {
        let _ = cycle.step(1);
    }
    let marked = |cycle: &Cycle| {
        let colors = targets.iter().map(|target| target.color());
        colors.filter(|color| *color == cycle.color()).count()
    };
    assert!(marked(&cycle) < targets.len());
    drop(lock);
    drop(g);
    mark(&mut cycle);
    assert_eq!(marked(&cycle), targets.len());
    drop(root);
    finish(cycle);
    holder.end_of_simulator();
}

#[test]
fn a_long_vector_is_traced_in_parts() {
    let _alone = alone();
    let (root, targets): (Root<Vec<Edge<'static, Node<'static>>>>, Vec<ObjectRef>) = with(|g| {
        let nodes: Vec<_> = (0..5).map(|_| node(g, None, &[], Bag::default())).collect();
        let edges: Vec<_> = nodes.iter().map(|node| Edge::from(*node)).collect();
        let targets = nodes.iter().map(|node| node.object()).collect();
        (g.alloc(edges).root(g), targets)
    });
    let mut cycle = Cycle::new();
    let marked = |cycle: &Cycle| {
        let colors = targets.iter().map(|target| target.color());
        colors.filter(|color| *color == cycle.color()).count()
    };
    let mut before = 0;
    while before < targets.len() {
        let _ = cycle.step(1);
        let now = marked(&cycle);
        assert!(now <= before + 1, "{now} are marked in a step");
        before = now;
    }
    mark(&mut cycle);
    drop(root);
    finish(cycle);
}
