//! The next slot: the one goroutine that an M runs before its ring, because it was made ready last and is hot in cache.
//!
//! Only the M itself fills its slot; the M, thieves in their last round and the monitor may empty it. All of them swap, so
//! a goroutine has one winner. The swap into the slot doubles as the fence that orders it before the look at the lease.

use std::marker::PhantomData;
use std::ptr::{self, NonNull};

use async_task::Runnable;
use gort_primitives::atomic::{AtomicPtr, Ordering, totally_ordered};

#[cfg(all(test, gort_loom))]
mod model;

/// What fits into a slot: an owner in the form of a pointer.
///
/// # Safety
///
/// `from_raw` after `into_raw` gives the same value back, on any thread.
pub(crate) unsafe trait Entry {
    fn into_raw(self) -> NonNull<()>;

    /// # Safety
    ///
    /// `raw` comes from `into_raw`, and is used once.
    unsafe fn from_raw(raw: NonNull<()>) -> Self;
}

// SAFETY: async-task's own pair, of a type that is Send.
unsafe impl Entry for Runnable {
    #[inline(always)]
    fn into_raw(self) -> NonNull<()> {
        Runnable::into_raw(self)
    }

    #[inline(always)]
    unsafe fn from_raw(raw: NonNull<()>) -> Self {
        // SAFETY: the caller's promise.
        unsafe { Runnable::from_raw(raw) }
    }
}

/// A slot for one goroutine.
#[derive(Debug)]
pub(crate) struct Slot<E: Entry>(AtomicPtr<()>, PhantomData<E>);

impl<E: Entry> Slot<E> {
    pub(crate) fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()), PhantomData)
    }

    /// Puts `next` in and returns what it displaced. Called by the owner only.
    #[inline(always)]
    pub(crate) fn replace(&self, next: E) -> Option<E> {
        // SeqCst: Release publishes the goroutine to the Acquire of `take`; the total order is the first half of the
        // Dekker pair with `Lease::revoke`, see `Lease::still_held`.
        let old = self.0.swap(next.into_raw().as_ptr(), Ordering::SeqCst);
        totally_ordered();
        // SAFETY: what is in the slot came from `into_raw`, and the swap gives it to one taker.
        NonNull::new(old).map(|raw| unsafe { E::from_raw(raw) })
    }

    /// Takes what is in the slot. Called by the owner, by thieves and by the monitor.
    #[inline(always)]
    pub(crate) fn take(&self) -> Option<E> {
        if self.is_empty() {
            return None;
        }
        // SeqCst: Acquire pairs with `replace`; the total order puts the drain of a monitor after its `Lease::revoke`.
        let old = self.0.swap(ptr::null_mut(), Ordering::SeqCst);
        // SAFETY: as in `replace`.
        NonNull::new(old).map(|raw| unsafe { E::from_raw(raw) })
    }

    /// Returns whether the slot looks empty.
    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        // SeqCst: a drain after `Lease::revoke` must not miss a goroutine whose pusher missed the revocation; a plain load
        // on x86. For the owner any order would do.
        self.0.load(Ordering::SeqCst).is_null()
    }
}

impl<E: Entry> Drop for Slot<E> {
    fn drop(&mut self) {
        drop(self.take());
    }
}

#[cfg(test)]
// SAFETY: a reference is an owner of nothing, and may be on any thread.
unsafe impl Entry for &'static u8 {
    fn into_raw(self) -> NonNull<()> {
        NonNull::from(self).cast()
    }

    unsafe fn from_raw(raw: NonNull<()>) -> Self {
        // SAFETY: made from a `&'static u8`.
        unsafe { raw.cast().as_ref() }
    }
}

#[cfg(all(test, not(gort_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_second_goroutine_displaces_the_first() {
        let slot: Slot<&'static u8> = Slot::new();
        let (a, b) = (&1, &2);
        assert_eq!(slot.replace(a), None);
        assert_eq!(slot.replace(b), Some(a));
        assert_eq!(slot.take(), Some(b));
        assert_eq!(slot.take(), None);
        assert!(slot.is_empty());
    }
}
