//! Handles that do not keep a channel open.

use std::fmt;

use gort_primitives::atomic::AtomicUsize;
use gort_primitives::sync::Arc;

use super::shared::Shared;
use super::{Receiver, Sender};
use crate::chan::one_more_of;
use crate::hook::Site;

/// A sender that does not keep its channel open.
///
/// # Examples
///
/// ```
/// let (sender, receiver) = gort_sync::channel::bounded(1);
/// let weak = sender.downgrade();
/// assert_eq!(weak.upgrade().unwrap().try_send(1), Ok(()));
/// drop(sender);
/// assert!(weak.upgrade().is_none());
/// assert_eq!((receiver.try_recv(), receiver.is_closed()), (Ok(1), true));
/// ```
pub struct WeakSender<T> {
    shared: Arc<Shared<T>>,
}

/// A receiver that does not keep its channel open.
pub struct WeakReceiver<T> {
    shared: Arc<Shared<T>>,
    site: Site,
}

impl<T> WeakSender<T> {
    pub(super) fn new(shared: &Arc<Shared<T>>) -> Self {
        let shared = shared.clone();
        Self { shared }
    }

    /// Returns a sender, unless the channel is closed.
    pub fn upgrade(&self) -> Option<Sender<T>> {
        may_join(&self.shared, &self.shared.senders).then(|| Sender {
            shared: self.shared.clone(),
        })
    }
}

impl<T> WeakReceiver<T> {
    pub(super) fn new(shared: &Arc<Shared<T>>, site: Site) -> Self {
        let shared = shared.clone();
        Self { shared, site }
    }

    /// Returns a receiver, unless the channel is closed.
    pub fn upgrade(&self) -> Option<Receiver<T>> {
        may_join(&self.shared, &self.shared.receivers)
            .then(|| Receiver::new(self.shared.clone(), self.site))
    }
}

/// Counts one more handle in an open channel, unless the last of them is on its way out.
fn may_join<T>(shared: &Shared<T>, handles: &AtomicUsize) -> bool {
    !shared.is_closed() && one_more_of(handles)
}

impl<T> Clone for WeakSender<T> {
    fn clone(&self) -> Self {
        Self::new(&self.shared)
    }
}

impl<T> Clone for WeakReceiver<T> {
    fn clone(&self) -> Self {
        Self::new(&self.shared, self.site)
    }
}

impl<T> fmt::Debug for WeakSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakSender").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for WeakReceiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakReceiver").finish_non_exhaustive()
    }
}
