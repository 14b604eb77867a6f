//! How a runtime ends: every thread leaves, every future is dropped once, and what does not end is named.
//!
//! 1. Close: spawns are refused from here on.
//! 2. Ask each M to stop, and wait for the threads. An M in a poll leaves when that poll ends.
//! 3. Wake every goroutine by its record, which puts it into a queue, and drop what is in the queues, until no future is
//!    left. A waker of the user's that fires meanwhile only does the same.
//! 4. If the deadline passes first, report who is left. The threads that are stuck finish the job when they come back.
//!
//! Step 3 finds every goroutine: one in a queue is dropped from it; one that waits has been polled, so it has a record, its
//! references are armed and it can be woken; one that is being polled belongs to a thread that step 2 waits for. A spawn on a
//! foreign thread that saw the runtime open may push after all this: it then drops its goroutine itself.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::context;
use crate::g::{G, RECORDS};
use crate::lease::Flag;
use crate::shared::Shared;
use crate::task::Info;

/// Goroutines and threads that did not end in time. Returned by [`Runtime::shutdown`](crate::Runtime::shutdown).
#[derive(Debug)]
pub struct ShutdownError {
    left: Vec<Info>,
    from_inside: bool,
}

impl ShutdownError {
    pub(crate) fn from_inside() -> Self {
        Self {
            left: Vec::new(),
            from_inside: true,
        }
    }

    /// Returns the goroutines that had not ended at the deadline.
    #[must_use]
    pub fn left(&self) -> &[Info] {
        &self.left
    }
}

impl std::fmt::Display for ShutdownError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.from_inside {
            return f.write_str(
                "a runtime cannot wait for its own end from one of its goroutines; \
                 shut it down from outside, or drop it to let it end in the background",
            );
        }
        match self.left.len() {
            0 => f.write_str("a worker thread did not end in time")?,
            n => write!(f, "{n} goroutines did not end in time")?,
        }
        for info in self.left.iter().take(8) {
            write!(f, "; {info}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ShutdownError {}

/// Ends the runtime. See the [module](self).
pub(crate) fn shutdown(rt: &Arc<Shared>, deadline: Option<Instant>) -> Result<(), ShutdownError> {
    rt.close();
    for m in rt.ms() {
        m.lease.raise(Flag::Shutdown);
        m.unpark();
    }
    let threads_gone = rt.wait_for_threads(deadline);
    if !threads_gone {
        rt.abandon();
    }
    let left = cancel_all(rt, deadline);
    if left.is_empty() && (threads_gone || rt.wait_for_threads(deadline)) {
        return Ok(());
    }
    Err(ShutdownError {
        left,
        from_inside: false,
    })
}

/// Drops every future of the runtime. Returns those that are left at the deadline.
pub(crate) fn cancel_all(rt: &Arc<Shared>, deadline: Option<Instant>) -> Vec<Info> {
    // What a destructor spawns is refused, instead of being sent to the default runtime.
    let _inside = context::enter(rt.clone());
    let mut pause = Duration::from_micros(50);
    loop {
        drop_queued(rt);
        let left = wake_each(rt);
        drop_queued(rt);
        if left == 0 {
            rt.end();
            drop_queued(rt);
            return Vec::new();
        }
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return living(rt).map(Info::of).collect();
        }
        if !living(rt).any(|g| !is_stuck(rt, g)) {
            // Only polls that do not end are left. The thread of each of them does what remains when it comes back.
            if deadline.is_none() {
                return Vec::new();
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(10));
        } else {
            std::thread::yield_now();
        }
    }
}

/// Whether some thread of the runtime is polling the goroutine.
fn is_stuck(rt: &Shared, g: &'static G) -> bool {
    let mut polled = false;
    rt.for_each_m(|m| polled |= m.cur().is_some_and(|cur| std::ptr::eq(cur, g)));
    polled
}

fn living(rt: &Arc<Shared>) -> std::vec::IntoIter<&'static G> {
    let mut all = Vec::new();
    RECORDS.for_each(|g| {
        if g.is_alive() && std::ptr::eq(g.runtime(), Arc::as_ptr(rt)) {
            all.push(g);
        }
    });
    all.into_iter()
}

fn wake_each(rt: &Arc<Shared>) -> usize {
    let all = living(rt);
    let count = all.len();
    for g in all {
        g.wake_if_reachable();
    }
    count
}

/// Drops what is in the queues of the runtime, from outside.
pub(crate) fn drop_queued(rt: &Arc<Shared>) {
    let mut queued = Vec::new();
    rt.for_each_m(|m| {
        queued.extend(m.thief.drain());
        queued.extend(m.slot.take());
    });
    loop {
        rt.inject.take(usize::MAX, |runnable| queued.push(runnable));
        if queued.is_empty() {
            return;
        }
        for runnable in queued.drain(..) {
            // Unwind safety: the runnable is gone either way. The panic hook tells of a destructor that panics.
            let _ = catch_unwind(AssertUnwindSafe(|| drop(runnable)));
        }
    }
}
