//! A mutex for tasks and threads.

use std::cell::UnsafeCell;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use crate::hook::{Site, WaitKind};

use super::block::block_on;
use super::const_unless_loom;
use super::mutex_guard::{MutexGuard, OwnedMutexGuard};
use super::raw_mutex::{RawLock, RawMutex};

/// A value that one task or thread at a time may use; its guard may be held across an `await`.
///
/// Who unlocks wakes the first who waits, which then competes with newcomers, as with Go's `sync.Mutex`: a lock that is free is
/// taken by whoever runs. One that has come in vain a few times gets the lock handed to it, so that nobody starves.
///
/// Not reentrant: who locks it twice waits for itself. Not poisoned by a panic: the guard is dropped, and with it the lock. A
/// guard that is leaked keeps the mutex locked for ever.
///
/// If the guard is not held across an `await`, `std::sync::Mutex` is a little cheaper.
///
/// # Examples
///
/// ```
/// use gort_sync::Mutex;
/// # futures_lite::future::block_on(async {
/// static NAMES: Mutex<Vec<&str>> = Mutex::new(Vec::new());
///
/// NAMES.lock().await.push("gopher");
/// assert_eq!(*NAMES.lock_blocking(), ["gopher"]);
/// # });
/// ```
pub struct Mutex<T: ?Sized> {
    pub(super) raw: RawMutex,
    value: UnsafeCell<T>,
}

// SAFETY: the value goes along, and access to it through a shared mutex is exclusive.
unsafe impl<T: ?Sized + Send> Send for Mutex<T> {}

// SAFETY: as for Send: one at a time has access, from whatever thread.
unsafe impl<T: ?Sized + Send> Sync for Mutex<T> {}

impl<T> Mutex<T> {
    const_unless_loom! {
        /// Creates a mutex that is not locked.
        #[must_use]
        pub fn new(value: T) -> Self {
            Self {
                raw: RawMutex::new(),
                value: UnsafeCell::new(value),
            }
        }
    }

    /// Takes the value out.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> Mutex<T> {
    /// Locks the mutex, waiting until it is free.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when it is dropped but the place in the queue; the lock goes on to the next.
    #[inline]
    #[track_caller]
    pub fn lock(&self) -> Lock<'_, T> {
        Lock {
            site: Site::here(),
            mutex: self,
            raw: RawLock::new(),
        }
    }

    /// Locks the mutex for a guard that borrows nothing, waiting until it is free.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when it is dropped but the place in the queue; the lock goes on to the next.
    #[inline]
    #[track_caller]
    pub fn lock_owned(self: Arc<Self>) -> LockOwned<T> {
        LockOwned {
            site: Site::here(),
            mutex: self,
            raw: RawLock::new(),
        }
    }

    /// Locks the mutex, blocking the thread until it is free.
    ///
    /// In a goroutine use [`lock`](Self::lock): this may block the thread that would run the holder.
    #[inline]
    #[track_caller]
    pub fn lock_blocking(&self) -> MutexGuard<'_, T> {
        match self.try_lock() {
            Ok(guard) => guard,
            Err(TryLockError) => block_on(self.lock()),
        }
    }

    /// Locks the mutex if it is free.
    ///
    /// # Errors
    ///
    /// Fails if it is locked, or about to be handed to one that waits.
    #[inline]
    pub fn try_lock(&self) -> Result<MutexGuard<'_, T>, TryLockError> {
        match self.raw.try_lock() {
            true => Ok(MutexGuard::new(self)),
            false => Err(TryLockError),
        }
    }

    /// Locks the mutex if it is free, for a guard that borrows nothing.
    ///
    /// # Errors
    ///
    /// Fails if it is locked, or about to be handed to one that waits.
    pub fn try_lock_owned(self: Arc<Self>) -> Result<OwnedMutexGuard<T>, TryLockError> {
        match self.raw.try_lock() {
            true => Ok(OwnedMutexGuard::new(self)),
            false => Err(TryLockError),
        }
    }

    /// Returns the value; the exclusive borrow is the lock.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }

    /// Returns whether the mutex is locked, which may have changed already.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        self.raw.is_locked()
    }

    pub(super) fn value(&self) -> *mut T {
        self.value.get()
    }
}

impl<T: Default> Default for Mutex<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> From<T> for Mutex<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Mutex");
        match self.try_lock() {
            Ok(guard) => debug.field("value", &&*guard),
            Err(TryLockError) => debug.field("value", &format_args!("<locked>")),
        };
        debug.finish()
    }
}

/// A lock was not free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TryLockError;

impl fmt::Display for TryLockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the lock is taken")
    }
}

impl Error for TryLockError {}

pin_project! {
    /// The future of [`Mutex::lock`].
    #[must_use = "futures do nothing unless polled"]
    pub struct Lock<'a, T: ?Sized> {
        site: Site,
        mutex: &'a Mutex<T>,
        #[pin]
        raw: RawLock,
    }

    impl<T: ?Sized> PinnedDrop for Lock<'_, T> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            this.raw.cancel(&this.mutex.raw);
        }
    }
}

impl<'a, T: ?Sized> Future for Lock<'a, T> {
    type Output = MutexGuard<'a, T>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mutex: &'a Mutex<T> = this.mutex;
        ready!(
            this.site
                .or_waits(WaitKind::Mutex, this.raw.poll(&mutex.raw, cx))
        );
        Poll::Ready(MutexGuard::new(mutex))
    }
}

impl<T: ?Sized> fmt::Debug for Lock<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lock").finish_non_exhaustive()
    }
}

pin_project! {
    /// The future of [`Mutex::lock_owned`].
    #[must_use = "futures do nothing unless polled"]
    pub struct LockOwned<T: ?Sized> {
        site: Site,
        mutex: Arc<Mutex<T>>,
        #[pin]
        raw: RawLock,
    }

    impl<T: ?Sized> PinnedDrop for LockOwned<T> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            this.raw.cancel(&this.mutex.raw);
        }
    }
}

impl<T: ?Sized> Future for LockOwned<T> {
    type Output = OwnedMutexGuard<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        ready!(
            this.site
                .or_waits(WaitKind::Mutex, this.raw.poll(&this.mutex.raw, cx))
        );
        Poll::Ready(OwnedMutexGuard::new(Arc::clone(this.mutex)))
    }
}

impl<T: ?Sized> fmt::Debug for LockOwned<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LockOwned").finish_non_exhaustive()
    }
}
