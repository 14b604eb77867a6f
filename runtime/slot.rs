//! The next slot: the one goroutine that an M runs before its ring, because it was made ready last and is hot in cache.
//!
//! Only the M itself fills its slot; the M, thieves in their last round and the monitor may empty it. All of them swap, so
//! a goroutine has one winner. The swap into the slot doubles as the fence that orders it before the look at the lease.

use std::ptr;

use gort_primitives::atomic::{AtomicPtr, Ordering, totally_ordered};

#[cfg(all(test, gort_loom))]
mod model;

/// A slot for one reference.
#[derive(Debug)]
pub(crate) struct Slot<T: 'static>(AtomicPtr<T>);

impl<T> Slot<T> {
    pub(crate) fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    /// Puts `next` in and returns what it displaced. Called by the owner only.
    #[inline(always)]
    pub(crate) fn replace(&self, next: &'static T) -> Option<&'static T> {
        // SeqCst: Release publishes the goroutine to the Acquire of `take`; the total order is the first half of the
        // Dekker pair with `Lease::revoke`, see `Lease::still_held`.
        let old = self
            .0
            .swap(ptr::from_ref(next).cast_mut(), Ordering::SeqCst);
        totally_ordered();
        // SAFETY: only `&'static T` are stored.
        unsafe { old.as_ref() }
    }

    /// Takes what is in the slot. Called by the owner, by thieves and by the monitor.
    #[inline(always)]
    pub(crate) fn take(&self) -> Option<&'static T> {
        if self.is_empty() {
            return None;
        }
        // SeqCst: Acquire pairs with `replace`; the total order puts the drain of a monitor after its `Lease::revoke`.
        let old = self.0.swap(ptr::null_mut(), Ordering::SeqCst);
        // SAFETY: only `&'static T` are stored.
        unsafe { old.as_ref() }
    }

    /// Returns whether the slot looks empty.
    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        // SeqCst: a drain after `Lease::revoke` must not miss a goroutine whose pusher missed the revocation; a plain load
        // on x86. For the owner any order would do.
        self.0.load(Ordering::SeqCst).is_null()
    }
}

#[cfg(all(test, not(gort_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_second_goroutine_displaces_the_first() {
        let slot = Slot::new();
        let (a, b) = (&1, &2);
        assert_eq!(slot.replace(a), None);
        assert_eq!(slot.replace(b), Some(a));
        assert_eq!(slot.take(), Some(b));
        assert_eq!(slot.take(), None);
        assert!(slot.is_empty());
    }
}
