//! A value that many watch: receivers see the latest, and may miss those between.
//!
//! # Examples
//!
//! ```
//! use gort_sync::watch;
//!
//! # futures_lite::future::block_on(async {
//! let (sender, mut config) = watch::channel("blue");
//! assert_eq!(*config.borrow(), "blue");
//!
//! sender.send("green").unwrap();
//! config.changed().await.unwrap();
//! assert_eq!(*config.borrow_and_update(), "green");
//!
//! drop(sender);
//! assert!(config.changed().await.is_err());
//! # });
//! ```

// A lock for the value, a counter of versions whose lowest bit tells that all senders are gone, and a `Notify` for each side.
// The counter changes before the notice is given, and a receiver asks for the notice before it looks at the counter.

mod error;
mod future;
#[cfg(all(test, gort_loom))]
mod model;
mod stream;
#[cfg(all(test, not(gort_loom)))]
mod tests;

use std::fmt;
use std::ops::Deref;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use gort_primitives::atomic::{AtomicUsize, Ordering};
use gort_primitives::sync::Arc;

pub use error::{RecvError, SendError};
pub use future::{Changed, Closed};
pub use stream::ReceiverStream;

use crate::Notify;
use crate::hook::Site;
use crate::locks::block::block_on;
use crate::until::{Tells, Until};

/// Set if all senders are gone.
const CLOSED: usize = 1;
/// One version.
const STEP: usize = 2;

struct Shared<T> {
    value: RwLock<T>,
    /// Versions, and `CLOSED`; a version changes under the lock of the value.
    version: AtomicUsize,
    senders: AtomicUsize,
    receivers: AtomicUsize,
    changed: Notify,
    /// The last receiver is gone.
    left: Notify,
}

/// Creates a watched value; the first receiver has seen `initial`.
#[must_use]
pub fn channel<T>(initial: T) -> (Sender<T>, Receiver<T>) {
    let shared = Arc::new(Shared {
        value: RwLock::new(initial),
        version: AtomicUsize::new(0),
        senders: AtomicUsize::new(1),
        receivers: AtomicUsize::new(1),
        changed: Notify::new(),
        left: Notify::new(),
    });
    let sender = Sender {
        shared: shared.clone(),
    };
    (sender, Receiver { shared, seen: 0 })
}

/// The half that changes the value.
pub struct Sender<T> {
    shared: Arc<Shared<T>>,
}

/// The half that watches the value. A clone has seen what the original has.
pub struct Receiver<T> {
    shared: Arc<Shared<T>>,
    seen: usize,
}

/// A borrowed value. Senders wait, and with them their threads, until it is dropped: do not keep it.
#[derive(Debug)]
pub struct Ref<'a, T> {
    guard: RwLockReadGuard<'a, T>,
    changed: bool,
}

impl<T> Tells for Receiver<T> {
    fn notify(&self) -> &Notify {
        &self.shared.changed
    }
}

impl<T> Shared<T> {
    fn read(&self) -> RwLockReadGuard<'_, T> {
        self.value.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn borrow_and_update(&self, seen: &mut usize) -> Ref<'_, T> {
        let guard = self.read();
        // Relaxed: a version changes under the lock.
        let version = self.version.load(Ordering::Relaxed) & !CLOSED;
        let changed = std::mem::replace(seen, version) != version;
        Ref { guard, changed }
    }

    /// Whether there is a value that was not seen, which counts as seen then; an error if there never will be.
    fn look(&self, seen: &mut usize) -> Option<Result<(), RecvError>> {
        // Acquire: pairs with the Release in `modify`, and with that of the last sender.
        let version = self.version.load(Ordering::Acquire);
        if version & !CLOSED != *seen {
            *seen = version & !CLOSED;
            return Some(Ok(()));
        }
        (version & CLOSED != 0).then_some(Err(RecvError))
    }

    fn changed<'a>(&'a self, seen: &'a mut usize, site: Site) -> Changed<'a, T> {
        Changed {
            until: Until::new(&self.changed),
            shared: self,
            seen,
            site,
        }
    }

    fn modify(&self, change: impl FnOnce(&mut T) -> bool) -> bool {
        {
            let mut value = self.value.write().unwrap_or_else(PoisonError::into_inner);
            // Not announced if it panics; the value stays as it was left.
            if !change(&mut value) {
                return false;
            }
            // Release: publishes what the sender did before to the Acquire of who sees the version without the lock.
            self.version.fetch_add(STEP, Ordering::Release);
        }
        self.changed.notify_waiters();
        true
    }
}

