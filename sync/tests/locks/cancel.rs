//! Operations that are dropped at each point where they can be: before the first poll, while they wait, and after they were
//! granted what they waited for and before they looked.

use gort_sync::{Barrier, Cond, Mutex, Notify, OnceCell, RwLock, Semaphore, WaitGroup};

use super::support::{Count, Polled};

/// What borrows nothing passes on as well what it was given.
#[test]
fn a_dropped_owned_waiter_passes_its_notice_on() {
    let notify = std::sync::Arc::new(Notify::new());
    let mut gone = Polled::new(notify.clone().notified_owned());
    let mut stays = Polled::new(notify.clone().notified_owned());
    gone.waits();
    stays.waits();
    notify.notify_one();
    drop(gone);
    stays.done();
    drop(stays);
    let mut early = Box::pin(notify.clone().notified_owned());
    assert!(!early.as_mut().enable());
    let late = Polled::new(notify.clone().notified_owned());
    notify.notify_waiters();
    assert!(early.as_mut().enable());
    let mut late = late;
    late.done();
    drop((early, late));
    assert_eq!(std::sync::Arc::strong_count(&notify), 1);
    Polled::new(notify.notified()).waits();
}

#[test]
fn a_cancelled_lock_leaves_the_mutex_to_others() {
    let mutex = Mutex::new(());
    drop(Polled::new(mutex.lock()));

    let guard = mutex.try_lock().expect("free");
    let mut gone = Polled::new(mutex.lock());
    let mut stays = Polled::new(mutex.lock());
    gone.waits();
    stays.waits();
    drop(gone);
    drop(guard);
    drop(stays.done());

    // Notified, not come.
    let guard = mutex.try_lock().expect("free");
    let mut gone = Polled::new(mutex.lock());
    let mut stays = Polled::new(mutex.lock());
    let (woken, waker) = Count::new();
    gone.waits();
    assert!(stays.poll_with(&waker).is_pending());
    drop(guard);
    assert_eq!(woken.get(), 0);
    drop(gone);
    assert_eq!(woken.get(), 1, "the notice goes to the next");
    drop(stays.done());
    assert!(!mutex.is_locked());
}

#[test]
fn a_lock_that_was_handed_to_a_cancelled_waiter_goes_on() {
    let mutex = Mutex::new(());
    let mut guard = mutex.try_lock().ok();
    let mut starved = Polled::new(mutex.lock());
    let (woken, waker) = Count::new();
    let mut behind = Polled::new(mutex.lock());
    starved.waits();
    assert!(behind.poll_with(&waker).is_pending());
    while guard.take().is_some() {
        guard = mutex.try_lock().ok();
        if guard.is_some() {
            starved.waits();
        }
    }
    assert!(mutex.is_locked());
    drop(starved);
    assert_eq!(woken.get(), 1);
    drop(behind.done());
    assert!(mutex.try_lock().is_ok());
}

#[test]
fn a_starving_waiter_that_is_cancelled_starves_nobody() {
    let mutex = Mutex::new(());
    let mut guard = mutex.try_lock().expect("free");
    let mut starved = Polled::new(mutex.lock());
    starved.waits();
    for _ in 0..2 {
        drop(guard);
        guard = mutex.try_lock().expect("free");
        starved.waits();
    }
    drop(guard);
    guard = mutex.try_lock().expect("free");
    // Its patience is over, and it goes.
    starved.waits();
    drop(starved);
    drop(guard);
    assert!(mutex.try_lock().is_ok());
}

#[test]
fn a_cancelled_writer_lets_the_readers_behind_it_in() {
    let lock = RwLock::new(());
    let reader = lock.try_read().expect("free");
    let mut writer = Polled::new(lock.write());
    let mut behind = Polled::new(lock.read());
    writer.waits();
    behind.waits();
    drop(writer);
    drop(behind.done());
    drop(reader);

    // Granted, not come.
    let guard = lock.try_write().expect("free");
    let mut writer = Polled::new(lock.write());
    let mut reader = Polled::new(lock.read());
    writer.waits();
    reader.waits();
    drop(guard);
    drop(writer);
    drop(reader.done());
    let guard = lock.try_write().expect("free");
    let mut reader = Polled::new(lock.read());
    reader.waits();
    drop(guard);
    drop(reader);
    assert!(lock.try_write().is_ok());
}

