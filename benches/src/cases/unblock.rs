//! Calls that block, on the threads kept for them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Cx, Verdict, check};
use crate::adapters::Runtime;
use crate::figures::Meter;

/// Runs empty calls, `window` of them in flight.
pub(super) async fn unblock<R: Runtime>(cx: Cx, window: usize) -> Verdict {
    let calls = Arc::new(AtomicU64::new(0));
    let mut in_flight = VecDeque::with_capacity(window);
    let meter = Meter::start();
    for _ in 0..cx.size {
        if in_flight.len() == window
            && let Some(oldest) = in_flight.pop_front()
        {
            oldest.await;
        }
        let calls = Arc::clone(&calls);
        in_flight.push_back(R::unblock(move || {
            // Relaxed: awaiting the call orders it.
            calls.fetch_add(1, Ordering::Relaxed);
        }));
    }
    for call in in_flight {
        call.await;
    }
    let measured = meter.stop();
    check("calls", calls.load(Ordering::Relaxed), cx.size)?;
    Ok(measured.per_op(cx.size))
}
