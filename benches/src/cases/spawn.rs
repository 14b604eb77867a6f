//! Spawning: joined in order, detached, and one after the other.

use super::{Countdown, Cx, Verdict, check};
use crate::adapters::Runtime;
use crate::figures::Meter;

/// How many tasks of `spawn_join` are alive at once.
const BATCH: u64 = 10_000;

/// Spawns tasks that return their index, batch by batch, and awaits them in order.
pub(super) async fn join<R: Runtime>(cx: Cx) -> Verdict {
    join_batches(cx, BATCH, |index| R::spawn(async move { index })).await
}

/// As [`join`], with tasks that `spawn` makes of their index, so many at a time.
pub(super) async fn join_batches<T: Future<Output = u64>>(
    cx: Cx,
    most: u64,
    spawn: impl Fn(u64) -> T,
) -> Verdict {
    let batch = cx.size.min(most);
    let batches = cx.size / batch;
    let mut handles = Vec::with_capacity(batch as usize);
    let mut sum = 0;
    let meter = Meter::start();
    for _ in 0..batches {
        handles.extend((0..batch).map(&spawn));
        for handle in handles.drain(..) {
            sum += handle.await;
        }
    }
    let measured = meter.stop();
    check(
        "sum of the indices",
        sum,
        batches * (batch * (batch - 1) / 2),
    )?;
    Ok(measured.per_op(batches * batch))
}

/// Spawns all tasks detached from one task; the last one to run signals.
pub(super) async fn detach<R: Runtime>(cx: Cx) -> Verdict {
    let (countdown, zero) = Countdown::<R>::start(cx.size);
    let meter = Meter::start();
    for _ in 0..cx.size {
        R::spawn_detached(async move { countdown.hit() });
    }
    zero.reached().await;
    Ok(meter.stop().per_op(cx.size))
}

/// Spawns one task that spawns the next, and so on; the last one signals.
pub(super) async fn chained<R: Runtime>(cx: Cx) -> Verdict {
    let (countdown, zero) = Countdown::<R>::start(1);
    let meter = Meter::start();
    link::<R>(cx.size - 1, countdown);
    zero.reached().await;
    Ok(meter.stop().per_op(cx.size))
}

/// Spawns one link of the chain, with `left` links after it.
fn link<R: Runtime>(left: u64, end: &'static Countdown<R>) {
    R::spawn_detached(async move {
        match left {
            0 => end.hit(),
            _ => link::<R>(left - 1, end),
        }
    });
}
