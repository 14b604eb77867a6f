//! Handles that do not keep a channel open.

use std::fmt;

use gort_primitives::atomic::{AtomicUsize, Ordering};
use gort_primitives::sync::Arc;

use super::shared::Chan;
use super::{Receiver, Sender};
use crate::hook::Site;

/// A sender that does not keep its channel open.
pub struct WeakSender<T> {
    chan: Arc<Chan<T>>,
}

/// A receiver that does not keep its channel open.
pub struct WeakReceiver<T> {
    chan: Arc<Chan<T>>,
    site: Site,
}

impl<T> WeakSender<T> {
    pub(super) fn new(chan: &Arc<Chan<T>>) -> Self {
        let chan = chan.clone();
        Self { chan }
    }

    /// Returns a sender, unless all of them are gone.
    #[must_use]
    pub fn upgrade(&self) -> Option<Sender<T>> {
        let chan = self.chan.clone();
        join(&self.chan.senders).then_some(Sender { chan })
    }
}

impl<T> WeakReceiver<T> {
    pub(super) fn new(chan: &Arc<Chan<T>>, site: Site) -> Self {
        let chan = chan.clone();
        Self { chan, site }
    }

    /// Returns a receiver, unless all of them are gone.
    #[must_use]
    pub fn upgrade(&self) -> Option<Receiver<T>> {
        join(&self.chan.receivers).then(|| Receiver::new(self.chan.clone(), self.site))
    }
}

/// Counts one more, unless there is none.
fn join(count: &AtomicUsize) -> bool {
    let more = |count| (count != 0).then(|| count + 1);
    // Relaxed, twice: the handle that it counts with orders what follows by the lock of the channel.
    count
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more)
        .is_ok()
}

impl<T> Clone for WeakSender<T> {
    fn clone(&self) -> Self {
        Self::new(&self.chan)
    }
}

impl<T> Clone for WeakReceiver<T> {
    fn clone(&self) -> Self {
        Self::new(&self.chan, self.site)
    }
}

impl<T> fmt::Debug for WeakSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WeakSender").field(&self.chan).finish()
    }
}

impl<T> fmt::Debug for WeakReceiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WeakReceiver").field(&self.chan).finish()
    }
}
