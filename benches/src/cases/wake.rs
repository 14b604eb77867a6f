//! Wakes from outside: an operating system thread talks to a task.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use super::{Cx, Failure, Verdict, check};
use crate::adapters::{Receiver, Runtime, Sender};
use crate::figures::Meter;
use crate::pin;

/// Lets a thread send to a task and wait, in `thread::park` (a futex), for the reply.
pub(super) async fn external<R: Runtime>(cx: Cx) -> Verdict {
    let (sender, mut receiver) = R::channel::<u64>(1);
    let reply = Arc::new(AtomicU64::new(0));
    let meter = Meter::start();
    let caller = thread::spawn({
        let reply = Arc::clone(&reply);
        move || call(cx.size, &sender, &reply)
    });
    let waiting = caller.thread().clone();
    while let Some(value) = receiver.recv().await {
        // Release: publishes the reply to the Acquire load in `call`.
        reply.store(value, Ordering::Release);
        waiting.unpark();
    }
    let measured = meter.stop();
    let calls = caller
        .join()
        .map_err(|_| Failure::Wrong("the calling thread panicked".into()))?;
    check("replies", calls, cx.size)?;
    Ok(measured.per_op(cx.size))
}

/// Makes `count` calls, one after the other, and returns the last reply.
fn call(count: u64, task: &impl Sender<u64>, reply: &AtomicU64) -> u64 {
    // A worker started this thread, and the parent may have pinned the worker.
    pin::unpin_this_thread();
    for value in 1..=count {
        task.try_send(value)
            .expect("the task took the last message before it replied");
        // Acquire: pairs with the Release store in `external`.
        while reply.load(Ordering::Acquire) != value {
            thread::park();
        }
    }
    // Acquire: pairs with the Release store in `external`.
    reply.load(Ordering::Acquire)
}
