//! A mutex under contention, held for an instant or across a yield.

use std::sync::Arc;

use super::{Countdown, Cx, Verdict, check};
use crate::adapters::{Mutex, Runtime};
use crate::figures::Meter;

const TASKS: u64 = 64;

/// How long a task keeps the lock.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Holding {
    /// For one addition.
    Briefly,
    /// For one addition and a yield.
    AcrossYield,
}

/// Lets 64 tasks add to one number under a lock; one operation is one lock.
pub(super) async fn mutex<R: Runtime>(cx: Cx, holding: Holding) -> Verdict {
    let each = cx.size / TASKS;
    let (countdown, zero) = Countdown::<R>::start(TASKS);
    let number = Arc::new(R::mutex(0u64));
    let meter = Meter::start();
    for _ in 0..TASKS {
        let number = Arc::clone(&number);
        R::spawn_detached(async move {
            for _ in 0..each {
                add_one::<R>(&number, holding).await;
            }
            countdown.hit();
        });
    }
    zero.reached().await;
    let measured = meter.stop();
    let total = *number.lock().await;
    check("number under the lock", total, each * TASKS)?;
    Ok(measured.per_op(each * TASKS))
}

async fn add_one<R: Runtime>(number: &R::Mutex<u64>, holding: Holding) {
    let mut guard = number.lock().await;
    *guard += 1;
    if holding == Holding::AcrossYield {
        R::yield_now().await;
    }
}
