//! Binary trees: one that lives long, many that do not, as in the Computer Language Benchmarks Game.

use std::sync::Arc;
use std::sync::Mutex;

use gort::gc::{Gc, Guard, Root, Trace, with};

use super::{Cx, Verdict, measure};
use crate::cases::check;

/// Trees of up to this depth are built under one guard.
const UNDER_ONE_GUARD: u64 = 12;

/// A way to build a tree, and to count its nodes.
trait Tree: Sized + Send + Sync {
    fn build(depth: u64) -> Self;
    fn count(&self) -> u64;
}

struct Boxed(Option<(Box<Boxed>, Box<Boxed>)>);

impl Tree for Box<Boxed> {
    fn build(depth: u64) -> Self {
        Box::new(Boxed(
            depth
                .checked_sub(1)
                .map(|depth| (Self::build(depth), Self::build(depth))),
        ))
    }

    fn count(&self) -> u64 {
        1 + self
            .0
            .as_ref()
            .map_or(0, |(left, right)| left.count() + right.count())
    }
}

struct Counted(Option<(Arc<Counted>, Arc<Counted>)>);

impl Tree for Arc<Counted> {
    fn build(depth: u64) -> Self {
        Arc::new(Counted(
            depth
                .checked_sub(1)
                .map(|depth| (Self::build(depth), Self::build(depth))),
        ))
    }

    fn count(&self) -> u64 {
        1 + self
            .0
            .as_ref()
            .map_or(0, |(left, right)| left.count() + right.count())
    }
}

#[derive(Trace)]
struct Collected<'g>(Option<(Gc<'g, Collected<'g>>, Gc<'g, Collected<'g>>)>);

impl<'g> Collected<'g> {
    fn build(g: &'g Guard, depth: u64) -> Gc<'g, Self> {
        let children = depth
            .checked_sub(1)
            .map(|depth| (Self::build(g, depth), Self::build(g, depth)));
        g.alloc(Collected(children))
    }

    fn count(&self) -> u64 {
        1 + self
            .0
            .map_or(0, |(left, right)| left.count() + right.count())
    }
}

impl Tree for Root<Collected<'static>> {
    fn build(depth: u64) -> Self {
        if depth <= UNDER_ONE_GUARD {
            return with(|g| Collected::build(g, depth).root(g));
        }
        let (left, right) = (Self::build(depth - 1), Self::build(depth - 1));
        with(|g| {
            g.alloc(Collected(Some((left.get(g), right.get(g)))))
                .root(g)
        })
    }

    fn count(&self) -> u64 {
        with(|g| self.get(g).count())
    }
}

pub(super) fn boxed(cx: Cx) -> Verdict {
    trees::<Box<Boxed>>(cx)
}

pub(super) fn counted(cx: Cx) -> Verdict {
    trees::<Arc<Counted>>(cx)
}

pub(super) fn collected(cx: Cx) -> Verdict {
    trees::<Root<Collected<'static>>>(cx)
}

/// Builds and counts as many nodes of each depth, 4, 8 and so on, while a tree of the greatest depth is alive. One operation is
/// one node.
fn trees<T: Tree>(cx: Cx) -> Verdict {
    let greatest = cx.size;
    let long_lived = T::build(greatest);
    let depths = (4..=greatest).step_by(4);
    // In parts, so that two mutators have the same to do.
    let parts: Vec<(u64, u64)> = depths
        .flat_map(|depth| [(depth, 1 << (greatest - depth + 1)); 8])
        .collect();
    let expected = parts
        .iter()
        .map(|(depth, trees)| trees * nodes(*depth))
        .sum();
    let parts = Mutex::new(parts.into_iter());
    let next = || parts.lock().expect("no holder panics").next();
    let (measured, counts) = measure(
        cx,
        |_| (),
        |()| {
            let trees = std::iter::from_fn(next);
            trees
                .map(|(depth, trees)| (0..trees).map(|_| T::build(depth).count()).sum::<u64>())
                .sum::<u64>()
        },
    );
    check("nodes", counts.iter().sum(), expected)?;
    check("nodes that live long", long_lived.count(), nodes(greatest))?;
    Ok(measured.per_op(expected))
}

fn nodes(depth: u64) -> u64 {
    (2 << depth) - 1
}
