//! One call at a time for each key, whose result all callers share: Go's `singleflight`.
//!
//! Each caller brings a future of its own, and takes part in the call of its key. One of them, the leader, has the call's only
//! permit and polls its future; the others wait for the permit. If the leader goes, by a drop or a panic, the permit goes to the
//! next, who polls its own. The leader takes the call out of the map before it publishes the value: whoever comes after anybody
//! has returned begins anew.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::hash::Hash;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use crate::hook::{Site, WaitKind};
use crate::{AcquireOwned, OwnedSemaphorePermit, Semaphore};

#[cfg(all(test, gort_loom))]
mod model;

/// Calls that are made once for all who ask at the same time. Go's `singleflight.Group`.
///
/// `Hash`, `Eq` and `Clone` of the keys run under a lock, and must not use the group.
///
/// # Examples
///
/// ```
/// use gort_sync::singleflight::Group;
/// use std::sync::atomic::{AtomicUsize, Ordering};
///
/// # futures_lite::future::block_on(async {
/// let (group, reads) = (Group::new(), AtomicUsize::new(0));
/// let read = || group.work("config", async {
///     futures_lite::future::yield_now().await;
///     reads.fetch_add(1, Ordering::Relaxed) + 41
/// });
/// assert_eq!(futures_lite::future::zip(read(), read()).await, (41, 41));
/// // They have returned, so this is a new call.
/// assert_eq!(read().await, 42);
/// # });
/// ```
pub struct Group<K, V> {
    calls: Mutex<HashMap<K, Entry<V>>>,
}

/// What the map knows of a call.
struct Entry<V> {
    call: Arc<Call<V>>,
    /// How many take part and have not gone.
    callers: usize,
}

struct Call<V> {
    /// One permit, to lead; closed when there is a value.
    lead: Arc<Semaphore>,
    value: OnceLock<V>,
}

impl<K, V> Group<K, V> {
    /// Creates a group without calls.
    #[must_use]
    pub fn new() -> Self {
        Self {
            calls: Mutex::new(HashMap::new()),
        }
    }

    /// A key whose `Hash` or `Eq` panics leaves the map as it was.
    fn lock(&self) -> MutexGuard<'_, HashMap<K, Entry<V>>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns how many calls are under way.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Returns whether no call is under way.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<K: Eq + Hash + Clone, V: Clone> Group<K, V> {
    /// Returns the output of `future`, or that of somebody else's for the same key who came first.
    ///
    /// It takes part from its first poll on. The others' futures are dropped unpolled.
    ///
    /// # Panics
    ///
    /// Panics if `future` does, which is polled only if this is the one that leads; the others do not, but the next of them leads.
    ///
    /// # Cancel safety
    ///
    /// If the one that leads is dropped, what its future did is lost, and the next leads, from the beginning, with its own. To drop any
    /// other loses nothing.
    #[track_caller]
    pub fn work<F: Future<Output = V>>(&self, key: K, future: F) -> Work<'_, K, V, F> {
        Work {
            group: self,
            key,
            site: Site::here(),
            part: None,
            leads: None,
            wait: None,
            future,
        }
    }

    /// Forgets the call of `key`: who comes from now on begins anew. Those who take part go on.
    pub fn forget(&self, key: &K) {
        let forgotten = self.lock().remove(key);
        // After the lock.
        drop(forgotten);
    }

    fn join(&self, key: &K) -> Arc<Call<V>> {
        let mut calls = self.lock();
        if let Some(entry) = calls.get_mut(key) {
            entry.callers += 1;
            return entry.call.clone();
        }
        let call = Arc::new(Call {
            lead: Arc::new(Semaphore::new(1)),
            value: OnceLock::new(),
        });
        let entry = Entry {
            call: call.clone(),
            callers: 1,
        };
        calls.insert(key.clone(), entry);
        call
    }
}

impl<K: Eq + Hash, V> Group<K, V> {
    /// Takes a call out of the map. Returns how many took part, if it was there.
    fn remove(&self, key: &K, call: &Arc<Call<V>>) -> Option<usize> {
        let mut calls = self.lock();
        let entry = calls.get(key)?;
        if !Arc::ptr_eq(&entry.call, call) {
            return None;
        }
        // The key is dropped after the lock: it is somebody else's code.
        let removed = calls.remove_entry(key);
        drop(calls);
        removed.map(|(_, entry)| entry.callers)
    }

    /// Takes no longer part in a call. The last one takes it out of the map.
    fn leave(&self, key: &K, call: &Arc<Call<V>>) {
        let mut calls = self.lock();
        let Some(entry) = calls.get_mut(key) else {
            return;
        };
        if !Arc::ptr_eq(&entry.call, call) {
            return;
        }
        entry.callers -= 1;
        let removed = (entry.callers == 0).then(|| calls.remove_entry(key));
        drop(calls);
        drop(removed);
    }
}

impl<K, V> Default for Group<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K, V> fmt::Debug for Group<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

pin_project! {
    /// The future of [`Group::work`].
    #[must_use = "futures do nothing unless polled"]
    pub struct Work<'a, K, V, F>
    where
        K: Eq,
        K: Hash,
    {
        group: &'a Group<K, V>,
        key: K,
        site: Site,
        // None before the first poll, and when it has returned.
        part: Option<Arc<Call<V>>>,
        #[pin]
        future: F,
        // Given back when this is dropped, after the future, so that the next leads.
        leads: Option<OwnedSemaphorePermit>,
        #[pin]
        wait: Option<AcquireOwned>,
    }

    impl<K, V, F> PinnedDrop for Work<'_, K, V, F>
    where
        K: Eq,
        K: Hash,
    {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if let Some(call) = this.part.take() {
                this.group.leave(this.key, &call);
            }
        }
    }
}

impl<K, V, F> Future for Work<'_, K, V, F>
where
    K: Eq + Hash + Clone,
    V: Clone,
    F: Future<Output = V>,
{
    type Output = V;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<V> {
        let mut this = self.project();
        let group = *this.group;
        let call = this.part.get_or_insert_with(|| group.join(this.key));
        if this.leads.is_none() {
            if this.wait.is_none() {
                this.wait.set(Some(call.lead.clone().acquire_owned()));
            }
            let wait = this.wait.as_mut().as_pin_mut();
            let lead = wait.expect("it was set").poll(cx);
            let lead = ready!(this.site.or_waits(WaitKind::Singleflight, lead));
            this.wait.set(None);
            let Ok(lead) = lead else {
                let value = call.value.get().cloned();
                *this.part = None;
                return Poll::Ready(value.expect("a call is closed when it has a value"));
            };
            *this.leads = Some(lead);
        }
        // Here it is given to the next if the future panics.
        let lead = this.leads.take();
        let Poll::Ready(value) = this.future.poll(cx) else {
            *this.leads = lead;
            return Poll::Pending;
        };
        let callers = group.remove(this.key, call);
        let call = this.part.take().expect("it takes part");
        if callers == Some(1) {
            return Poll::Ready(value);
        }
        let _ = call.value.set(value.clone());
        call.lead.close();
        Poll::Ready(value)
    }
}

impl<K: Eq + Hash + fmt::Debug, V, F> fmt::Debug for Work<'_, K, V, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Work")
            .field("key", &self.key)
            .field("leads", &self.leads.is_some())
            .finish_non_exhaustive()
    }
}
