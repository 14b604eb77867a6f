//! Locks that tasks wait for, and threads can block on, all on one wait queue.
//!
//! Nothing is poisoned: a lock whose holder panics is released like any other, and who comes next sees the value as it was
//! left. A panic in a waker goes on to who called it, after all others were woken.

mod barrier;
pub(crate) mod block;
mod cond;
#[cfg(all(test, gort_loom))]
mod model;
mod mutex;
mod mutex_guard;
mod notify;
mod once;
mod raw_mutex;
mod raw_semaphore;
mod rwlock;
mod rwlock_guard;
mod rwlock_owned_guard;
mod rwlock_upgradable;
mod rwlock_upgradable_guard;
mod semaphore;
pub(crate) mod wait;
mod wait_group;

pub(crate) use block::block_on;
pub(crate) use notify::RawNotified;

pub use barrier::{Barrier, BarrierWait, BarrierWaitResult};
pub use cond::{Cond, CondWait};
pub use mutex::{Lock, LockOwned, Mutex, TryLockError};
pub use mutex_guard::{MappedMutexGuard, MutexGuard, OwnedMappedMutexGuard, OwnedMutexGuard};
pub use notify::{Notified, Notify, OwnedNotified};
pub use once::{Lazy, Once, OnceCell, SetError};
pub use rwlock::{Read, ReadOwned, RwLock, Write, WriteOwned};
pub use rwlock_guard::{RwLockMappedWriteGuard, RwLockReadGuard, RwLockWriteGuard};
pub use rwlock_owned_guard::{
    OwnedRwLockMappedWriteGuard, OwnedRwLockReadGuard, OwnedRwLockWriteGuard,
};
pub use rwlock_upgradable::{UpgradableRead, UpgradableReadOwned};
pub use rwlock_upgradable_guard::{
    OwnedRwLockUpgradableReadGuard, RwLockUpgradableReadGuard, Upgrade, UpgradeOwned,
};
pub use semaphore::{
    Acquire, AcquireOwned, Closed, OwnedSemaphorePermit, Semaphore, SemaphorePermit,
    TryAcquireError,
};
pub use wait_group::{Tracked, WaitAll, WaitGroup};

/// Makes a constructor `const`, but for models: loom's types have no const constructors.
macro_rules! const_unless_loom {
    ($(#[$meta:meta])* $vis:vis fn $name:ident($($arg:ident: $ty:ty),*) -> $ret:ty $body:block) => {
        $(#[$meta])*
        #[cfg(not(gort_loom))]
        $vis const fn $name($($arg: $ty),*) -> $ret $body

        $(#[$meta])*
        #[cfg(gort_loom)]
        $vis fn $name($($arg: $ty),*) -> $ret $body
    };
}
pub(crate) use const_unless_loom;