impl<T> Sender<T> {
    /// Sets the value.
    ///
    /// # Errors
    ///
    /// Gives the value back if nobody watches.
    pub fn send(&self, value: T) -> Result<(), SendError<T>> {
        if self.is_closed() {
            return Err(SendError(value));
        }
        drop(self.send_replace(value));
        Ok(())
    }

    /// Sets the value, and returns the old one; also if nobody watches.
    pub fn send_replace(&self, mut value: T) -> T {
        self.send_modify(|slot| std::mem::swap(slot, &mut value));
        value
    }

    /// Changes the value where it is; also if nobody watches.
    ///
    /// `change` runs under the lock of the value: it must not use this channel. If it panics the value stays as it was left.
    pub fn send_modify(&self, change: impl FnOnce(&mut T)) {
        self.send_if_modified(|value| {
            change(value);
            true
        });
    }

    /// Changes the value where it is, and tells the receivers if `change` returns true; returns what `change` does.
    pub fn send_if_modified(&self, change: impl FnOnce(&mut T) -> bool) -> bool {
        self.shared.modify(change)
    }

    /// Borrows the value.
    #[must_use]
    pub fn borrow(&self) -> Ref<'_, T> {
        let guard = self.shared.read();
        let changed = false;
        Ref { guard, changed }
    }

    /// Makes a receiver that has seen the value as it is now.
    #[must_use]
    pub fn subscribe(&self) -> Receiver<T> {
        let shared = self.shared.clone();
        // Relaxed: a number; `closed` looks again when it is told.
        shared.receivers.fetch_add(1, Ordering::Relaxed);
        // Acquire: pairs with the Release in `modify`.
        let seen = shared.version.load(Ordering::Acquire) & !CLOSED;
        Receiver { shared, seen }
    }

    /// Returns whether nobody watches.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.receiver_count() == 0
    }

    /// Returns how many watch.
    #[must_use]
    pub fn receiver_count(&self) -> usize {
        // Acquire: pairs with the Release of a receiver that goes.
        self.shared.receivers.load(Ordering::Acquire)
    }

    /// Returns whether both set the same value.
    #[must_use]
    pub fn same_channel(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// Waits until nobody watches.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    #[track_caller]
    pub fn closed(&self) -> Closed<'_, T> {
        Closed {
            until: Until::new(&self.shared.left),
            sender: self,
            site: Site::here(),
        }
    }
}

