//! The room of channels for their values.

use std::collections::VecDeque;
use std::mem;

/// Room that is made in advance; thin air. A channel with more grows as it is used.
const MADE_AT_ONCE: usize = 1024;

/// A buffer with room for more is given back when it is empty; thin air.
const KEPT: usize = 4096;

/// Makes room for `capacity` values, if that is not too much to begin with.
pub(crate) fn for_capacity<T>(capacity: usize) -> VecDeque<T> {
    let made = if capacity <= MADE_AT_ONCE {
        capacity
    } else {
        0
    };
    VecDeque::with_capacity(made)
}

/// Takes out a large buffer that is empty, to be dropped after the lock.
#[inline]
pub(crate) fn take_spare<T>(buffer: &mut VecDeque<T>) -> Option<VecDeque<T>> {
    // One without bytes has room for all.
    let spare = buffer.is_empty() && buffer.capacity() > KEPT && size_of::<T>() != 0;
    spare.then(|| mem::take(buffer))
}
