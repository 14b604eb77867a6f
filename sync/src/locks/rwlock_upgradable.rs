//! Reading with the right to write later.

use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use crate::hook::{Site, WaitKind};

use super::block::block_on;
use super::mutex::TryLockError;
use super::raw_semaphore::{RawAcquire, RawSemaphore};
use super::rwlock::{ALL, RwLock};
use super::rwlock_guard::give_back;
use super::rwlock_upgradable_guard::{OwnedRwLockUpgradableReadGuard, RwLockUpgradableReadGuard};

/// What an upgradable reader takes: two of them do not fit.
pub(super) const UPGRADABLE: usize = ALL / 2 + 1;

const _: () = assert!(UPGRADABLE > ALL - UPGRADABLE);

/// The gate was passed; dropping it lets the next through.
pub(super) struct Gate<'a>(pub(super) &'a RawSemaphore);

impl Drop for Gate<'_> {
    fn drop(&mut self) {
        give_back(self.0, 1);
    }
}

impl<T: ?Sized> RwLock<T> {
    /// Locks for reading, with the right to [upgrade](RwLockUpgradableReadGuard::upgrade) to writing: for who looks first and
    /// seldom has something to change.
    ///
    /// It waits while a writer has the lock or stands before, and while there is another upgradable reader; other readers go
    /// beside it.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when it is dropped but the place in the queue.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::collections::HashMap;
    /// use gort_sync::{RwLock, RwLockUpgradableReadGuard};
    ///
    /// /// Nobody changes the map between the look and the insertion.
    /// async fn number_of(names: &RwLock<HashMap<String, usize>>, name: &str) -> usize {
    ///     let read = names.upgradable_read().await;
    ///     if let Some(&number) = read.get(name) {
    ///         return number;
    ///     }
    ///     let number = read.len();
    ///     let mut write = RwLockUpgradableReadGuard::upgrade(read).await;
    ///     write.insert(name.to_string(), number);
    ///     number
    /// }
    /// # futures_lite::future::block_on(async {
    /// # let names = RwLock::default();
    /// # assert_eq!([number_of(&names, "a").await, number_of(&names, "b").await, number_of(&names, "a").await], [0, 1, 0]);
    /// # });
    /// ```
    #[track_caller]
    pub fn upgradable_read(&self) -> UpgradableRead<'_, T> {
        UpgradableRead {
            site: Site::here(),
            lock: self,
            raw: RawUpgradable::new(),
        }
    }

    /// As [`upgradable_read`](Self::upgradable_read), for a guard that borrows nothing.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when it is dropped but the place in the queue.
    #[track_caller]
    pub fn upgradable_read_owned(self: Arc<Self>) -> UpgradableReadOwned<T> {
        UpgradableReadOwned {
            site: Site::here(),
            lock: self,
            raw: RawUpgradable::new(),
        }
    }

    /// As [`upgradable_read`](Self::upgradable_read), blocking the thread.
    #[track_caller]
    pub fn upgradable_read_blocking(&self) -> RwLockUpgradableReadGuard<'_, T> {
        block_on(self.upgradable_read())
    }

    /// Locks for reading, with the right to upgrade, if no writer has the lock, there is no other upgradable reader, and nobody waits.
    ///
    /// # Errors
    ///
    /// Fails if it would have to wait.
    pub fn try_upgradable_read(&self) -> Result<RwLockUpgradableReadGuard<'_, T>, TryLockError> {
        self.try_raw_upgradable()?;
        Ok(RwLockUpgradableReadGuard::new(self, true))
    }

    /// As [`try_upgradable_read`](Self::try_upgradable_read), for a guard that borrows nothing.
    ///
    /// # Errors
    ///
    /// Fails if it would have to wait.
    pub fn try_upgradable_read_owned(
        self: Arc<Self>,
    ) -> Result<OwnedRwLockUpgradableReadGuard<T>, TryLockError> {
        self.try_raw_upgradable()?;
        Ok(OwnedRwLockUpgradableReadGuard::new(self, true))
    }

    /// Takes the gate and the permits of an upgradable reader.
    fn try_raw_upgradable(&self) -> Result<(), TryLockError> {
        self.gate.try_acquire(1).map_err(|_| TryLockError)?;
        let gate = Gate(&self.gate);
        self.raw.try_acquire(UPGRADABLE).map_err(|_| TryLockError)?;
        mem::forget(gate);
        Ok(())
    }
}

