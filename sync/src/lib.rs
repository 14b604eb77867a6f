//! Synchronisation for [gort]: leaf primitives that know wakers and no scheduler, and work with any executor.
//!
//! Channels: [`chan`], [`oneshot`] for a single value, [`broadcast`] for all receivers, [`watch`] for the latest value; with [`select!`] over them and any futures, and [`Selector`] for a number of arms that is not known before.
//! [`channel`] has the interface of async-channel.
//!
//! Take [`chan`] where tasks meet as in Go: it works without a buffer, hands each value to the receiver that has waited longest, and
//! [`select!`] waits for several at once. Take [`channel`] for a plain queue, or for code that was written for async-channel: values stay in
//! it until somebody takes them, and a send that was dropped before it was ready has not sent.
//!
//! Locks: [`Mutex`], [`RwLock`], [`Semaphore`], [`Notify`], [`Cond`], [`Barrier`], [`OnceCell`], [`Once`], [`Lazy`], [`Latch`], [`WaitGroup`]. All
//! operations that wait are named futures, with a form that blocks a thread beside them; waiting allocates nothing, and no
//! lock is poisoned by a panic. For a concurrent map there are well-kept crates that need no waiting: `papaya`, or `dashmap`.
//!
//! Structure: [`Context`], which ends what is no longer wanted, with deadlines on the timers of [`set_timers`]; [`singleflight`], for calls
//! whose result all callers share; [`Pool`], for values that are used again.
//!
//! # Examples
//!
//! A worker that ends with its channel, or with the request that it works for:
//!
//! ```
//! use std::time::Duration;
//! use gort_sync::{Context, WaitGroup, chan, select};
//!
//! async fn sum(numbers: chan::Receiver<u32>, request: Context) -> Result<u32, &'static str> {
//!     let mut sum = 0;
//!     loop {
//!         select! {
//!             recv(numbers) -> number => match number {
//!                 Ok(number) => sum += number,
//!                 Err(_) => return Ok(sum),
//!             },
//!             future(request.done()) -> _ => return Err("nobody wants it any more"),
//!         }
//!     }
//! }
//!
//! # fn spawn<F: Future<Output: Send> + Send + 'static>(task: F) {
//! #     std::thread::spawn(|| futures_lite::future::block_on(task));
//! # }
//! # futures_lite::future::block_on(async {
//! let request = Context::background().with_timeout(Duration::from_secs(60));
//! let (sender, receiver) = chan::bounded(8);
//! let group = WaitGroup::new();
//! for part in [[1, 2], [3, 4]] {
//!     let sender = sender.clone();
//!     // `spawn` is that of any executor.
//!     spawn(group.track(async move {
//!         for number in part {
//!             sender.send(number).await.unwrap();
//!         }
//!     }));
//! }
//! drop(sender);
//! assert_eq!(sum(receiver, request).await, Ok(10));
//! group.wait().await;
//! # });
//! ```
//!
//! # Coming from Go
//!
//! | Go | here |
//! |---|---|
//! | `make(chan T)`, `make(chan T, n)` | [`chan::unbuffered`], [`chan::bounded`] |
//! | `ch <- v`, `v, ok := <-ch`, `close(ch)` | [`send`](chan::Sender::send), [`recv`](chan::Receiver::recv), [`close`](chan::Sender::close), or drop the last sender |
//! | `for v := range ch` | `while let Ok(v) = receiver.recv().await`, or the receiver as a `Stream` |
//! | `select`, a nil channel, `default` | [`select!`], an arm with `None`, `default` |
//! | `time.After`, `time.Tick` | [`chan::after`], [`chan::tick`] |
//! | `sync.Mutex`, `RWMutex`, `Cond`, `WaitGroup`, `Pool` | [`Mutex`], [`RwLock`], [`Cond`], [`WaitGroup`], [`Pool`] |
//! | `sync.Once`, `sync.OnceValue` | [`Once`], [`Lazy`] |
//! | a `chan struct{}` that is closed once | [`Latch`] |
//! | `context.Context`, `CancelFunc`, `AfterFunc` | [`Context`], [`Cancel`], [`Context::after_func`] |
//! | `x/sync/semaphore`, `x/sync/singleflight` | [`Semaphore`], [`singleflight`] |
//!
//! [gort]: https://docs.rs/gort

pub mod broadcast;
mod buffer;
pub mod chan;
pub mod channel;
mod context;
mod deadline;
mod hook;
mod latch;
mod locks;
#[cfg(doctest)]
mod must_not_compile;
pub mod oneshot;
mod panics;
mod pool;
mod select;
mod short_lock;
pub mod singleflight;
mod timers;
mod until;
pub mod watch;

pub use context::{AfterFunc, Cancel, Cause, Context, ContextError, Done, Run};
pub use hook::{WaitHook, WaitKind, YieldHook, ask_yield_hook, set_wait_hook, set_yield_hook};
pub use latch::{Latch, Wait};
pub use locks::{
    Acquire, AcquireOwned, Barrier, BarrierWait, BarrierWaitResult, Closed, Cond, CondWait, Lazy,
    Lock, LockOwned, MappedMutexGuard, Mutex, MutexGuard, Notified, Notify, Once, OnceCell,
    OwnedMappedMutexGuard, OwnedMutexGuard, OwnedNotified, OwnedRwLockMappedWriteGuard,
    OwnedRwLockReadGuard, OwnedRwLockUpgradableReadGuard, OwnedRwLockWriteGuard,
    OwnedSemaphorePermit, Read, ReadOwned, RwLock, RwLockMappedWriteGuard, RwLockReadGuard,
    RwLockUpgradableReadGuard, RwLockWriteGuard, Semaphore, SemaphorePermit, SetError, Tracked,
    TryAcquireError, TryLockError, UpgradableRead, UpgradableReadOwned, Upgrade, UpgradeOwned,
    WaitAll, WaitGroup, Write, WriteOwned,
};

pub use pool::{Pool, Pooled};
pub use select::{Selecting, Selector};
pub use timers::{Timers, set_timers};

/// What the expansion of [`select!`] calls. No part of the public interface.
#[doc(hidden)]
pub mod __private {
    pub use crate::deadline::Deadline;
    pub use crate::select::{Arms, FutureArm, Names, Options, RecvArm, Select, SendArm, Won};
}