impl<T> Receiver<T> {
    /// Borrows the value; it does not count as seen.
    #[must_use]
    pub fn borrow(&self) -> Ref<'_, T> {
        let guard = self.shared.read();
        // Relaxed: a version changes under the lock.
        let changed = self.shared.version.load(Ordering::Relaxed) & !CLOSED != self.seen;
        Ref { guard, changed }
    }

    /// Borrows the value; it counts as seen.
    #[must_use]
    pub fn borrow_and_update(&mut self) -> Ref<'_, T> {
        self.shared.borrow_and_update(&mut self.seen)
    }

    /// Returns whether there is a value that was not seen.
    ///
    /// # Errors
    ///
    /// Fails if the last value was seen and all senders are gone.
    pub fn has_changed(&self) -> Result<bool, RecvError> {
        // Acquire: pairs with the Release in `modify`.
        let version = self.shared.version.load(Ordering::Acquire);
        if version & !CLOSED != self.seen {
            return Ok(true);
        }
        if version & CLOSED != 0 {
            return Err(RecvError);
        }
        Ok(false)
    }

    /// Makes the value count as not seen.
    pub fn mark_changed(&mut self) {
        self.seen = self.seen.wrapping_sub(STEP);
    }

    /// Makes the value count as seen.
    pub fn mark_unchanged(&mut self) {
        drop(self.borrow_and_update());
    }

    /// Waits for a value that was not seen, and makes it count as seen.
    ///
    /// # Errors
    ///
    /// Fails if the last value was seen and all senders are gone.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: a change counts as seen only if this completes.
    #[track_caller]
    pub fn changed(&mut self) -> Changed<'_, T> {
        self.shared.changed(&mut self.seen, Site::here())
    }

    /// Blocks the thread until there is a value that was not seen.
    ///
    /// # Errors
    ///
    /// As [`changed`](Self::changed).
    #[track_caller]
    pub fn changed_blocking(&mut self) -> Result<(), RecvError> {
        block_on(self.changed())
    }

    /// Waits until the value is as `wanted` says, which may be now; it counts as seen then, and stays as it is while it is borrowed.
    ///
    /// `wanted` runs while the value is borrowed: it must not use this channel.
    ///
    /// # Examples
    ///
    /// ```
    /// use gort_sync::watch;
    ///
    /// # futures_lite::future::block_on(async {
    /// let (progress, mut watches) = watch::channel(0);
    /// let thread = std::thread::spawn(move || (0..=100).for_each(|percent| drop(progress.send(percent))));
    /// assert!(*watches.wait_for(|&percent| percent >= 50).await.unwrap() >= 50);
    /// thread.join().unwrap();
    /// # });
    /// ```
    ///
    /// # Errors
    ///
    /// Fails if all senders are gone and the last value is not so.
    ///
    /// # Cancel safety
    ///
    /// Values that were looked at count as seen.
    #[track_caller]
    pub fn wait_for(
        &mut self,
        mut wanted: impl FnMut(&T) -> bool,
    ) -> impl Future<Output = Result<Ref<'_, T>, RecvError>> {
        let site = Site::here();
        let (shared, seen) = (&*self.shared, &mut self.seen);
        async move {
            let mut end = Ok(());
            loop {
                {
                    let value = shared.borrow_and_update(seen);
                    if wanted(&value) {
                        return Ok(value);
                    }
                }
                end?;
                end = shared.changed(seen, site).await;
            }
        }
    }

    /// Makes a `Stream` of the values that were not seen, each as it is when the stream is polled; it ends when all senders are gone.
    ///
    /// It begins with the value as it is now if that was not seen, as after [`mark_changed`](Self::mark_changed). A value is cloned
    /// while it is borrowed: its `clone` must not use this channel.
    ///
    /// # Examples
    ///
    /// ```
    /// use futures_lite::StreamExt;
    /// use gort_sync::watch;
    ///
    /// # futures_lite::future::block_on(async {
    /// let (sender, mut receiver) = watch::channel("blue");
    /// receiver.mark_changed();
    /// let mut colours = receiver.into_stream();
    /// assert_eq!(colours.next().await, Some("blue"));
    /// sender.send("red").unwrap();
    /// sender.send("green").unwrap();
    /// drop(sender);
    /// assert_eq!(colours.next().await, Some("green"));
    /// assert_eq!(colours.next().await, None);
    /// # });
    /// ```
    #[must_use]
    #[track_caller]
    pub fn into_stream(self) -> ReceiverStream<T> {
        ReceiverStream::new(self)
    }

    /// Returns whether both watch the same value.
    #[must_use]
    pub fn same_channel(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        // Relaxed: this one keeps the number above zero.
        self.shared.senders.fetch_add(1, Ordering::Relaxed);
        let shared = self.shared.clone();
        Self { shared }
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        // Relaxed: this one keeps the number above zero.
        self.shared.receivers.fetch_add(1, Ordering::Relaxed);
        let shared = self.shared.clone();
        let seen = self.seen;
        Self { shared, seen }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        // AcqRel: what the other senders did happened before what we announce.
        if self.shared.senders.fetch_sub(1, Ordering::AcqRel) == 1 {
            // Release: pairs with the Acquire of who sees it.
            self.shared.version.fetch_or(CLOSED, Ordering::Release);
            self.shared.changed.notify_waiters();
        }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        // AcqRel: pairs with the Acquire in `receiver_count`, and orders the receivers that went before.
        if self.shared.receivers.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.shared.left.notify_waiters();
        }
    }
}

impl<T> Ref<'_, T> {
    /// Returns whether the receiver had not seen this value before it was borrowed.
    #[must_use]
    pub fn has_changed(&self) -> bool {
        self.changed
    }
}

impl<T> Deref for Ref<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.guard
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender")
            .field("receivers", &self.receiver_count())
            .finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("has_changed", &self.has_changed())
            .finish_non_exhaustive()
    }
}
