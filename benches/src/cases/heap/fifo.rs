//! A long queue per mutator: what is allocated now dies a million operations later.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};

use gort::gc::{Edge, Gc, Root, Trace, with};

use super::{Cx, Verdict, measure, timed, with_times};
use crate::cases::check;
use crate::stats::Histogram;

/// Nodes in each queue.
const LIVE: u64 = 1_000_000;

/// A queue of one mutator.
trait Queue {
    fn new() -> Self;
    fn push(&mut self, number: u64);
    fn pop(&mut self) -> u64;
}

/// The links that a node of the others has would need `unsafe` here; there is one allocation per node all the same.
#[derive(Default)]
struct Boxed(VecDeque<Box<[u64; 4]>>);

impl Queue for Boxed {
    fn new() -> Self {
        Self::default()
    }

    fn push(&mut self, number: u64) {
        self.0.push_back(Box::new([number; 4]));
    }

    fn pop(&mut self) -> u64 {
        self.0.pop_front().map_or(0, |node| node[3])
    }
}

struct CountedNode {
    contents: [u64; 3],
    next: OnceLock<Arc<CountedNode>>,
}

impl CountedNode {
    fn new(number: u64) -> Arc<Self> {
        let next = OnceLock::new();
        let contents = [number; 3];
        Arc::new(Self { contents, next })
    }
}

/// The first node has been popped already.
struct Counted {
    first: Arc<CountedNode>,
    last: Arc<CountedNode>,
}

impl Queue for Counted {
    fn new() -> Self {
        let first = CountedNode::new(0);
        let last = first.clone();
        Self { first, last }
    }

    fn push(&mut self, number: u64) {
        let node = CountedNode::new(number);
        let linked = self.last.next.set(node.clone());
        assert!(linked.is_ok(), "the last node has no next");
        self.last = node;
    }

    fn pop(&mut self) -> u64 {
        let Some(next) = self.first.next.get().cloned() else {
            return 0;
        };
        self.first = next;
        self.first.contents[2]
    }
}

impl Drop for Counted {
    /// Node by node: the drop of the first one would recurse.
    fn drop(&mut self) {
        while self.pop() != 0 {}
    }
}

#[derive(Trace)]
struct Node<'g> {
    contents: [u64; 3],
    next: Edge<'g, Node<'g>>,
}

impl Node<'_> {
    fn new(number: u64) -> Self {
        Self {
            contents: [number; 3],
            next: Edge::null(),
        }
    }
}

/// As for `Counted`, the first node has been popped already.
#[derive(Trace)]
struct Ends<'g> {
    first: Edge<'g, Node<'g>>,
    last: Edge<'g, Node<'g>>,
}

impl Queue for Root<Ends<'static>> {
    fn new() -> Self {
        Root::new(|g| {
            let node = g.alloc(Node::new(0));
            let (first, last) = (Edge::from(node), Edge::from(node));
            Ends { first, last }
        })
    }

    fn push(&mut self, number: u64) {
        with(|g| {
            let ends = self.get(g);
            let node = g.alloc(Node::new(number));
            let last = ends.last.load().map(Gc::as_ref);
            last.expect("there is a last node")
                .next
                .store(g, Some(node));
            ends.last.store(g, Some(node));
        });
    }

    fn pop(&mut self) -> u64 {
        with(|g| {
            let ends = self.get(g);
            let next = ends.first.load().and_then(|first| first.next.load());
            let Some(next) = next else { return 0 };
            ends.first.store(g, Some(next));
            next.contents[2]
        })
    }
}

pub(super) fn boxed(cx: Cx) -> Verdict {
    fifo::<Boxed>(cx)
}

pub(super) fn counted(cx: Cx) -> Verdict {
    fifo::<Counted>(cx)
}

pub(super) fn collected(cx: Cx) -> Verdict {
    fifo::<Root<Ends<'static>>>(cx)
}

/// One operation is one push and one pop.
fn fifo<Q: Queue>(cx: Cx) -> Verdict {
    let (live, each) = (cx.up_to(LIVE), cx.size / cx.procs as u64);
    let prepare = |_| {
        let mut queue = Q::new();
        (1..=live).for_each(|number| queue.push(number));
        queue
    };
    let work = |queue: &mut Q| {
        let mut sum = 0;
        let times = timed(each, |number| {
            queue.push(live + 1 + number);
            sum += queue.pop();
        });
        (sum, times)
    };
    let (measured, results) = measure(cx, prepare, work);
    let (sums, times): (Vec<u64>, Vec<Histogram>) = results.into_iter().unzip();
    for sum in sums {
        check("sum of what was popped", sum, each * (each + 1) / 2)?;
    }
    Ok(with_times(measured, &times))
}
