//! A readers-writer lock for tasks and threads.
//!
//! A fair semaphore: a reader takes one permit, a writer all of them. So nobody starves: a writer that waits keeps later readers
//! behind it, and is itself behind the readers that came earlier.
//!
//! An upgradable reader takes a little more than half of the permits: so there is one at a time, and to become a writer it takes the
//! rest, before all who wait, since those behind a writer could otherwise wait for each other. Others who want to be the next one wait
//! at a gate of their own, where they hold no reader up.

use std::cell::UnsafeCell;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::ptr::NonNull;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use crate::hook::{Site, WaitKind};

use super::block::block_on;
use super::const_unless_loom;
use super::mutex::TryLockError;
use super::raw_semaphore::{RawAcquire, RawSemaphore};
use super::rwlock_guard::{RwLockReadGuard, RwLockWriteGuard};
use super::rwlock_owned_guard::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard};

/// So many readers at once; more wait. Far above what memory holds of guards, far below a semaphore's limit.
pub(super) const ALL: usize = u32::MAX as usize >> 3;

/// A value that many may read, or one may write; the guards may be held across an `await`.
///
/// Fair: first come, first served, readers that stand together going together. So a task that has a read guard must not ask for
/// another: a writer may have come in between, and both would wait for ever.
///
/// Not poisoned by a panic: the guard is dropped, and with it the lock. A guard that is leaked keeps its lock for ever.
///
/// # Examples
///
/// ```
/// use gort_sync::RwLock;
/// # futures_lite::future::block_on(async {
/// let names = RwLock::new(vec!["go"]);
/// {
///     let (a, b) = (names.read().await, names.read().await);
///     assert_eq!(a.len(), b.len());
/// }
/// names.write().await.push("rust");
/// assert_eq!(names.into_inner().len(), 2);
/// # });
/// ```
pub struct RwLock<T: ?Sized> {
    pub(super) raw: RawSemaphore,
    /// One permit, for an upgradable reader and for one who is in the queue to be it.
    pub(super) gate: RawSemaphore,
    value: UnsafeCell<T>,
}

// SAFETY: the value goes along, and writers are alone.
unsafe impl<T: ?Sized + Send> Send for RwLock<T> {}

// SAFETY: readers on several threads share `&T`; a writer has `&mut T`, from whatever thread.
unsafe impl<T: ?Sized + Send + Sync> Sync for RwLock<T> {}

impl<T> RwLock<T> {
    const_unless_loom! {
        /// Creates a lock that is free.
        #[must_use]
        pub fn new(value: T) -> Self {
            Self {
                raw: RawSemaphore::new(ALL),
                gate: RawSemaphore::new(1),
                value: UnsafeCell::new(value),
            }
        }
    }

    /// Takes the value out.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> RwLock<T> {
    /// Locks for reading, waiting while a writer has the lock or stands before.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when it is dropped but the place in the queue.
    #[track_caller]
    pub fn read(&self) -> Read<'_, T> {
        Read {
            site: Site::here(),
            lock: self,
            raw: RawAcquire::new(1),
        }
    }

    /// Locks for writing, waiting until nobody has the lock.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when it is dropped but the place in the queue.
    #[track_caller]
    pub fn write(&self) -> Write<'_, T> {
        Write {
            site: Site::here(),
            lock: self,
            raw: RawAcquire::new(ALL),
        }
    }

    /// As [`read`](Self::read), for a guard that borrows nothing.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when it is dropped but the place in the queue.
    #[track_caller]
    pub fn read_owned(self: Arc<Self>) -> ReadOwned<T> {
        ReadOwned {
            site: Site::here(),
            lock: self,
            raw: RawAcquire::new(1),
        }
    }

    /// As [`write`](Self::write), for a guard that borrows nothing.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when it is dropped but the place in the queue.
    #[track_caller]
    pub fn write_owned(self: Arc<Self>) -> WriteOwned<T> {
        WriteOwned {
            site: Site::here(),
            lock: self,
            raw: RawAcquire::new(ALL),
        }
    }

    /// Locks for reading, blocking the thread.
    #[track_caller]
    pub fn read_blocking(&self) -> RwLockReadGuard<'_, T> {
        block_on(self.read())
    }

    /// Locks for writing, blocking the thread.
    #[track_caller]
    pub fn write_blocking(&self) -> RwLockWriteGuard<'_, T> {
        block_on(self.write())
    }

    /// Locks for reading if no writer has the lock and nobody waits.
    ///
    /// # Errors
    ///
    /// Fails if it would have to wait.
    pub fn try_read(&self) -> Result<RwLockReadGuard<'_, T>, TryLockError> {
        match self.raw.try_acquire(1) {
            Ok(()) => Ok(RwLockReadGuard::new(self)),
            Err(_) => Err(TryLockError),
        }
    }

    /// Locks for writing if nobody has the lock.
    ///
    /// # Errors
    ///
    /// Fails if it would have to wait.
    pub fn try_write(&self) -> Result<RwLockWriteGuard<'_, T>, TryLockError> {
        match self.raw.try_acquire(ALL) {
            Ok(()) => Ok(RwLockWriteGuard::new(self)),
            Err(_) => Err(TryLockError),
        }
    }

    /// As [`try_read`](Self::try_read), for a guard that borrows nothing.
    ///
    /// # Errors
    ///
    /// Fails if it would have to wait.
    pub fn try_read_owned(self: Arc<Self>) -> Result<OwnedRwLockReadGuard<T>, TryLockError> {
        match self.raw.try_acquire(1) {
            Ok(()) => Ok(OwnedRwLockReadGuard::new(self)),
            Err(_) => Err(TryLockError),
        }
    }

    /// As [`try_write`](Self::try_write), for a guard that borrows nothing.
    ///
    /// # Errors
    ///
    /// Fails if it would have to wait.
    pub fn try_write_owned(self: Arc<Self>) -> Result<OwnedRwLockWriteGuard<T>, TryLockError> {
        match self.raw.try_acquire(ALL) {
            Ok(()) => Ok(OwnedRwLockWriteGuard::new(self)),
            Err(_) => Err(TryLockError),
        }
    }

    /// Returns the value; the exclusive borrow is the lock.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }

    pub(super) fn value(&self) -> NonNull<T> {
        // SAFETY: a cell in a reference is not null.
        unsafe { NonNull::new_unchecked(self.value.get()) }
    }
}

