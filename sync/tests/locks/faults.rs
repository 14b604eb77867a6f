//! Wakers that panic, guards and futures that are leaked, numbers that are too large: defined, and never corrupt.

use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::sync::Arc;
use std::task::{Wake, Waker};

use gort_sync::{Mutex, Notify, OnceCell, RwLock, Semaphore, WaitGroup};

use super::support::{Bomb, Count, Polled};

#[test]
fn a_panic_under_the_lock_unlocks_and_poisons_nothing() {
    let mutex = Mutex::new(0);
    let panic = catch_unwind(AssertUnwindSafe(|| {
        *mutex.lock_blocking() = 1;
        let _guard = mutex.lock_blocking();
        panic!("while it is locked");
    }));
    assert!(panic.is_err());
    assert_eq!(*mutex.try_lock().expect("free"), 1);
}

#[test]
fn a_waker_that_panics_harms_only_its_own_task() {
    let bomb = Waker::from(Arc::new(Bomb));
    let notify = Notify::new();
    let mut bad = Polled::new(notify.notified());
    let (woken, waker) = Count::new();
    let mut good = Polled::new(notify.notified());
    assert!(bad.poll_with(&bomb).is_pending());
    assert!(good.poll_with(&waker).is_pending());
    assert!(catch_unwind(AssertUnwindSafe(|| notify.notify_waiters())).is_err());
    assert_eq!(woken.get(), 1);
    good.done();
    bad.done();

    // Also when they are more than a batch.
    let semaphore = Semaphore::new(0);
    let mut waiters: Vec<_> = (0..100).map(|_| Polled::new(semaphore.acquire())).collect();
    for waiter in &mut waiters {
        assert!(waiter.poll_with(&bomb).is_pending());
    }
    assert!(catch_unwind(AssertUnwindSafe(|| semaphore.add_permits(100))).is_err());
    for waiter in &mut waiters {
        waiter.done().expect("open").forget();
    }

    let mutex = Mutex::new(());
    let guard = mutex.try_lock().expect("free");
    let mut bad = Polled::new(mutex.lock());
    let mut good = Polled::new(mutex.lock());
    assert!(bad.poll_with(&bomb).is_pending());
    good.waits();
    assert!(catch_unwind(AssertUnwindSafe(|| drop(guard))).is_err());
    drop(bad);
    drop(good.done());
}

/// Panics with something that panics when it is dropped.
struct Cluster;

impl Wake for Cluster {
    fn wake(self: Arc<Self>) {
        panic_any(Again);
    }
}

struct Again;

impl Drop for Again {
    fn drop(&mut self) {
        panic!("a panic that panics");
    }
}

#[test]
fn panics_that_panic_keep_nobody_from_being_woken() {
    let bomb = Waker::from(Arc::new(Cluster));
    let notify = Notify::new();
    let mut bad = [(); 2].map(|()| Polled::new(notify.notified()));
    let (woken, waker) = Count::new();
    let mut good = Polled::new(notify.notified());
    for bad in &mut bad {
        assert!(bad.poll_with(&bomb).is_pending());
    }
    assert!(good.poll_with(&waker).is_pending());
    let panic = catch_unwind(AssertUnwindSafe(|| notify.notify_waiters()));
    assert!(catch_unwind(AssertUnwindSafe(|| drop(panic))).is_err());
    assert_eq!(woken.get(), 1);
}

#[test]
fn a_leaked_guard_keeps_its_lock_and_no_more() {
    let mutex = Mutex::new(());
    std::mem::forget(mutex.try_lock());
    assert!(mutex.try_lock().is_err());
    let mut waiter = Polled::new(mutex.lock());
    waiter.waits();
    drop(waiter);

    let semaphore = Semaphore::new(2);
    std::mem::forget(semaphore.try_acquire());
    assert_eq!(semaphore.available_permits(), 1);

    let lock = RwLock::new(());
    std::mem::forget(lock.try_read());
    assert!(lock.try_read().is_ok());
    assert!(lock.try_write().is_err());
}

#[test]
fn a_leaked_future_stays_in_the_queue_and_its_memory_with_it() {
    let notify = Notify::new();
    let mut leaked = Polled::new(notify.notified());
    leaked.waits();
    leaked.leak();
    let mut behind = Polled::new(notify.notified());
    behind.waits();
    notify.notify_one();
    behind.waits();
    notify.notify_one();
    behind.done();

    // The lock goes before the leaked waiter, which is never touched again.
    let mutex = Box::new(Mutex::new(()));
    let guard = mutex.try_lock().expect("free");
    let mut leaked = Polled::new(mutex.lock());
    leaked.waits();
    leaked.leak();
    drop(guard);
    drop(mutex);
}

