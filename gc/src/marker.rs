//! Those who mark: the collector, and whoever helps it.
//!
//! | | when | for how long |
//! |---|---|---|
//! | the collector | a cycle marks | until nothing is grey |
//! | a [worker](crate::workers) | there are objects in the pool | until there are none |
//! | a thread of an executor, by [`help`] | it has nothing else to do | a [`PART`] |
//! | a thread that allocates too fast, by [`assist`] | in an outermost pin, in the place of a nap | [`ASSIST`] |
//!
//! What they have in common is [`Work::trace`], and the [`Pool`] between them. A helper need not be pinned: what it is about
//! to trace is not swept before it [leaves](Active).
//!
//! An object is traced in one go, but for a slice with many elements, or a `Vec` or the like that is an object of its own: some of
//! them are traced, then what they lead to, then the next. So a part is a matter of microseconds, unless the program has put
//! a very large container of std into a field, a lock, or a map into an object.
//!
//! `Trace` of a type is the program's code. If it panics, half an object has been traced, so what is alive is not known any
//! more, and the process is aborted, whoever marks. Locks of the program are tried, and never waited for.

use std::time::Instant;

use crate::fork;
use crate::grey::{Active, CHUNK, Job, Pool, Rest, Work};
use crate::local::debt::ASSIST;
use crate::object::ObjectRef;
use crate::seeded::bug;
use crate::tracer::Tracer;

/// Grey objects that nobody is at.
#[cfg(not(gort_loom))]
pub(crate) static POOL: Pool<ObjectRef> = Pool::new();
/// Never used: models make their own.
#[cfg(gort_loom)]
pub(crate) static POOL: std::sync::LazyLock<Pool<ObjectRef>> = std::sync::LazyLock::new(Pool::new);

/// How many objects one who helps traces at a time. Thin air: some microseconds, most of them for cache misses.
const PART: usize = 256;

impl Work<ObjectRef> {
    /// Traces so many objects at most, and tells how many.
    pub(crate) fn trace(&mut self, job: Job, most: usize) -> usize {
        let unwinds = AbortOnUnwind;
        let mut tracer = Tracer::marking(&mut self.grey, &mut self.rests, job);
        let mut traced = 0;
        while traced < most {
            if let Some(object) = tracer.next() {
                object.trace(&mut tracer);
                if tracer.take_deferred() {
                    self.deferred.push(Rest { object, from: 0 });
                }
                traced += 1;
            } else if let Some(rest) = tracer.next_rest() {
                let elements = rest.object.trace_part(rest.from, &mut tracer);
                if tracer.take_deferred() {
                    self.deferred.push(rest);
                } else if elements > 0 && !bug("the rest of a slice is lost") {
                    tracer.put_off(rest.object, rest.from + elements);
                }
                traced += elements.max(1);
            } else {
                break;
            }
        }
        std::mem::forget(unwinds);
        traced
    }
}

impl Active<'_, ObjectRef> {
    /// Traces so many objects at most, and lets others have some.
    pub(crate) fn trace(&mut self, most: usize) -> usize {
        let traced = self.work.trace(self.job, most);
        self.traced += traced;
        self.share();
        traced
    }
}

/// Traces some objects for the collector, and tells whether there were any.
#[inline]
pub(crate) fn help() -> bool {
    wants_help() && help_slow()
}

/// Tells whether there may be objects to trace for others than the collector.
#[inline]
pub(crate) fn wants_help() -> bool {
    POOL.has_some()
}

#[cold]
fn help_slow() -> bool {
    if fork::is_child() {
        return false;
    }
    let Some(mut active) = POOL.enter() else {
        return false;
    };
    active.trace(PART);
    true
}

/// Traces objects for the collector for as long as [`ASSIST`], and tells whether that was worth a nap.
///
/// It waits for nothing. One who traces less than a chunk has found the collector about to end, or too few objects to share.
pub(crate) fn assist() -> bool {
    let Some(mut active) = POOL.enter() else {
        return false;
    };
    let begin = Instant::now();
    let mut traced = 0;
    loop {
        traced += active.trace(CHUNK);
        if begin.elapsed() >= ASSIST || !active.refill() {
            break;
        }
    }
    traced >= CHUNK
}

/// Ends the process if it is dropped.
pub(crate) struct AbortOnUnwind;

impl Drop for AbortOnUnwind {
    fn drop(&mut self) {
        eprintln!(
            "gort-gc: a panic in `Trace`, or in the collector; what is alive is not known any more"
        );
        std::process::abort();
    }
}
