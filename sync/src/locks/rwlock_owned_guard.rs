//! The guards of a [`RwLock`] in an [`Arc`], which borrow nothing.
//!
//! A read guard has one permit of the lock, a write guard all, from `new`, whose caller has taken them, until it is dropped; then
//! the permits go back first, and the `Arc` after them.

use std::fmt;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::ptr::{self, NonNull};
use std::sync::Arc;

use super::rwlock::{ALL, RwLock};
use super::rwlock_guard::give_back;
use super::rwlock_upgradable::UPGRADABLE;
use super::rwlock_upgradable_guard::OwnedRwLockUpgradableReadGuard;

/// Shared access to the value of a [`RwLock`] in an [`Arc`], or to a part of it, until this is dropped.
#[must_use = "a guard that is not kept unlocks at once"]
pub struct OwnedRwLockReadGuard<T: ?Sized, U: ?Sized = T> {
    lock: Arc<RwLock<T>>,
    /// The value, or a part of it.
    value: NonNull<U>,
}

// SAFETY: it is an `Arc` of a lock, which goes along if T does, and a `&U` into its value.
unsafe impl<T: ?Sized + Send + Sync, U: ?Sized + Sync> Send for OwnedRwLockReadGuard<T, U> {}

// SAFETY: shared, it gives `&U`, and an `Arc` of the lock.
unsafe impl<T: ?Sized + Send + Sync, U: ?Sized + Sync> Sync for OwnedRwLockReadGuard<T, U> {}

impl<T: ?Sized> OwnedRwLockReadGuard<T> {
    pub(super) fn new(lock: Arc<RwLock<T>>) -> Self {
        let value = lock.value();
        Self { lock, value }
    }
}

impl<T: ?Sized, U: ?Sized> OwnedRwLockReadGuard<T, U> {
    /// Returns the lock whose guard this is. A function, so as not to hide a method of the value.
    #[must_use]
    pub fn source(guard: &Self) -> &Arc<RwLock<T>> {
        &guard.lock
    }

    /// Narrows the guard to a part of the value.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use gort_sync::{OwnedRwLockReadGuard, RwLock};
    ///
    /// let pair = Arc::new(RwLock::new((1, String::from("one"))));
    /// let name = OwnedRwLockReadGuard::map(pair.clone().try_read_owned().unwrap(), |pair| &*pair.1);
    /// assert_eq!(&*name, "one");
    /// assert!(pair.try_write().is_err());
    /// drop(name);
    /// assert!(pair.try_write().is_ok());
    /// ```
    pub fn map<V: ?Sized>(guard: Self, f: impl FnOnce(&U) -> &V) -> OwnedRwLockReadGuard<T, V> {
        let value = NonNull::from(f(&guard));
        guard.narrowed(value)
    }

    /// As [`map`](Self::map), if the part is there; else the guard comes back.
    ///
    /// # Errors
    ///
    /// Gives the guard back if `f` returns none.
    pub fn try_map<V: ?Sized>(
        guard: Self,
        f: impl FnOnce(&U) -> Option<&V>,
    ) -> Result<OwnedRwLockReadGuard<T, V>, Self> {
        match f(&guard).map(NonNull::from) {
            None => Err(guard),
            Some(value) => Ok(guard.narrowed(value)),
        }
    }

    /// Passes the permit on to a guard of `value`, a part of what this one guards.
    fn narrowed<V: ?Sized>(self, value: NonNull<V>) -> OwnedRwLockReadGuard<T, V> {
        let guard = ManuallyDrop::new(self);
        // SAFETY: `guard` is not dropped, so the Arc moves out once.
        let lock = unsafe { ptr::read(&guard.lock) };
        OwnedRwLockReadGuard { lock, value }
    }
}

impl<T: ?Sized, U: ?Sized> Deref for OwnedRwLockReadGuard<T, U> {
    type Target = U;

    fn deref(&self) -> &U {
        // SAFETY: we have a permit, so nobody writes; the part was got from a reference to the whole, which stays where it is:
        // behind an `Arc`.
        unsafe { self.value.as_ref() }
    }
}

