//! Who sleeps: the wakers of the `run()` and `tick()` futures that found nothing to do.
//!
//! # No work is left behind
//!
//! | a thread that pushes a task | a future that goes to sleep |
//! |---|---|
//! | 1. pushes it into any queue | 1. puts its waker into the list |
//! | 2. fence (SeqCst) | 2. fence (SeqCst) |
//! | 3. reads the number of sleepers, wakes one | 3. looks at every queue |
//!
//! If the push's fence is first, the sleeper finds the task at 3. If the sleeper's is first, the pusher sees it at 3 and wakes
//! it or another. A task that moves from one queue to another is pushed again, with all three steps.
//!
//! A future that watches the queues before it goes to sleep is not in the list, and spares all pushers the third step:
//!
//! | a thread that pushes a task | the future that watches |
//! |---|---|
//! | 1. pushes it into any queue | 1. says that it watches no more |
//! | 2. fence (SeqCst) | 2. fence (SeqCst) |
//! | 3. sees that somebody watches, and leaves it to that one | 3. looks at every queue, if only to wake another |
//!
//! If the push's fence is first, the watcher finds the task at 3. If the watcher's is first, the pusher sees at 3 that nobody watches. A
//! future watches within one poll only, so one that is never polled again keeps nothing back.
//!
//! A wake-up that was used up must not be lost: who finds its place in the list taken, because it was woken, wakes the next
//! sleeper if there is more to do, or if it is dropped.
//!
//! Who is woken is out of the list, so one future that is woken and never polled again keeps back one wake-up, not all that
//! follow. Rejected: async-executor's flag "somebody was woken and has not looked yet", which saves wake-ups in a burst but
//! stops them all while that future is parked. The last to fall asleep is woken first: it is the likeliest to be polled soon.

use std::task::Waker;

use gort_primitives::atomic::{AtomicBool, AtomicUsize, Ordering, fence};
use gort_primitives::seeded::bug;
use gort_primitives::sync::{Mutex, MutexGuard};

#[cfg(all(test, gort_loom))]
mod model;

/// The list of sleepers.
#[derive(Debug)]
pub(super) struct Sleepers {
    /// The length of the list. Written under its lock.
    waiting: AtomicUsize,
    /// Whether a future that is awake watches all queues.
    watched: AtomicBool,
    list: Mutex<List>,
}

#[derive(Debug)]
struct List {
    last_key: u64,
    sleepers: Vec<(u64, Waker)>,
}

/// The place of one future in the list: a number, or 0 while it is awake.
#[derive(Debug, Default)]
pub(super) struct Place(u64);

