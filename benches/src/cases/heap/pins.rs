//! What protects an object while it is looked at: a pin, or a count.

use std::hint::black_box;
use std::sync::Arc;

use gort::gc::{Root, pin, with};

use super::{Cx, Verdict, measure};

pub(super) fn pins(cx: Cx) -> Verdict {
    repeat(cx, || drop(black_box(pin())))
}

pub(super) fn epochs(cx: Cx) -> Verdict {
    repeat(cx, || drop(black_box(crossbeam_epoch::pin())))
}

pub(super) fn roots(cx: Cx) -> Verdict {
    let root: Root<u64> = with(|g| g.alloc(7_u64).root(g));
    repeat(cx, || drop(black_box(root.clone())))
}

pub(super) fn counted(cx: Cx) -> Verdict {
    let counted = Arc::new(7_u64);
    repeat(cx, || drop(black_box(counted.clone())))
}

/// Every mutator does the same `size` times: so the figure is what one of them waits for one operation.
fn repeat(cx: Cx, operation: impl Fn() + Sync) -> Verdict {
    let (measured, _) = measure(cx, |_| (), |()| (0..cx.size).for_each(|_| operation()));
    Ok(measured.per_op(cx.size))
}
