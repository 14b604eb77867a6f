//! How many handles there are of a kind.

use std::process;

use gort_primitives::atomic::{AtomicUsize, Ordering};

/// So many are not in any memory: they were forgotten.
const TOO_MANY: usize = usize::MAX / 2;

/// Counts one more handle; the caller has one.
#[inline]
pub(crate) fn one_more(count: &AtomicUsize) {
    // Relaxed: the caller's keeps the number above zero.
    if count.fetch_add(1, Ordering::Relaxed) > TOO_MANY {
        process::abort();
    }
}

/// Counts one more handle, unless there is none.
pub(crate) fn one_more_of(count: &AtomicUsize) -> bool {
    let more = |count| (count != 0).then(|| count + 1);
    // Relaxed, twice: the handle that it counts with orders what follows by the lock of the channel.
    match count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more) {
        Ok(before) if before > TOO_MANY => process::abort(),
        counted => counted.is_ok(),
    }
}
