//! Handles that do not keep a channel open.

use std::fmt;

use gort_primitives::sync::Arc;

use super::count::one_more_of;
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
        one_more_of(&self.chan.senders).then(|| Sender {
            chan: self.chan.clone(),
        })
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
        one_more_of(&self.chan.receivers).then(|| Receiver::new(self.chan.clone(), self.site))
    }
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