#[test]
fn a_semaphore_refuses_more_permits_than_it_can_hold() {
    const MAX: usize = Semaphore::MAX_PERMITS;
    assert!(catch_unwind(|| Semaphore::new(MAX + 1)).is_err());
    let semaphore = Semaphore::new(MAX);
    for n in [1, MAX, usize::MAX] {
        assert!(catch_unwind(AssertUnwindSafe(|| semaphore.add_permits(n))).is_err());
        assert_eq!(semaphore.available_permits(), MAX);
    }
    // A guard that comes back to a semaphore that is full does not panic.
    let permit = semaphore.try_acquire().expect("there are plenty");
    semaphore.add_permits(1);
    drop(permit);
    assert_eq!(semaphore.available_permits(), MAX);
    drop(semaphore.try_acquire_many(MAX).expect("all of them"));

    // Also with somebody in the queue.
    let semaphore = Semaphore::new(1);
    let mut many = Polled::new(semaphore.acquire_many(2));
    many.waits();
    assert!(catch_unwind(AssertUnwindSafe(|| semaphore.add_permits(MAX))).is_err());
    many.waits();
    semaphore.add_permits(1);
    drop(many.done());
}

#[test]
fn a_group_never_counts_below_zero_nor_too_far() {
    let group = WaitGroup::new();
    assert!(catch_unwind(AssertUnwindSafe(|| group.done())).is_err());
    assert_eq!(group.count(), 0);
    group.add(1);
    assert!(catch_unwind(AssertUnwindSafe(|| group.add(usize::MAX))).is_err());
    assert_eq!(group.count(), 1);
    let mut tracked = Polled::new(group.track(async { panic!("in the task") }));
    assert!(catch_unwind(AssertUnwindSafe(|| tracked.done())).is_err());
    drop(tracked);
    assert_eq!(group.count(), 1);
}

#[test]
fn a_panic_that_makes_a_value_leaves_the_cell_empty() {
    let cell = OnceCell::new();
    let panic = catch_unwind(AssertUnwindSafe(|| {
        cell.get_or_init_blocking(|| panic!("no value"));
    }));
    assert!(panic.is_err());
    assert_eq!(*cell.get_or_init_blocking(|| 1), 1);
}

#[test]
fn values_of_cells_are_dropped_once() {
    let value = Arc::new(());
    let mut cell = OnceCell::from(value.clone());
    drop(cell.take());
    assert_eq!(Arc::strong_count(&value), 1);
    drop(OnceCell::from(value.clone()));
    drop(cell);
    assert_eq!(Arc::strong_count(&value), 1);
}

#[test]
fn locks_and_futures_go_where_their_values_may() {
    fn send_sync<T: Send + Sync>(_: &T) {}
    let mutex = Mutex::new(std::cell::Cell::new(1));
    send_sync(&mutex);
    let lock = RwLock::new(1);
    send_sync(&lock);
    send_sync(&lock.read());
    send_sync(&lock.write());
    send_sync(&lock.try_read());
    send_sync(&Notify::new().notified());
    send_sync(&Semaphore::new(1).acquire());
}

#[test]
fn a_waker_that_panics_keeps_no_value_from_those_who_wait_for_it() {
    let cell = OnceCell::new();
    let mut makes = Polled::new(cell.get_or_init(std::future::pending::<u8>));
    makes.waits();
    let mut bad = Polled::new(cell.wait());
    assert!(bad.poll_with(&Waker::from(Arc::new(Bomb))).is_pending());
    let (woken, waker) = Count::new();
    let mut good = Polled::new(cell.get_or_init(std::future::pending));
    assert!(good.poll_with(&waker).is_pending());
    drop(makes);
    assert_eq!(woken.get(), 1);
    let mut next = Polled::new(cell.wait());
    assert!(next.poll_with(&waker).is_pending());
    drop(good);
    let mut made = Polled::new(cell.get_or_init(|| async { 1 }));
    assert!(catch_unwind(AssertUnwindSafe(|| made.poll().is_ready())).is_err());
    assert_eq!(woken.get(), 2);
    assert_eq!([*bad.done(), *next.done()], [1; 2]);
    assert_eq!(cell.get(), Some(&1));
    drop(made);
}