impl<T: ?Sized, U: ?Sized> Drop for OwnedRwLockReadGuard<T, U> {
    fn drop(&mut self) {
        give_back(&self.lock.raw, 1);
    }
}

/// Exclusive access to the value of a [`RwLock`] in an [`Arc`], until this is dropped.
#[must_use = "a guard that is not kept unlocks at once"]
pub struct OwnedRwLockWriteGuard<T: ?Sized> {
    lock: Arc<RwLock<T>>,
}

impl<T: ?Sized> OwnedRwLockWriteGuard<T> {
    pub(super) fn new(lock: Arc<RwLock<T>>) -> Self {
        Self { lock }
    }

    /// Returns the lock whose guard this is. A function, so as not to hide a method of the value.
    #[must_use]
    pub fn source(guard: &Self) -> &Arc<RwLock<T>> {
        &guard.lock
    }

    /// Makes a read guard of it; no writer comes in between.
    pub fn downgrade(guard: Self) -> OwnedRwLockReadGuard<T> {
        let guard = ManuallyDrop::new(guard);
        // SAFETY: `guard` is not dropped, so the Arc moves out once.
        let lock = unsafe { ptr::read(&guard.lock) };
        let reader = OwnedRwLockReadGuard::new(lock);
        give_back(&reader.lock.raw, ALL - 1);
        reader
    }

    /// Makes an upgradable read guard of it; no writer comes in between.
    pub fn downgrade_to_upgradable(guard: Self) -> OwnedRwLockUpgradableReadGuard<T> {
        let guard = ManuallyDrop::new(guard);
        // SAFETY: `guard` is not dropped, so the Arc moves out once.
        let lock = unsafe { ptr::read(&guard.lock) };
        let reader = OwnedRwLockUpgradableReadGuard::new(lock, false);
        let lock = OwnedRwLockUpgradableReadGuard::source(&reader);
        give_back(&lock.raw, ALL - UPGRADABLE);
        reader
    }

    /// Narrows the guard to a part of the value.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use gort_sync::{OwnedRwLockWriteGuard, RwLock};
    ///
    /// let pair = Arc::new(RwLock::new((1, "one")));
    /// let guard = pair.clone().try_write_owned().unwrap();
    /// let mut number = OwnedRwLockWriteGuard::map(guard, |pair| &mut pair.0);
    /// *number = 2;
    /// drop(number);
    /// assert_eq!(*pair.try_read().unwrap(), (2, "one"));
    /// ```
    pub fn map<U: ?Sized>(
        mut guard: Self,
        f: impl FnOnce(&mut T) -> &mut U,
    ) -> OwnedRwLockMappedWriteGuard<T, U> {
        let value = NonNull::from(f(&mut guard));
        OwnedRwLockMappedWriteGuard::new(guard, value)
    }

    /// As [`map`](Self::map), if the part is there; else the guard comes back.
    ///
    /// # Errors
    ///
    /// Gives the guard back if `f` returns none.
    pub fn try_map<U: ?Sized>(
        mut guard: Self,
        f: impl FnOnce(&mut T) -> Option<&mut U>,
    ) -> Result<OwnedRwLockMappedWriteGuard<T, U>, Self> {
        match f(&mut guard).map(NonNull::from) {
            None => Err(guard),
            Some(value) => Ok(OwnedRwLockMappedWriteGuard::new(guard, value)),
        }
    }
}

impl<T: ?Sized> Deref for OwnedRwLockWriteGuard<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: we have all permits, so nobody else has access.
        unsafe { self.lock.value().as_ref() }
    }
}

impl<T: ?Sized> DerefMut for OwnedRwLockWriteGuard<T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: we have all permits, so nobody else has access, and the guard is borrowed exclusively.
        unsafe { self.lock.value().as_mut() }
    }
}

impl<T: ?Sized> Drop for OwnedRwLockWriteGuard<T> {
    fn drop(&mut self) {
        give_back(&self.lock.raw, ALL);
    }
}

