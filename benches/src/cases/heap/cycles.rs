//! Rings that are made and dropped: counting alone would leak them.

use std::sync::{Arc, OnceLock, Weak};

use gort::gc::{Edge, Gc, Trace, with};

use super::{Cx, Verdict, measure};
use crate::cases::check;

/// Nodes in a ring.
const RING: u64 = 10;

struct CountedNode {
    number: u64,
    next: Option<Arc<CountedNode>>,
    /// Closes the ring, in its last node.
    first: OnceLock<Weak<CountedNode>>,
}

impl CountedNode {
    fn new(number: u64, next: Option<Arc<Self>>) -> Arc<Self> {
        let first = OnceLock::new();
        Arc::new(Self {
            number,
            next,
            first,
        })
    }
}

/// Goes round one ring, and returns the sum of its numbers.
fn counted_ring() -> u64 {
    let last = CountedNode::new(0, None);
    let first = (1..RING).fold(last.clone(), |next, number| {
        CountedNode::new(number, Some(next))
    });
    let closed = last.first.set(Arc::downgrade(&first));
    assert!(closed.is_ok(), "it is closed once");
    let ring = std::iter::successors(Some(&*first), |node| node.next.as_deref());
    ring.map(|node| node.number).sum()
}

#[derive(Trace)]
struct Node<'g> {
    number: u64,
    next: Edge<'g, Node<'g>>,
}

/// As `counted_ring`.
fn collected_ring() -> u64 {
    with(|g| {
        let last = g.alloc(Node {
            number: 0,
            next: Edge::null(),
        });
        let first = (1..RING).fold(last, |next, number| {
            let next = Edge::from(next);
            g.alloc(Node { number, next })
        });
        last.next.store(g, Some(first));
        let ring = std::iter::successors(Some(first), |node| node.next.load());
        ring.take_while(|node| !Gc::ptr_eq(*node, last))
            .map(|node| node.number)
            .sum()
    })
}

pub(super) fn counted(cx: Cx) -> Verdict {
    cycles(cx, counted_ring)
}

pub(super) fn collected(cx: Cx) -> Verdict {
    cycles(cx, collected_ring)
}

/// One operation is one node.
fn cycles(cx: Cx, ring: fn() -> u64) -> Verdict {
    let rings = cx.size / RING / cx.procs as u64;
    let work = |(): &mut ()| (0..rings).map(|_| ring()).sum::<u64>();
    let (measured, sums) = measure(cx, |_| (), work);
    let rings = rings * cx.procs as u64;
    check(
        "sum of the numbers",
        sums.iter().sum(),
        rings * (RING * (RING - 1) / 2),
    )?;
    Ok(measured.per_op(rings * RING))
}