#[test]
fn permits_of_a_cancelled_waiter_go_to_the_next() {
    let semaphore = Semaphore::new(0);
    let mut gone = Polled::new(semaphore.acquire_many(2));
    let mut stays = Polled::new(semaphore.acquire());
    gone.waits();
    stays.waits();
    semaphore.add_permits(1);
    stays.waits();
    drop(gone);
    stays.done().expect("open").forget();

    // Granted, not come.
    let mut gone = Polled::new(semaphore.acquire_many(2));
    let mut stays = Polled::new(semaphore.acquire());
    gone.waits();
    stays.waits();
    semaphore.add_permits(2);
    drop(gone);
    drop(stays.done());
    assert_eq!(semaphore.available_permits(), 2);

    // Closed, not come.
    let mut gone = Polled::new(semaphore.acquire_many(3));
    gone.waits();
    semaphore.close();
    drop(gone);
    assert_eq!(semaphore.available_permits(), 2);
}

#[test]
fn the_notice_of_a_cancelled_waiter_goes_to_the_next() {
    let notify = Notify::new();
    let mut gone = Polled::new(notify.notified());
    let mut stays = Polled::new(notify.notified());
    gone.waits();
    stays.waits();
    notify.notify_one();
    drop(gone);
    stays.done();

    let mut gone = Polled::new(notify.notified());
    gone.waits();
    notify.notify_one();
    drop(gone);
    // Nobody waits: it is kept.
    Polled::new(notify.notified()).done();

    let mut gone = Polled::new(notify.notified());
    gone.waits();
    notify.notify_waiters();
    drop(gone);
    // That of a broadcast is not.
    Polled::new(notify.notified()).waits();
}

#[test]
fn a_cancelled_wait_for_a_condition_keeps_neither_lock_nor_notice() {
    let (mutex, cond) = (Mutex::new(()), Cond::new());
    let lock = || mutex.try_lock().expect("free");
    drop(Polled::new(cond.wait(lock())));

    let mut gone = Polled::new(cond.wait(lock()));
    gone.waits();
    let mut stays = Polled::new(cond.wait(lock()));
    stays.waits();
    cond.notify_one();
    drop(gone);
    drop(stays.done());

    // With the notice, waiting for the lock.
    let mut gone = Polled::new(cond.wait(lock()));
    gone.waits();
    let mut stays = Polled::new(cond.wait(lock()));
    stays.waits();
    cond.notify_one();
    let guard = lock();
    gone.waits();
    drop(gone);
    drop(guard);
    drop(stays.done());
    drop(lock());
}

#[test]
fn who_leaves_a_barrier_has_not_come() {
    let barrier = Barrier::new(2);
    let mut gone = Polled::new(barrier.wait());
    gone.waits();
    drop(gone);
    let mut first = Polled::new(barrier.wait());
    first.waits();
    assert!(Polled::new(barrier.wait()).done().is_leader());
    // Let through, not come: no matter.
    drop(first);
    Polled::new(barrier.wait()).waits();
}

#[test]
fn who_is_cancelled_while_it_makes_a_value_leaves_it_to_the_next() {
    let cell = OnceCell::new();
    let mut gone = Polled::new(cell.get_or_init(std::future::pending));
    let mut stays = Polled::new(cell.get_or_init(|| async { 1 }));
    gone.waits();
    stays.waits();
    drop(gone);
    assert_eq!(*stays.done(), 1);
}

#[test]
fn a_cancelled_wait_for_a_group_leaves_the_others_waiting() {
    let group = WaitGroup::new();
    group.add(1);
    let mut gone = Polled::new(group.wait());
    let mut stays = Polled::new(group.wait());
    gone.waits();
    stays.waits();
    drop(gone);
    group.done();
    stays.done();
    group.add(1);
    let mut gone = Polled::new(group.wait());
    gone.waits();
    drop(gone);
    group.done();
    assert_eq!(group.count(), 0);
}
