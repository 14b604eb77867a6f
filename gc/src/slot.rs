//! A cell whose contents can be taken out once.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use crate::{Trace, Tracer};

/// A cell whose contents are moved out by whoever comes first.
///
/// Nothing can be moved out of an object in the heap, because others may be looking at it. A slot is the exception, for
/// contents that are `'static`: a lock-free stack of slots hands out its elements by value.
///
/// # Examples
///
/// ```
/// use gort_gc::{Slot, with};
///
/// with(|g| {
///     let slot = g.alloc(Slot::new(String::from("taken")));
///     assert_eq!(slot.take().as_deref(), Some("taken"));
///     assert_eq!(slot.take(), None);
/// });
/// ```
pub struct Slot<T: 'static>(Mutex<Option<T>>);

impl<T: 'static> Slot<T> {
    /// Creates a slot with contents.
    #[must_use]
    pub const fn new(contents: T) -> Self {
        Self(Mutex::new(Some(contents)))
    }

    /// Takes the contents, if nobody has done so before.
    pub fn take(&self) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

// SAFETY: what is `'static` holds no gc pointer except one whose guard is never dropped.
unsafe impl<'g, T: 'static> Trace<'g> for Slot<T> {
    type At<'h> = Slot<T>;
    const NEEDS_TRACE: bool = false;

    #[inline]
    fn trace(&self, _: &mut Tracer<'_>) {}
}

impl<T: 'static> fmt::Debug for Slot<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot").finish_non_exhaustive()
    }
}