impl<T: Default> Default for RwLock<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> From<T> for RwLock<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("RwLock");
        match self.try_read() {
            Ok(guard) => debug.field("value", &&*guard),
            Err(TryLockError) => debug.field("value", &format_args!("<locked>")),
        };
        debug.finish()
    }
}

pin_project! {
    /// The future of [`RwLock::read`].
    #[must_use = "futures do nothing unless polled"]
    pub struct Read<'a, T: ?Sized> {
        site: Site,
        lock: &'a RwLock<T>,
        #[pin]
        raw: RawAcquire,
    }

    impl<T: ?Sized> PinnedDrop for Read<'_, T> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            this.raw.cancel(&this.lock.raw);
        }
    }
}

impl<'a, T: ?Sized> Future for Read<'a, T> {
    type Output = RwLockReadGuard<'a, T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let lock: &'a RwLock<T> = this.lock;
        let done = ready!(
            this.site
                .or_waits(WaitKind::RwLockRead, this.raw.poll(&lock.raw, cx))
        );
        debug_assert!(done.is_ok());
        Poll::Ready(RwLockReadGuard::new(lock))
    }
}

pin_project! {
    /// The future of [`RwLock::write`].
    #[must_use = "futures do nothing unless polled"]
    pub struct Write<'a, T: ?Sized> {
        site: Site,
        lock: &'a RwLock<T>,
        #[pin]
        raw: RawAcquire,
    }

    impl<T: ?Sized> PinnedDrop for Write<'_, T> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            this.raw.cancel(&this.lock.raw);
        }
    }
}

impl<'a, T: ?Sized> Future for Write<'a, T> {
    type Output = RwLockWriteGuard<'a, T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let lock: &'a RwLock<T> = this.lock;
        let done = ready!(
            this.site
                .or_waits(WaitKind::RwLockWrite, this.raw.poll(&lock.raw, cx))
        );
        debug_assert!(done.is_ok());
        Poll::Ready(RwLockWriteGuard::new(lock))
    }
}

pin_project! {
    /// The future of [`RwLock::read_owned`].
    #[must_use = "futures do nothing unless polled"]
    pub struct ReadOwned<T: ?Sized> {
        site: Site,
        lock: Arc<RwLock<T>>,
        #[pin]
        raw: RawAcquire,
    }

    impl<T: ?Sized> PinnedDrop for ReadOwned<T> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            this.raw.cancel(&this.lock.raw);
        }
    }
}

impl<T: ?Sized> Future for ReadOwned<T> {
    type Output = OwnedRwLockReadGuard<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let done = ready!(
            this.site
                .or_waits(WaitKind::RwLockRead, this.raw.poll(&this.lock.raw, cx))
        );
        debug_assert!(done.is_ok());
        Poll::Ready(OwnedRwLockReadGuard::new(Arc::clone(this.lock)))
    }
}

pin_project! {
    /// The future of [`RwLock::write_owned`].
    #[must_use = "futures do nothing unless polled"]
    pub struct WriteOwned<T: ?Sized> {
        site: Site,
        lock: Arc<RwLock<T>>,
        #[pin]
        raw: RawAcquire,
    }

    impl<T: ?Sized> PinnedDrop for WriteOwned<T> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            this.raw.cancel(&this.lock.raw);
        }
    }
}

impl<T: ?Sized> Future for WriteOwned<T> {
    type Output = OwnedRwLockWriteGuard<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let done = ready!(
            this.site
                .or_waits(WaitKind::RwLockWrite, this.raw.poll(&this.lock.raw, cx))
        );
        debug_assert!(done.is_ok());
        Poll::Ready(OwnedRwLockWriteGuard::new(Arc::clone(this.lock)))
    }
}

impl<T: ?Sized> fmt::Debug for Read<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Read").finish_non_exhaustive()
    }
}

impl<T: ?Sized> fmt::Debug for Write<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Write").finish_non_exhaustive()
    }
}

impl<T: ?Sized> fmt::Debug for ReadOwned<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadOwned").finish_non_exhaustive()
    }
}

impl<T: ?Sized> fmt::Debug for WriteOwned<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteOwned").finish_non_exhaustive()
    }
}
