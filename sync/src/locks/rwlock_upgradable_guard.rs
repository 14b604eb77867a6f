//! The guards of upgradable readers, and what makes writers of them.
//!
//! A guard has [`UPGRADABLE`] permits of the lock from `new`, whose caller has taken them, until it is dropped, and the gate, unless it
//! was a writer before: then another may be past the gate, and waits in the queue as for any writer.

use std::fmt;
use std::future::Future;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::pin::Pin;
use std::ptr;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use crate::hook::{Site, WaitKind};

use super::block::block_on;
use super::raw_semaphore::RawAcquire;
use super::rwlock::{ALL, RwLock};
use super::rwlock_guard::{RwLockReadGuard, RwLockWriteGuard, give_back};
use super::rwlock_owned_guard::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard};
use super::rwlock_upgradable::{Gate, UPGRADABLE};

/// Shared access to the value of a [`RwLock`], with the right to become exclusive, until this is dropped. Made by
/// [`RwLock::upgradable_read`].
#[must_use = "a guard that is not kept unlocks at once"]
pub struct RwLockUpgradableReadGuard<'a, T: ?Sized> {
    lock: &'a RwLock<T>,
    gated: bool,
}

impl<'a, T: ?Sized> RwLockUpgradableReadGuard<'a, T> {
    pub(super) fn new(lock: &'a RwLock<T>, gated: bool) -> Self {
        Self { lock, gated }
    }

    /// Waits until all other readers have gone, and makes a write guard of it: nobody has written since this guard was made.
    ///
    /// It goes before all who wait for the lock. A task that has a read guard beside this one would wait for itself.
    ///
    /// # Cancel safety
    ///
    /// When it is dropped the guard is dropped, and nothing is locked any more. To keep the guard, and try again, there is
    /// [`try_upgrade`](Self::try_upgrade).
    #[track_caller]
    pub fn upgrade(guard: Self) -> Upgrade<'a, T> {
        Upgrade {
            site: Site::here(),
            raw: RawAcquire::new(ALL - UPGRADABLE),
            lock: guard.lock,
            guard: Some(guard),
        }
    }

    /// As [`upgrade`](Self::upgrade), blocking the thread.
    #[track_caller]
    pub fn upgrade_blocking(guard: Self) -> RwLockWriteGuard<'a, T> {
        block_on(Self::upgrade(guard))
    }

    /// Makes a write guard of it if there is no other reader.
    ///
    /// # Errors
    ///
    /// Gives the guard back if there are others.
    pub fn try_upgrade(guard: Self) -> Result<RwLockWriteGuard<'a, T>, Self> {
        match guard.lock.raw.try_acquire_first(ALL - UPGRADABLE) {
            true => Ok(guard.upgraded()),
            false => Err(guard),
        }
    }

    /// Makes an ordinary read guard of it, so that there can be another upgradable reader; no writer comes in between.
    pub fn downgrade(guard: Self) -> RwLockReadGuard<'a, T> {
        let guard = ManuallyDrop::new(guard);
        let gate = guard.gated.then_some(Gate(&guard.lock.gate));
        let reader = RwLockReadGuard::new(guard.lock);
        give_back(&guard.lock.raw, UPGRADABLE - 1);
        drop(gate);
        reader
    }

    /// Has all permits. Who passes the gate now stands in the queue behind those who wait.
    fn upgraded(self) -> RwLockWriteGuard<'a, T> {
        let guard = ManuallyDrop::new(self);
        let writer = RwLockWriteGuard::new(guard.lock);
        drop(guard.gated.then_some(Gate(&guard.lock.gate)));
        writer
    }
}

impl<T: ?Sized> Deref for RwLockUpgradableReadGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: we have permits, so nobody writes.
        unsafe { self.lock.value().as_ref() }
    }
}

impl<T: ?Sized> Drop for RwLockUpgradableReadGuard<'_, T> {
    fn drop(&mut self) {
        // Dropped after the permits, also if a waker panics.
        let _gate = self.gated.then_some(Gate(&self.lock.gate));
        give_back(&self.lock.raw, UPGRADABLE);
    }
}

/// Shared access to the value of a [`RwLock`] in an [`Arc`], with the right to become exclusive, until this is dropped. Made by
/// [`RwLock::upgradable_read_owned`].
#[must_use = "a guard that is not kept unlocks at once"]
pub struct OwnedRwLockUpgradableReadGuard<T: ?Sized> {
    lock: Arc<RwLock<T>>,
    gated: bool,
}

impl<T: ?Sized> OwnedRwLockUpgradableReadGuard<T> {
    pub(super) fn new(lock: Arc<RwLock<T>>, gated: bool) -> Self {
        Self { lock, gated }
    }

    /// Returns the lock whose guard this is. A function, so as not to hide a method of the value.
    #[must_use]
    pub fn source(guard: &Self) -> &Arc<RwLock<T>> {
        &guard.lock
    }

