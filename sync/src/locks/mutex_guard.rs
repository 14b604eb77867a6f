//! The guards of [`Mutex`].
//!
//! A guard has the lock from `new`, whose caller has taken it, until it is dropped.

use std::fmt;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::Arc;

use super::mutex::Mutex;
use super::raw_mutex::RawMutex;

/// Access to the value of a [`Mutex`], which is unlocked when this is dropped.
#[must_use = "a guard that is not kept unlocks at once"]
pub struct MutexGuard<'a, T: ?Sized> {
    mutex: &'a Mutex<T>,
    /// Shared, it gives `&T`.
    _value: PhantomData<&'a mut T>,
}

impl<'a, T: ?Sized> MutexGuard<'a, T> {
    #[inline]
    pub(super) fn new(mutex: &'a Mutex<T>) -> Self {
        Self {
            mutex,
            _value: PhantomData,
        }
    }

    /// Returns the mutex whose guard this is. A function, so as not to hide a method of the value.
    #[must_use]
    pub fn source(guard: &Self) -> &'a Mutex<T> {
        guard.mutex
    }

    /// Narrows the guard to a part of the value.
    ///
    /// ```
    /// use gort_sync::{Mutex, MutexGuard};
    ///
    /// let pair = Mutex::new((1, "one"));
    /// let mut number = MutexGuard::map(pair.lock_blocking(), |pair| &mut pair.0);
    /// *number = 2;
    /// drop(number);
    /// assert_eq!(pair.into_inner(), (2, "one"));
    /// ```
    pub fn map<U: ?Sized>(
        mut guard: Self,
        f: impl FnOnce(&mut T) -> &mut U,
    ) -> MappedMutexGuard<'a, U> {
        let value = NonNull::from(f(&mut guard));
        MappedMutexGuard {
            // Its drop is the new guard's from here on.
            raw: &ManuallyDrop::new(guard).mutex.raw,
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
    ) -> Result<MappedMutexGuard<'a, U>, Self> {
        match f(&mut guard).map(NonNull::from) {
            None => Err(guard),
            Some(value) => Ok(MappedMutexGuard {
                raw: &ManuallyDrop::new(guard).mutex.raw,
                value,
                _value: PhantomData,
            }),
        }
    }
}

impl<T: ?Sized> Deref for MutexGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: we have the lock, so nobody else has access.
        unsafe { &*self.mutex.value() }
    }
}

impl<T: ?Sized> DerefMut for MutexGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: we have the lock, so nobody else has access, and the guard is borrowed exclusively.
        unsafe { &mut *self.mutex.value() }
    }
}

impl<T: ?Sized> Drop for MutexGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.mutex.raw.unlock();
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// Access to the value of a [`Mutex`] in an [`Arc`], which is unlocked when this is dropped.
#[must_use = "a guard that is not kept unlocks at once"]
pub struct OwnedMutexGuard<T: ?Sized> {
    mutex: Arc<Mutex<T>>,
}

// SAFETY: a shared guard gives `&T`, so T has to be Sync; the mutex alone would ask for Send only.
unsafe impl<T: ?Sized + Send + Sync> Sync for OwnedMutexGuard<T> {}

impl<T: ?Sized> OwnedMutexGuard<T> {
    #[inline]
    pub(super) fn new(mutex: Arc<Mutex<T>>) -> Self {
        Self { mutex }
    }

    /// Returns the mutex whose guard this is. A function, so as not to hide a method of the value.
    #[must_use]
    pub fn source(guard: &Self) -> &Arc<Mutex<T>> {
        &guard.mutex
    }

    /// Narrows the guard to a part of the value.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use gort_sync::{Mutex, OwnedMutexGuard};
    ///
    /// let pair = Arc::new(Mutex::new((1, "one")));
    /// let guard = pair.clone().try_lock_owned().unwrap();
    /// let mut number = OwnedMutexGuard::map(guard, |pair| &mut pair.0);
    /// *number = 2;
    /// drop(number);
    /// assert_eq!(*pair.try_lock().unwrap(), (2, "one"));
    /// ```
    pub fn map<U: ?Sized>(
        mut guard: Self,
        f: impl FnOnce(&mut T) -> &mut U,
    ) -> OwnedMappedMutexGuard<T, U> {
        let value = NonNull::from(f(&mut guard));
        OwnedMappedMutexGuard::new(guard, value)
    }

    /// As [`map`](Self::map), if the part is there; else the guard comes back.
    ///
    /// # Errors
    ///
    /// Gives the guard back if `f` returns none.
    pub fn try_map<U: ?Sized>(
        mut guard: Self,
        f: impl FnOnce(&mut T) -> Option<&mut U>,
    ) -> Result<OwnedMappedMutexGuard<T, U>, Self> {
        match f(&mut guard).map(NonNull::from) {
            None => Err(guard),
            Some(value) => Ok(OwnedMappedMutexGuard::new(guard, value)),
        }
    }
}

impl<T: ?Sized> Deref for OwnedMutexGuard<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: we have the lock, so nobody else has access.
        unsafe { &*self.mutex.value() }
    }
}

impl<T: ?Sized> DerefMut for OwnedMutexGuard<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: we have the lock, so nobody else has access, and the guard is borrowed exclusively.
        unsafe { &mut *self.mutex.value() }
    }
}