impl Sleepers {
    pub(super) fn new() -> Self {
        Self {
            waiting: AtomicUsize::new(0),
            watched: AtomicBool::new(false),
            list: Mutex::new(List {
                last_key: 0,
                sleepers: Vec::new(),
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, List> {
        self.list.lock().expect("leaf lock")
    }

    fn set_waiting(&self, list: &List) {
        // Relaxed: the fences of the module's table order it against the queues.
        self.waiting.store(list.sleepers.len(), Ordering::Relaxed);
    }

    /// The number of sleepers, as it was a moment ago.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Wakes a sleeper, if there is one, for a task that was just pushed.
    #[inline]
    pub(super) fn wake_one(&self) {
        if let Some(sleeper) = self.take_one() {
            sleeper.wake();
        }
    }

    /// As [`wake_one`](Self::wake_one), but leaves the waking to the caller.
    #[inline]
    pub(super) fn take_one(&self) -> Option<Waker> {
        if !bug("no fence before the look for sleepers") {
            // SeqCst: step 2 of the left column; pairs with the fence in `announce`.
            fence(Ordering::SeqCst);
        }
        // Relaxed: the fences of the module's second table order it against the queues.
        if self.watched.load(Ordering::Relaxed) {
            return None;
        }
        self.take_one_unfenced()
    }

    /// Lets the caller be the one who watches, if nobody does. It looks at every queue after [`end_watch`](Self::end_watch).
    #[must_use]
    pub(super) fn begin_watch(&self) -> bool {
        // Relaxed: who does not see it yet wakes somebody in vain.
        !self.watched.load(Ordering::Relaxed) && !self.watched.swap(true, Ordering::Relaxed)
    }

    /// Ends the caller's watch.
    pub(super) fn end_watch(&self) {
        // Relaxed: the fence orders it.
        self.watched.store(false, Ordering::Relaxed);
        // SeqCst: step 2 of the watcher's column; pairs with the fence in `take_one`.
        fence(Ordering::SeqCst);
    }

    /// As [`take_one`](Self::take_one), for a task that was pushed by the only thread whose sleepers look at that queue.
    #[inline]
    pub(super) fn take_one_unfenced(&self) -> Option<Waker> {
        if self.len() == 0 {
            return None;
        }
        self.take_last()
    }

    #[cold]
    fn take_last(&self) -> Option<Waker> {
        let mut list = self.lock();
        let last = list.sleepers.pop();
        self.set_waiting(&list);
        last.map(|(_, waker)| waker)
    }

    /// Puts a future that found nothing into the list. Returns whether it must look once more before it sleeps.
    #[must_use]
    pub(super) fn announce(&self, place: &mut Place, waker: &Waker) -> bool {
        // Cloned and dropped without the lock.
        let mut waker = waker.clone();
        let mut list = self.lock();
        if let Some((_, old)) = list.sleepers.iter_mut().find(|(key, _)| *key == place.0) {
            if !old.will_wake(&waker) {
                std::mem::swap(old, &mut waker);
            }
            drop(list);
            return false;
        }
        list.last_key += 1;
        *place = Place(list.last_key);
        let entry = (list.last_key, waker);
        list.sleepers.push(entry);
        self.set_waiting(&list);
        drop(list);
        // SeqCst: step 2 of the right column; pairs with the fence in `wake_one`.
        fence(Ordering::SeqCst);
        !bug("no look after the announcement")
    }

    /// Takes a future that has something to do, or is dropped, out of the list. Returns whether it had been woken.
    #[must_use]
    #[inline]
    pub(super) fn withdraw(&self, place: &mut Place) -> bool {
        match std::mem::take(place) {
            Place(0) => false,
            Place(key) => self.withdraw_slow(key),
        }
    }

    #[cold]
    fn withdraw_slow(&self, key: u64) -> bool {
        let mut list = self.lock();
        let at = list.sleepers.iter().position(|(other, _)| *other == key);
        let gone = at.map(|at| list.sleepers.remove(at));
        self.set_waiting(&list);
        drop(list);
        gone.is_none()
    }

    /// Forgets all sleepers.
    pub(super) fn clear(&self) {
        let mut list = self.lock();
        let all = std::mem::take(&mut list.sleepers);
        self.set_waiting(&list);
        drop(list);
        drop(all);
    }
}

#[cfg(all(test, not(gort_loom)))]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;
    use std::task::Wake;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn the_last_to_fall_asleep_is_woken_first_and_knows() {
        let sleepers = Sleepers::new();
        let counts = [Arc::new(Count::default()), Arc::new(Count::default())];
        let wakers = counts.clone().map(Waker::from);
        let mut places = [Place::default(), Place::default()];
        for (place, waker) in places.iter_mut().zip(&wakers) {
            assert!(sleepers.announce(place, waker));
            assert!(!sleepers.announce(place, waker), "announced already");
        }
        sleepers.wake_one();
        assert_eq!(
            counts.each_ref().map(|c| c.0.load(Ordering::SeqCst)),
            [0, 1]
        );
        let [first, second] = &mut places;
        assert!(sleepers.withdraw(second));
        assert!(!sleepers.withdraw(second), "awake");
        assert!(!sleepers.withdraw(first));
        assert_eq!(sleepers.len(), 0);
        sleepers.wake_one();
        assert_eq!(counts.map(|c| c.0.load(Ordering::SeqCst)), [0, 1]);
    }

    #[test]
    fn a_sleeper_is_woken_through_its_latest_waker() {
        let sleepers = Sleepers::new();
        let (old, new) = (Arc::new(Count::default()), Arc::new(Count::default()));
        let mut place = Place::default();
        assert!(sleepers.announce(&mut place, &Waker::from(old.clone())));
        assert!(!sleepers.announce(&mut place, &Waker::from(new.clone())));
        assert_eq!(Arc::strong_count(&old), 1);
        sleepers.wake_one();
        assert_eq!(old.0.load(Ordering::SeqCst), 0);
        assert_eq!(new.0.load(Ordering::SeqCst), 1);
    }
}