    /// As [`RwLockUpgradableReadGuard::upgrade`].
    ///
    /// # Cancel safety
    ///
    /// As there: the guard is dropped with the future.
    #[track_caller]
    pub fn upgrade(guard: Self) -> UpgradeOwned<T> {
        UpgradeOwned {
            site: Site::here(),
            raw: RawAcquire::new(ALL - UPGRADABLE),
            lock: guard.lock.clone(),
            guard: Some(guard),
        }
    }

    /// As [`RwLockUpgradableReadGuard::try_upgrade`].
    ///
    /// # Errors
    ///
    /// Gives the guard back if there are other readers.
    pub fn try_upgrade(guard: Self) -> Result<OwnedRwLockWriteGuard<T>, Self> {
        match guard.lock.raw.try_acquire_first(ALL - UPGRADABLE) {
            true => Ok(guard.upgraded()),
            false => Err(guard),
        }
    }

    /// As [`RwLockUpgradableReadGuard::downgrade`].
    pub fn downgrade(guard: Self) -> OwnedRwLockReadGuard<T> {
        let (lock, gated) = guard.into_parts();
        let reader = OwnedRwLockReadGuard::new(lock.clone());
        let gate = gated.then_some(Gate(&lock.gate));
        give_back(&lock.raw, UPGRADABLE - 1);
        drop(gate);
        reader
    }

    /// As for the guard that borrows.
    fn upgraded(self) -> OwnedRwLockWriteGuard<T> {
        let (lock, gated) = self.into_parts();
        let writer = OwnedRwLockWriteGuard::new(lock.clone());
        drop(gated.then_some(Gate(&lock.gate)));
        writer
    }

    /// The lock, with the permits, and whether the gate is ours.
    fn into_parts(self) -> (Arc<RwLock<T>>, bool) {
        let guard = ManuallyDrop::new(self);
        // SAFETY: `guard` is not dropped, so the Arc moves out once.
        let lock = unsafe { ptr::read(&guard.lock) };
        (lock, guard.gated)
    }
}

impl<T: ?Sized> Deref for OwnedRwLockUpgradableReadGuard<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: we have permits, so nobody writes.
        unsafe { self.lock.value().as_ref() }
    }
}

impl<T: ?Sized> Drop for OwnedRwLockUpgradableReadGuard<T> {
    fn drop(&mut self) {
        // Dropped after the permits, also if a waker panics.
        let _gate = self.gated.then_some(Gate(&self.lock.gate));
        give_back(&self.lock.raw, UPGRADABLE);
    }
}

pin_project! {
    /// The future of [`RwLockUpgradableReadGuard::upgrade`].
    #[must_use = "dropping it unlocks"]
    pub struct Upgrade<'a, T: ?Sized> {
        site: Site,
        #[pin]
        raw: RawAcquire,
        lock: &'a RwLock<T>,
        // None once it has ended.
        guard: Option<RwLockUpgradableReadGuard<'a, T>>,
    }

    impl<T: ?Sized> PinnedDrop for Upgrade<'_, T> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            this.raw.cancel(&this.lock.raw);
        }
    }
}

impl<'a, T: ?Sized> Future for Upgrade<'a, T> {
    type Output = RwLockWriteGuard<'a, T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        assert!(this.guard.is_some(), "an upgrade was polled after its end");
        let poll = this.raw.poll_first(&this.lock.raw, cx);
        ready!(this.site.or_waits(WaitKind::RwLockWrite, poll));
        let guard = this.guard.take().expect("it was there just now");
        Poll::Ready(guard.upgraded())
    }
}

pin_project! {
    /// The future of [`OwnedRwLockUpgradableReadGuard::upgrade`].
    #[must_use = "dropping it unlocks"]
    pub struct UpgradeOwned<T: ?Sized> {
        site: Site,
        #[pin]
        raw: RawAcquire,
        lock: Arc<RwLock<T>>,
        // None once it has ended.
        guard: Option<OwnedRwLockUpgradableReadGuard<T>>,
    }

    impl<T: ?Sized> PinnedDrop for UpgradeOwned<T> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            this.raw.cancel(&this.lock.raw);
        }
    }
}

impl<T: ?Sized> Future for UpgradeOwned<T> {
    type Output = OwnedRwLockWriteGuard<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        assert!(this.guard.is_some(), "an upgrade was polled after its end");
        let poll = this.raw.poll_first(&this.lock.raw, cx);
        ready!(this.site.or_waits(WaitKind::RwLockWrite, poll));
        let guard = this.guard.take().expect("it was there just now");
        Poll::Ready(guard.upgraded())
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLockUpgradableReadGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for OwnedRwLockUpgradableReadGuard<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized> fmt::Debug for Upgrade<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upgrade").finish_non_exhaustive()
    }
}

impl<T: ?Sized> fmt::Debug for UpgradeOwned<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpgradeOwned").finish_non_exhaustive()
    }
}
