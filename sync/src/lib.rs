//! Synchronisation for [gort]: leaf primitives that know wakers and no scheduler, and work with any executor.
//!
//! Locks: [`Mutex`], [`RwLock`], [`Semaphore`], [`Notify`], [`Cond`], [`Barrier`], [`OnceCell`], [`Once`], [`Lazy`], [`Latch`], [`WaitGroup`]. All
//! operations that wait are named futures, with a form that blocks a thread beside them; waiting allocates nothing, and no
//! lock is poisoned by a panic. For a concurrent map there are well-kept crates that need no waiting: `papaya`, or `dashmap`.
//!
//! Structure: [`Context`], which ends what is no longer wanted, with deadlines on the timers of [`set_timers`]; [`singleflight`], for calls
//! whose result all callers share; [`Pool`], for values that are used again.
//!
//! [gort]: https://docs.rs/gort

mod context;
mod latch;
mod locks;
mod pool;
pub mod singleflight;
mod timers;

pub use context::{AfterFunc, Cancel, Cause, Context, ContextError, Done, Run};
pub use latch::{Latch, Wait};
pub use locks::{
    Acquire, AcquireOwned, Barrier, BarrierWait, BarrierWaitResult, Closed, Cond, CondWait, Lazy,
    Lock, LockOwned, MappedMutexGuard, Mutex, MutexGuard, Notified, Notify, Once, OnceCell,
    OwnedMutexGuard, OwnedRwLockReadGuard, OwnedRwLockWriteGuard, OwnedSemaphorePermit, Read,
    ReadOwned, RwLock, RwLockMappedWriteGuard, RwLockReadGuard, RwLockWriteGuard, Semaphore,
    SemaphorePermit, SetError, Tracked, TryAcquireError, TryLockError, WaitAll, WaitGroup, Write,
    WriteOwned,
};

pub use pool::{Pool, Pooled};
pub use timers::{Timers, set_timers};

mod hook;

pub use hook::{WaitHook, WaitKind, set_wait_hook};
