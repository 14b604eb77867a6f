//! Treiber's stack: every mutator pushes one and pops one.

use std::sync::atomic::Ordering;

use crossbeam_epoch::{self as epoch, Atomic, Owned};
use gort::gc::collections::Stack as GcStack;
use gort::gc::{Root, with};

use super::{Cx, Verdict, measure};
use crate::cases::check;

/// A stack that all mutators share.
trait Stack: Default + Sync {
    fn push(&self, number: u64);
    fn pop(&self) -> Option<u64>;
}

struct Node {
    number: u64,
    below: Atomic<Node>,
}

#[derive(Default)]
struct Epochs(Atomic<Node>);

impl Stack for Epochs {
    fn push(&self, number: u64) {
        let guard = epoch::pin();
        let below = Atomic::null();
        let mut node = Owned::new(Node { number, below });
        loop {
            // Relaxed: it is not looked into, only put below.
            let top = self.0.load(Ordering::Relaxed, &guard);
            // Relaxed: published below.
            node.below.store(top, Ordering::Relaxed);
            // Release: publishes the node to the Acquire in `pop`.
            match self
                .0
                .compare_exchange(top, node, Ordering::Release, Ordering::Relaxed, &guard)
            {
                Ok(_) => return,
                Err(error) => node = error.new,
            }
        }
    }

    fn pop(&self) -> Option<u64> {
        let guard = epoch::pin();
        loop {
            // Acquire: pairs with the Release in `push`.
            let top = self.0.load(Ordering::Acquire, &guard);
            // SAFETY: nodes are destroyed after our guard.
            let node = unsafe { top.as_ref() }?;
            // Relaxed: constant since the node was published.
            let below = node.below.load(Ordering::Relaxed, &guard);
            // Release: keeps the publications of those below in order.
            let popped =
                self.0
                    .compare_exchange(top, below, Ordering::Release, Ordering::Relaxed, &guard);
            if popped.is_ok() {
                // SAFETY: it is not on the stack any more, and only we have popped it.
                unsafe { guard.defer_destroy(top) };
                return Some(node.number);
            }
        }
    }
}

struct Collected(Root<GcStack<'static, u64>>);

impl Default for Collected {
    fn default() -> Self {
        Self(Root::new(|_| GcStack::new()))
    }
}

impl Stack for Collected {
    fn push(&self, number: u64) {
        with(|g| self.0.get(g).as_ref().push(g, number));
    }

    fn pop(&self) -> Option<u64> {
        with(|g| self.0.get(g).as_ref().pop(g).copied())
    }
}

pub(super) fn epochs(cx: Cx) -> Verdict {
    stack::<Epochs>(cx)
}

pub(super) fn collected(cx: Cx) -> Verdict {
    stack::<Collected>(cx)
}

/// One operation is one push or one pop.
fn stack<S: Stack>(cx: Cx) -> Verdict {
    let pairs = cx.size / 2 / cx.procs as u64;
    let stack = S::default();
    let work = |(): &mut ()| {
        let mut sum = 0;
        for number in 0..pairs {
            stack.push(number);
            sum += stack.pop().expect("as many were pushed");
        }
        sum
    };
    let (measured, sums) = measure(cx, |_| (), work);
    let procs = cx.procs as u64;
    check(
        "sum of what was popped",
        sums.iter().sum(),
        procs * (pairs * (pairs - 1) / 2),
    )?;
    Ok(measured.per_op(2 * pairs * procs))
}