/// Exclusive access to a part of the value of a [`RwLock`] in an [`Arc`], made by [`OwnedRwLockWriteGuard::map`], until this is
/// dropped.
///
/// It may be stored into, so its type does not change with the lifetimes in it:
///
/// ```compile_fail
/// use gort_sync::OwnedRwLockMappedWriteGuard;
///
/// type Guard<'a> = OwnedRwLockMappedWriteGuard<&'static str, &'a str>;
///
/// fn shorten<'a>(guard: Guard<'static>) -> Guard<'a> {
///     guard
/// }
/// ```
#[must_use = "a guard that is not kept unlocks at once"]
pub struct OwnedRwLockMappedWriteGuard<T: ?Sized, U: ?Sized> {
    /// Keeps the lock, and the value.
    guard: OwnedRwLockWriteGuard<T>,
    value: NonNull<U>,
    /// Invariant, as a `&mut U` is.
    _value: PhantomData<*mut U>,
}

// SAFETY: it is a guard, whose lock goes along if T does, and a `&mut U` into its value.
unsafe impl<T: ?Sized + Send + Sync, U: ?Sized + Send> Send for OwnedRwLockMappedWriteGuard<T, U> {}

// SAFETY: shared, it gives `&U`, and an `Arc` of the lock.
unsafe impl<T: ?Sized + Send + Sync, U: ?Sized + Sync> Sync for OwnedRwLockMappedWriteGuard<T, U> {}

impl<T: ?Sized, U: ?Sized> OwnedRwLockMappedWriteGuard<T, U> {
    fn new(guard: OwnedRwLockWriteGuard<T>, value: NonNull<U>) -> Self {
        Self {
            guard,
            value,
            _value: PhantomData,
        }
    }

    /// Returns the lock whose guard this is. A function, so as not to hide a method of the value.
    #[must_use]
    pub fn source(guard: &Self) -> &Arc<RwLock<T>> {
        &guard.guard.lock
    }

    /// Narrows the guard further.
    pub fn map<V: ?Sized>(
        mut guard: Self,
        f: impl FnOnce(&mut U) -> &mut V,
    ) -> OwnedRwLockMappedWriteGuard<T, V> {
        let value = NonNull::from(f(&mut guard));
        OwnedRwLockMappedWriteGuard::new(guard.guard, value)
    }

    /// As [`map`](Self::map), if the part is there; else the guard comes back.
    ///
    /// # Errors
    ///
    /// Gives the guard back if `f` returns none.
    pub fn try_map<V: ?Sized>(
        mut guard: Self,
        f: impl FnOnce(&mut U) -> Option<&mut V>,
    ) -> Result<OwnedRwLockMappedWriteGuard<T, V>, Self> {
        match f(&mut guard).map(NonNull::from) {
            None => Err(guard),
            Some(value) => Ok(OwnedRwLockMappedWriteGuard::new(guard.guard, value)),
        }
    }
}

impl<T: ?Sized, U: ?Sized> Deref for OwnedRwLockMappedWriteGuard<T, U> {
    type Target = U;

    fn deref(&self) -> &U {
        // SAFETY: we have all permits, so nobody else has access; the part was got from a reference to the whole, which stays
        // where it is: behind an `Arc`.
        unsafe { self.value.as_ref() }
    }
}

impl<T: ?Sized, U: ?Sized> DerefMut for OwnedRwLockMappedWriteGuard<T, U> {
    fn deref_mut(&mut self) -> &mut U {
        // SAFETY: as in `deref`, and the guard is borrowed exclusively.
        unsafe { self.value.as_mut() }
    }
}

impl<T: ?Sized, U: ?Sized + fmt::Debug> fmt::Debug for OwnedRwLockReadGuard<T, U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for OwnedRwLockWriteGuard<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized, U: ?Sized + fmt::Debug> fmt::Debug for OwnedRwLockMappedWriteGuard<T, U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
