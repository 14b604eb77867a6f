//! Yielding: the bare cost of a trip through the run queue.

use super::{Countdown, Cx, Verdict};
use crate::adapters::Runtime;
use crate::figures::Meter;

/// Runs `tasks` tasks that share the yields evenly.
pub(super) async fn yields<R: Runtime>(cx: Cx, tasks: u64) -> Verdict {
    let each = cx.size / tasks;
    let (countdown, zero) = Countdown::<R>::start(tasks);
    let meter = Meter::start();
    for _ in 0..tasks {
        R::spawn_detached(async move {
            for _ in 0..each {
                R::yield_now().await;
            }
            countdown.hit();
        });
    }
    zero.reached().await;
    Ok(meter.stop().per_op(each * tasks))
}
