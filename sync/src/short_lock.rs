//! Locks that are held for some dozens of instructions, with no foreign code under them.

use std::sync::{PoisonError, TryLockError};

use gort_primitives::hint;
use gort_primitives::sync::{Mutex, MutexGuard};

/// How often to pause before each look at a lock that is held: 12 us in all, at the 25 ns that a pause takes on the x86 where this
/// was measured; about what it costs to sleep and be woken.
///
/// A look takes the cache line away from the holder, who needs it back to go on. So the first is not soon, and each of the others is
/// later: meanwhile the other side does many operations without being disturbed. Of a dozen sequences for `select4` and
/// `mpmc_4x4` at two procs this one was among the best in both; 4, 8, 16, 32, 32, 32 took a half longer. One look is enough for a
/// model.
#[cfg(not(gort_loom))]
const SPINS: [u32; 5] = [16, 32, 64, 128, 256];
#[cfg(gort_loom)]
const SPINS: [u32; 0] = [];

/// Takes a lock that is held only for a short time; a panic under it does not matter.
#[inline(always)]
pub(crate) fn short_lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    match at_once(mutex) {
        Some(guard) => guard,
        None => contended(mutex),
    }
}

#[inline(always)]
fn at_once<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    match mutex.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

/// std's lock spins only while nobody sleeps: one who sleeps makes all who come after sleep too (`mpmc_4x4` at two procs: 176 ns a
/// message, 56 with this).
#[cold]
fn contended<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    for pauses in SPINS {
        for _ in 0..pauses {
            hint::spin_loop();
        }
        if let Some(guard) = at_once(mutex) {
            return guard;
        }
    }
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