impl<T: ?Sized> Drop for OwnedMutexGuard<T> {
    #[inline]
    fn drop(&mut self) {
        self.mutex.raw.unlock();
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for OwnedMutexGuard<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// Access to a part of the value of a [`Mutex`] in an [`Arc`], made by [`OwnedMutexGuard::map`]; the mutex is unlocked when this is
/// dropped.
///
/// It may be stored into, so its type does not change with the lifetimes in it:
///
/// ```compile_fail
/// use gort_sync::OwnedMappedMutexGuard;
///
/// type Guard<'a> = OwnedMappedMutexGuard<&'static str, &'a str>;
///
/// fn shorten<'a>(guard: Guard<'static>) -> Guard<'a> {
///     guard
/// }
/// ```
#[must_use = "a guard that is not kept unlocks at once"]
pub struct OwnedMappedMutexGuard<T: ?Sized, U: ?Sized> {
    /// Keeps the lock, and the value.
    guard: OwnedMutexGuard<T>,
    value: NonNull<U>,
    /// Invariant, as a `&mut U` is.
    _value: PhantomData<*mut U>,
}

// SAFETY: it is a guard, and a `&mut U` into its value.
unsafe impl<T: ?Sized + Send, U: ?Sized + Send> Send for OwnedMappedMutexGuard<T, U> {}

// SAFETY: shared, it gives `&U`, and an `Arc` of the mutex.
unsafe impl<T: ?Sized + Send, U: ?Sized + Sync> Sync for OwnedMappedMutexGuard<T, U> {}

impl<T: ?Sized, U: ?Sized> OwnedMappedMutexGuard<T, U> {
    fn new(guard: OwnedMutexGuard<T>, value: NonNull<U>) -> Self {
        Self {
            guard,
            value,
            _value: PhantomData,
        }
    }

    /// Returns the mutex whose guard this is. A function, so as not to hide a method of the value.
    #[must_use]
    pub fn source(guard: &Self) -> &Arc<Mutex<T>> {
        &guard.guard.mutex
    }

    /// Narrows the guard further.
    pub fn map<V: ?Sized>(
        mut guard: Self,
        f: impl FnOnce(&mut U) -> &mut V,
    ) -> OwnedMappedMutexGuard<T, V> {
        let value = NonNull::from(f(&mut guard));
        OwnedMappedMutexGuard::new(guard.guard, value)
    }

    /// As [`map`](Self::map), if the part is there; else the guard comes back.
    ///
    /// # Errors
    ///
    /// Gives the guard back if `f` returns none.
    pub fn try_map<V: ?Sized>(
        mut guard: Self,
        f: impl FnOnce(&mut U) -> Option<&mut V>,
    ) -> Result<OwnedMappedMutexGuard<T, V>, Self> {
        match f(&mut guard).map(NonNull::from) {
            None => Err(guard),
            Some(value) => Ok(OwnedMappedMutexGuard::new(guard.guard, value)),
        }
    }
}

impl<T: ?Sized, U: ?Sized> Deref for OwnedMappedMutexGuard<T, U> {
    type Target = U;

    fn deref(&self) -> &U {
        // SAFETY: we have the lock, so nobody else has access; `map` got the part from a reference to the whole, which stays
        // where it is: behind an `Arc`.
        unsafe { self.value.as_ref() }
    }
}

impl<T: ?Sized, U: ?Sized> DerefMut for OwnedMappedMutexGuard<T, U> {
    fn deref_mut(&mut self) -> &mut U {
        // SAFETY: as in `deref`, and the guard is borrowed exclusively.
        unsafe { self.value.as_mut() }
    }
}

impl<T: ?Sized, U: ?Sized + fmt::Debug> fmt::Debug for OwnedMappedMutexGuard<T, U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// Access to a part of the value of a [`Mutex`], made by [`MutexGuard::map`]; the mutex is unlocked when this is dropped.
#[must_use = "a guard that is not kept unlocks at once"]
pub struct MappedMutexGuard<'a, T: ?Sized> {
    raw: &'a RawMutex,
    value: NonNull<T>,
    _value: PhantomData<&'a mut T>,
}

// SAFETY: it is a `&mut T` with a duty to unlock, which any thread may do.
unsafe impl<T: ?Sized + Send> Send for MappedMutexGuard<'_, T> {}

// SAFETY: shared, it gives `&T`.
unsafe impl<T: ?Sized + Sync> Sync for MappedMutexGuard<'_, T> {}

impl<'a, T: ?Sized> MappedMutexGuard<'a, T> {
    /// Narrows the guard further.
    pub fn map<U: ?Sized>(
        mut guard: Self,
        f: impl FnOnce(&mut T) -> &mut U,
    ) -> MappedMutexGuard<'a, U> {
        let value = NonNull::from(f(&mut guard));
        MappedMutexGuard {
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
    ) -> Result<MappedMutexGuard<'a, U>, Self> {
        match f(&mut guard).map(NonNull::from) {
            None => Err(guard),
            Some(value) => Ok(MappedMutexGuard {
                raw: ManuallyDrop::new(guard).raw,
                value,
                _value: PhantomData,
            }),
        }
    }
}

impl<T: ?Sized> Deref for MappedMutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: we have the lock, so nobody else has access; `map` got the part from a reference to the whole.
        unsafe { self.value.as_ref() }
    }
}

impl<T: ?Sized> DerefMut for MappedMutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as in `deref`, and the guard is borrowed exclusively.
        unsafe { self.value.as_mut() }
    }
}

impl<T: ?Sized> Drop for MappedMutexGuard<'_, T> {
    fn drop(&mut self) {
        self.raw.unlock();
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for MappedMutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
