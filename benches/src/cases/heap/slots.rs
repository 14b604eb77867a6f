//! Random replacement in a large graph: every mutator has a table of nodes, each with a leaf.

use std::sync::Arc;

use gort::gc::{Edge, Gc, Guard, Root, Trace, with};

use super::{Cx, Random, Verdict, measure, timed, with_times};
use crate::cases::check;
use crate::stats::Histogram;

/// Nodes of each mutator.
const LIVE: u64 = 500_000;

/// Nodes that are made under one guard.
const BATCH: u64 = 1_000;

/// The table of one mutator. A slot holds a number twice, in its node and in the leaf.
trait Table {
    fn new(slots: u64) -> Self;
    /// Replaces the contents of a slot, and returns the number in the leaf before.
    fn replace(&mut self, slot: u64, number: u64) -> u64;
    fn sum(&self) -> u64;
}

struct BoxedNode {
    contents: [u64; 3],
    leaf: Box<[u64; 4]>,
}

impl BoxedNode {
    fn new(number: u64) -> Box<Self> {
        Box::new(Self {
            contents: [number; 3],
            leaf: Box::new([number; 4]),
        })
    }
}

#[expect(clippy::vec_box, reason = "every node is to be allocated")]
struct Boxed(Vec<Box<BoxedNode>>);

impl Table for Boxed {
    fn new(slots: u64) -> Self {
        Self((0..slots).map(BoxedNode::new).collect())
    }

    fn replace(&mut self, slot: u64, number: u64) -> u64 {
        let place = &mut self.0[slot as usize];
        std::mem::replace(place, BoxedNode::new(number)).leaf[3]
    }

    fn sum(&self) -> u64 {
        self.0.iter().map(|node| node.contents[2]).sum()
    }
}

struct CountedNode {
    contents: [u64; 3],
    leaf: Arc<[u64; 4]>,
}

impl CountedNode {
    fn new(number: u64) -> Arc<Self> {
        Arc::new(Self {
            contents: [number; 3],
            leaf: Arc::new([number; 4]),
        })
    }
}

struct Counted(Vec<Arc<CountedNode>>);

impl Table for Counted {
    fn new(slots: u64) -> Self {
        Self((0..slots).map(CountedNode::new).collect())
    }

    fn replace(&mut self, slot: u64, number: u64) -> u64 {
        let place = &mut self.0[slot as usize];
        std::mem::replace(place, CountedNode::new(number)).leaf[3]
    }

    fn sum(&self) -> u64 {
        self.0.iter().map(|node| node.contents[2]).sum()
    }
}

#[derive(Trace)]
struct Node<'g> {
    contents: [u64; 3],
    leaf: Gc<'g, [u64; 4]>,
}

impl<'g> Node<'g> {
    fn new(g: &'g Guard, number: u64) -> Gc<'g, Self> {
        let leaf = g.alloc([number; 4]);
        g.alloc(Self {
            contents: [number; 3],
            leaf,
        })
    }
}

type Slots<'g> = Vec<Edge<'g, Node<'g>>>;

impl Table for Root<Slots<'static>> {
    fn new(slots: u64) -> Self {
        let table: Self = Root::new(|_| (0..slots).map(|_| Edge::null()).collect());
        for first in (0..slots).step_by(BATCH as usize) {
            with(|g| {
                for number in first..slots.min(first + BATCH) {
                    table.get(g)[number as usize].store(g, Some(Node::new(g, number)));
                }
            });
        }
        table
    }

    fn replace(&mut self, slot: u64, number: u64) -> u64 {
        with(|g| {
            let edge = &self.get(g).as_ref()[slot as usize];
            let before = edge.load();
            edge.store(g, Some(Node::new(g, number)));
            before.map_or(0, |node| node.leaf[3])
        })
    }

    fn sum(&self) -> u64 {
        let number = |edge: &Edge<'_, Node<'_>>| edge.load().map_or(0, |node| node.contents[2]);
        with(|g| self.get(g).iter().map(number).sum())
    }
}

pub(super) fn boxed(cx: Cx) -> Verdict {
    slots::<Boxed>(cx)
}

pub(super) fn counted(cx: Cx) -> Verdict {
    slots::<Counted>(cx)
}

pub(super) fn collected(cx: Cx) -> Verdict {
    slots::<Root<Slots<'static>>>(cx)
}

/// One operation makes a node and a leaf, and lets go of two others.
fn slots<T: Table>(cx: Cx) -> Verdict {
    let (live, each) = (cx.up_to(LIVE), cx.size / cx.procs as u64);
    let work = |(table, random): &mut (T, Random)| {
        let (mut came, mut gone) = (0, 0);
        let times = timed(each, |number| {
            gone += table.replace(random.below(live), number);
            came += number;
        });
        (table.sum() + gone - came, times)
    };
    let (measured, results) = measure(cx, |mutator| (T::new(live), Random::new(mutator)), work);
    let (sums, times): (Vec<u64>, Vec<Histogram>) = results.into_iter().unzip();
    for sum in sums {
        check("sum of what was there at first", sum, live * (live - 1) / 2)?;
    }
    Ok(with_times(measured, &times))
}