pin_project! {
    /// One that passes the gate, and then takes the permits of an upgradable reader.
    ///
    /// Its owner calls `cancel` before it is dropped.
    struct RawUpgradable {
        // The gate is ours, and the permits are not yet.
        passed: bool,
        #[pin]
        gate: RawAcquire,
        #[pin]
        raw: RawAcquire,
    }
}

impl RawUpgradable {
    fn new() -> Self {
        Self {
            passed: false,
            gate: RawAcquire::new(1),
            raw: RawAcquire::new(UPGRADABLE),
        }
    }

    /// Ready when the gate and the permits are the caller's.
    fn poll<T: ?Sized>(self: Pin<&mut Self>, lock: &RwLock<T>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        if !*this.passed {
            let passed = ready!(this.gate.poll(&lock.gate, cx));
            debug_assert!(passed.is_ok());
            *this.passed = true;
        }
        let taken = ready!(this.raw.poll(&lock.raw, cx));
        debug_assert!(taken.is_ok());
        *this.passed = false;
        Poll::Ready(())
    }

    fn cancel<T: ?Sized>(self: Pin<&mut Self>, lock: &RwLock<T>) {
        let this = self.project();
        // Dropped last, also if a waker panics.
        let _gate = mem::take(this.passed).then_some(Gate(&lock.gate));
        this.gate.cancel(&lock.gate);
        this.raw.cancel(&lock.raw);
    }
}

pin_project! {
    /// The future of [`RwLock::upgradable_read`].
    #[must_use = "futures do nothing unless polled"]
    pub struct UpgradableRead<'a, T: ?Sized> {
        site: Site,
        lock: &'a RwLock<T>,
        #[pin]
        raw: RawUpgradable,
    }

    impl<T: ?Sized> PinnedDrop for UpgradableRead<'_, T> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            this.raw.cancel(this.lock);
        }
    }
}

impl<'a, T: ?Sized> Future for UpgradableRead<'a, T> {
    type Output = RwLockUpgradableReadGuard<'a, T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let lock: &'a RwLock<T> = this.lock;
        let poll = this.raw.poll(lock, cx);
        ready!(this.site.or_waits(WaitKind::RwLockRead, poll));
        Poll::Ready(RwLockUpgradableReadGuard::new(lock, true))
    }
}

pin_project! {
    /// The future of [`RwLock::upgradable_read_owned`].
    #[must_use = "futures do nothing unless polled"]
    pub struct UpgradableReadOwned<T: ?Sized> {
        site: Site,
        lock: Arc<RwLock<T>>,
        #[pin]
        raw: RawUpgradable,
    }

    impl<T: ?Sized> PinnedDrop for UpgradableReadOwned<T> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            this.raw.cancel(this.lock);
        }
    }
}

impl<T: ?Sized> Future for UpgradableReadOwned<T> {
    type Output = OwnedRwLockUpgradableReadGuard<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let poll = this.raw.poll(this.lock, cx);
        ready!(this.site.or_waits(WaitKind::RwLockRead, poll));
        let lock = Arc::clone(this.lock);
        Poll::Ready(OwnedRwLockUpgradableReadGuard::new(lock, true))
    }
}

impl<T: ?Sized> fmt::Debug for UpgradableRead<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpgradableRead").finish_non_exhaustive()
    }
}

impl<T: ?Sized> fmt::Debug for UpgradableReadOwned<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpgradableReadOwned")
            .finish_non_exhaustive()
    }
}
