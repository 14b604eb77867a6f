//! The guards of [`RwLock`] that borrow it.
//!
//! A read guard has one permit of the lock, a write guard all, from `new`, whose caller has taken them, until it is dropped.

use std::fmt;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

use super::raw_semaphore::RawSemaphore;
use super::rwlock::{ALL, RwLock};
use super::rwlock_upgradable::UPGRADABLE;
use super::rwlock_upgradable_guard::RwLockUpgradableReadGuard;

/// Gives `n` permits back, which were taken from it, so that they fit.
#[inline]
pub(super) fn give_back(raw: &RawSemaphore, n: usize) {
    let fits = raw.release(n);
    debug_assert!(fits.is_ok());
}

/// Shared access to the value of a [`RwLock`], or to a part of it, until this is dropped.
#[must_use = "a guard that is not kept unlocks at once"]
pub struct RwLockReadGuard<'a, T: ?Sized> {
    raw: &'a RawSemaphore,
    /// No reference: it would have to be valid until a function that takes the guard returns, though the lock is free before.
    value: NonNull<T>,
    _value: PhantomData<&'a T>,
}

// SAFETY: it is a `&T` with a duty to unlock, which any thread may do.
unsafe impl<T: ?Sized + Sync> Send for RwLockReadGuard<'_, T> {}

// SAFETY: shared, it gives `&T`.
unsafe impl<T: ?Sized + Sync> Sync for RwLockReadGuard<'_, T> {}

impl<'a, T: ?Sized> RwLockReadGuard<'a, T> {
    pub(super) fn new(lock: &'a RwLock<T>) -> Self {
        Self {
            raw: &lock.raw,
            value: lock.value(),
            _value: PhantomData,
        }
    }

    /// Narrows the guard to a part of the value.
    pub fn map<U: ?Sized>(guard: Self, f: impl FnOnce(&T) -> &U) -> RwLockReadGuard<'a, U> {
        let value = NonNull::from(f(&guard));
        RwLockReadGuard {
            // Its drop is the new guard's from here on.
            raw: ManuallyDrop::new(guard).raw,
            value,
            _value: PhantomData,
        }
    }

    /// As [`map`](Self::map), if the part is there; else the guard comes back.
    ///
    /// # Errors
    ///
    /// Gives the guard back if `f` returns none.
    pub fn try_map<U: ?Sized>(
        guard: Self,
        f: impl FnOnce(&T) -> Option<&U>,
    ) -> Result<RwLockReadGuard<'a, U>, Self> {
        match f(&guard).map(NonNull::from) {
            None => Err(guard),
            Some(value) => Ok(RwLockReadGuard {
                raw: ManuallyDrop::new(guard).raw,
                value,
                _value: PhantomData,
            }),
        }
    }
}

impl<T: ?Sized> Deref for RwLockReadGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: we have a permit, so nobody writes; the part was got from a reference to the whole.
        unsafe { self.value.as_ref() }
    }
}

impl<T: ?Sized> Drop for RwLockReadGuard<'_, T> {
    fn drop(&mut self) {
        give_back(self.raw, 1);
    }
}

/// Exclusive access to the value of a [`RwLock`], until this is dropped.
#[must_use = "a guard that is not kept unlocks at once"]
pub struct RwLockWriteGuard<'a, T: ?Sized> {
    lock: &'a RwLock<T>,
    /// Shared, it gives `&T`.
    _value: PhantomData<&'a mut T>,
}

impl<'a, T: ?Sized> RwLockWriteGuard<'a, T> {
    pub(super) fn new(lock: &'a RwLock<T>) -> Self {
        Self {
            lock,
            _value: PhantomData,
        }
    }

    /// Makes a read guard of it; no writer comes in between.
    pub fn downgrade(guard: Self) -> RwLockReadGuard<'a, T> {
        let lock = ManuallyDrop::new(guard).lock;
        let reader = RwLockReadGuard::new(lock);
        give_back(&lock.raw, ALL - 1);
        reader
    }

    /// Makes an upgradable read guard of it; no writer comes in between.
    pub fn downgrade_to_upgradable(guard: Self) -> RwLockUpgradableReadGuard<'a, T> {
        let lock = ManuallyDrop::new(guard).lock;
        let reader = RwLockUpgradableReadGuard::new(lock, false);
        give_back(&lock.raw, ALL - UPGRADABLE);
        reader
    }

    /// Narrows the guard to a part of the value.
    pub fn map<U: ?Sized>(
        mut guard: Self,
        f: impl FnOnce(&mut T) -> &mut U,
    ) -> RwLockMappedWriteGuard<'a, U> {
        let value = NonNull::from(f(&mut guard));
        RwLockMappedWriteGuard {
            // Its drop is the new guard's from here on.
            raw: &ManuallyDrop::new(guard).lock.raw,
            value,
            _value: PhantomData,
        }
    }

    /// As [`map`](Self::map), if the part is there; else the guard comes back.
    ///
    /// # Errors
    ///
    /// Gives the guard back if `f` returns none.
    pub fn try_map<U: ?Sized>(
        mut guard: Self,
        f: impl FnOnce(&mut T) -> Option<&mut U>,
    ) -> Result<RwLockMappedWriteGuard<'a, U>, Self> {
        match f(&mut guard).map(NonNull::from) {
            None => Err(guard),
            Some(value) => Ok(RwLockMappedWriteGuard {
                raw: &ManuallyDrop::new(guard).lock.raw,
                value,
                _value: PhantomData,
            }),
        }
    }
}

impl<T: ?Sized> Deref for RwLockWriteGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: we have all permits, so nobody else has access.
        unsafe { self.lock.value().as_ref() }
    }
}

impl<T: ?Sized> DerefMut for RwLockWriteGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: we have all permits, so nobody else has access, and the guard is borrowed exclusively.
        unsafe { self.lock.value().as_mut() }
    }
}

impl<T: ?Sized> Drop for RwLockWriteGuard<'_, T> {
    fn drop(&mut self) {
        give_back(&self.lock.raw, ALL);
    }
}

/// Exclusive access to a part of the value of a [`RwLock`], made by [`RwLockWriteGuard::map`], until this is dropped.
#[must_use = "a guard that is not kept unlocks at once"]
pub struct RwLockMappedWriteGuard<'a, T: ?Sized> {
    raw: &'a RawSemaphore,
    value: NonNull<T>,
    _value: PhantomData<&'a mut T>,
}

// SAFETY: it is a `&mut T` with a duty to unlock, which any thread may do.
unsafe impl<T: ?Sized + Send> Send for RwLockMappedWriteGuard<'_, T> {}

// SAFETY: shared, it gives `&T`.
unsafe impl<T: ?Sized + Sync> Sync for RwLockMappedWriteGuard<'_, T> {}

impl<'a, T: ?Sized> RwLockMappedWriteGuard<'a, T> {
    /// Narrows the guard further.
    pub fn map<U: ?Sized>(
        mut guard: Self,
        f: impl FnOnce(&mut T) -> &mut U,
    ) -> RwLockMappedWriteGuard<'a, U> {
        let value = NonNull::from(f(&mut guard));
        RwLockMappedWriteGuard {
            // Its drop is the new guard's from here on.
            raw: ManuallyDrop::new(guard).raw,
            value,
            _value: PhantomData,
        }
    }

    /// As [`map`](Self::map), if the part is there; else the guard comes back.
    ///
    /// # Errors
    ///
    /// Gives the guard back if `f` returns none.
    pub fn try_map<U: ?Sized>(
        mut guard: Self,
        f: impl FnOnce(&mut T) -> Option<&mut U>,
    ) -> Result<RwLockMappedWriteGuard<'a, U>, Self> {
        match f(&mut guard).map(NonNull::from) {
            None => Err(guard),
            Some(value) => Ok(RwLockMappedWriteGuard {
                raw: ManuallyDrop::new(guard).raw,
                value,
                _value: PhantomData,
            }),
        }
    }
}

impl<T: ?Sized> Deref for RwLockMappedWriteGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: we have all permits, so nobody else has access; `map` got the part from a reference to the whole.
        unsafe { self.value.as_ref() }
    }
}

impl<T: ?Sized> DerefMut for RwLockMappedWriteGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as in `deref`, and the guard is borrowed exclusively.
        unsafe { self.value.as_mut() }
    }
}

impl<T: ?Sized> Drop for RwLockMappedWriteGuard<'_, T> {
    fn drop(&mut self) {
        give_back(self.raw, ALL);
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLockReadGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLockWriteGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLockMappedWriteGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
