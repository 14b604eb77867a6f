//! What each lock promises, one step at a time.

use std::sync::Arc;
use std::task::Poll;

use gort_sync::{
    Barrier, Closed, Cond, Lazy, Mutex, MutexGuard, Notify, Once, OnceCell, OwnedMutexGuard,
    RwLock, RwLockReadGuard, RwLockWriteGuard, Semaphore, SetError, TryAcquireError, TryLockError,
    WaitGroup,
};

use super::support::{Count, Polled};

#[test]
fn a_newcomer_passes_a_waiter_that_is_on_its_way() {
    let mutex = Mutex::new(());
    let guard = mutex.try_lock().expect("free");
    let mut waiter = Polled::new(mutex.lock());
    waiter.waits();
    drop(guard);
    let newcomer = mutex.try_lock().expect("the waiter has not come yet");
    waiter.waits();
    drop(newcomer);
    drop(waiter.done());
    assert!(!mutex.is_locked());
}

#[test]
fn a_waiter_that_came_often_in_vain_is_not_passed_again() {
    let mutex = Mutex::new(());
    let mut guard = Some(mutex.try_lock().expect("free"));
    let mut waiter = Polled::new(mutex.lock());
    let mut behind = Polled::new(mutex.lock());
    waiter.waits();
    behind.waits();
    let mut passed = 0;
    while let Some(held) = guard.take() {
        drop(held);
        guard = mutex.try_lock().ok();
        if guard.is_some() {
            passed += 1;
            assert!(passed < 100, "the waiter starves");
            waiter.waits();
        }
    }
    // The lock was handed over: it is the waiter's already.
    assert!(mutex.is_locked());
    behind.waits();
    drop(waiter.done());
    drop(behind.done());
    assert!(!mutex.is_locked());
}

#[test]
fn one_unlock_wakes_one_waiter() {
    let mutex = Mutex::new(());
    let guard = mutex.try_lock().expect("free");
    let (first, first_waker) = Count::new();
    let (second, second_waker) = Count::new();
    let mut a = Polled::new(mutex.lock());
    let mut b = Polled::new(mutex.lock());
    assert!(a.poll_with(&first_waker).is_pending());
    assert!(b.poll_with(&second_waker).is_pending());
    drop(guard);
    // The first is on its way: who passes need not wake anybody.
    drop(mutex.try_lock().expect("free"));
    assert_eq!((first.get(), second.get()), (1, 0));
    drop(a.done());
    assert_eq!((first.get(), second.get()), (1, 1));
    drop(b.done());
}

#[test]
fn the_last_waker_is_the_one_that_is_woken() {
    let mutex = Mutex::new(());
    let guard = mutex.try_lock().expect("free");
    let (old, old_waker) = Count::new();
    let (new, new_waker) = Count::new();
    let mut waiter = Polled::new(mutex.lock());
    assert!(waiter.poll_with(&old_waker).is_pending());
    assert!(waiter.poll_with(&new_waker).is_pending());
    drop(guard);
    assert_eq!((old.get(), new.get()), (0, 1));
}

#[test]
fn guards_of_a_mutex_narrow_and_own() {
    let mutex = Arc::new(Mutex::new((1, vec![2])));
    let mut list = MutexGuard::map(mutex.try_lock().expect("free"), |pair| &mut pair.1);
    list.push(3);
    assert_eq!(mutex.try_lock().err(), Some(TryLockError));
    drop(list);
    let none = MutexGuard::try_map(mutex.try_lock().expect("free"), |pair| pair.1.get_mut(9));
    drop(none.map(drop).expect_err("there is no tenth"));
    let owned = mutex.clone().try_lock_owned().expect("free");
    assert_eq!(owned.1, [2, 3]);
    assert!(mutex.clone().try_lock_owned().is_err());
    let mut list = OwnedMutexGuard::map(owned, |pair| &mut pair.1);
    list.push(4);
    let list = std::thread::spawn(move || list).join().expect("it moves");
    assert!(mutex.is_locked());
    assert_eq!(format!("{list:?}"), "[2, 3, 4]");
    drop(list);
    let owned = mutex.clone().try_lock_owned().expect("free");
    let owned = OwnedMutexGuard::try_map(owned, |pair| pair.1.get_mut(9));
    let owned = owned.map(drop).expect_err("there is no tenth");
    let third = OwnedMutexGuard::try_map(owned, |pair| pair.1.pop().map(|_| &mut pair.1[1]));
    assert_eq!(*third.expect("there is a second"), 3);
    assert_eq!(mutex.lock_blocking().0, 1);
    assert_eq!(format!("{mutex:?}"), "Mutex { value: (1, [2, 3]) }");
}

#[test]
fn a_mutex_holds_what_has_no_size() {
    let mutex: Arc<Mutex<[u8]>> = Arc::new(Mutex::new([1, 2, 3]));
    mutex.try_lock().expect("free")[0] = 9;
    assert_eq!(mutex.clone().try_lock_owned().expect("free")[..], [9, 2, 3]);
}

#[test]
fn a_waiting_writer_keeps_later_readers_behind_it() {
    let lock = RwLock::new(0);
    let reader = lock.try_read().expect("free");
    let mut writer = Polled::new(lock.write());
    writer.waits();
    assert!(lock.try_read().is_err());
    let mut later = [Polled::new(lock.read()), Polled::new(lock.read())];
    later.iter_mut().for_each(Polled::waits);
    drop(reader);
    let mut guard = writer.done();
    later.iter_mut().for_each(Polled::waits);
    *guard = 1;
    drop(guard);
    // They stood together, so they go together.
    let guards = later.each_mut().map(Polled::done);
    assert_eq!(guards.map(|guard| *guard), [1, 1]);
    assert!(lock.try_write().is_ok());
}

#[test]
fn a_writer_becomes_a_reader_without_letting_a_writer_in() {
    let lock = Arc::new(RwLock::new(1));
    let mut writer = Polled::new(lock.write());
    let guard = RwLockWriteGuard::downgrade(lock.try_write().expect("free"));
    writer.waits();
    assert_eq!(*guard, 1);
    drop(guard);
    drop(writer.done());
    let owned = futures_lite::future::block_on(lock.clone().write_owned());
    let read = gort_sync::OwnedRwLockWriteGuard::downgrade(owned);
    assert!(lock.try_write().is_err());
    assert_eq!(*lock.try_read().expect("shared"), *read);
    drop(read);
    assert!(lock.try_write().is_ok());
}

#[test]
fn guards_of_an_rwlock_narrow() {
    let lock = RwLock::new((1, 2));
    let mut second = RwLockWriteGuard::map(lock.write_blocking(), |pair| &mut pair.1);
    *second = 3;
    drop(second);
    let second = RwLockReadGuard::map(lock.read_blocking(), |pair| &pair.1);
    assert_eq!(*second, 3);
    assert!(lock.try_write().is_err());
    drop(second);
    assert!(lock.try_write().is_ok());
}

#[test]
fn who_wants_many_is_not_passed_by_who_wants_few() {
    let semaphore = Semaphore::new(2);
    let one = semaphore.try_acquire().expect("free");
    let mut many = Polled::new(semaphore.acquire_many(2));
    many.waits();
    assert_eq!(
        semaphore.try_acquire().err(),
        Some(TryAcquireError::NoPermits)
    );
    let mut few = Polled::new(semaphore.acquire());
    few.waits();
    drop(one);
    few.waits();
    let both = many.done().expect("open");
    assert_eq!(both.num_permits(), 2);
    drop(both);
    drop(few.done());
    assert_eq!(semaphore.available_permits(), 2);
}

#[test]
fn permits_split_merge_and_are_forgotten() {
    let semaphore = Semaphore::new(3);
    let mut three = semaphore.try_acquire_many(3).expect("free");
    let one = three.split(1).expect("there are three");
    assert!(three.split(3).is_none());
    assert_eq!((three.num_permits(), one.num_permits()), (2, 1));
    three.merge(one);
    assert_eq!(three.num_permits(), 3);
    three.forget();
    assert_eq!(semaphore.available_permits(), 0);
    semaphore.add_permits(2);
    assert_eq!(semaphore.forget_permits(5), 2);
    assert_eq!(semaphore.available_permits(), 0);
}

#[test]
fn owned_permits_split_and_merge() {
    let semaphore = Arc::new(Semaphore::new(3));
    let mut three = semaphore.clone().try_acquire_many_owned(3).expect("free");
    let none = semaphore.clone().try_acquire_owned();
    assert_eq!(none.err(), Some(TryAcquireError::NoPermits));
    let one = three.split(1).expect("there are three");
    assert!(three.split(3).is_none());
    drop(one);
    assert_eq!(semaphore.available_permits(), 1);
    let again = semaphore.clone().try_acquire_owned().expect("given back");
    three.merge(again);
    assert_eq!((three.num_permits(), semaphore.available_permits()), (3, 0));
    let other = Arc::new(Semaphore::new(1));
    let foreign = other.clone().try_acquire_owned().expect("free");
    let merge = std::panic::AssertUnwindSafe(|| three.merge(foreign));
    assert!(std::panic::catch_unwind(merge).is_err());
    assert_eq!(other.available_permits(), 1);
    drop(three);
    assert_eq!(semaphore.available_permits(), 3);
}

#[test]
fn a_closed_semaphore_refuses_all() {
    let semaphore = Arc::new(Semaphore::new(1));
    let permit = semaphore.clone().try_acquire_many_owned(1).expect("free");
    let mut waiter = Polled::new(semaphore.clone().acquire_owned());
    waiter.waits();
    semaphore.close();
    semaphore.close();
    assert_eq!(waiter.done().err(), Some(Closed));
    drop(permit);
    assert!(semaphore.is_closed());
    assert_eq!(semaphore.try_acquire().err(), Some(TryAcquireError::Closed));
    assert_eq!(semaphore.acquire_blocking().err(), Some(Closed));
}

#[test]
fn nobody_waits_for_no_permits() {
    let semaphore = Semaphore::new(0);
    let none = Polled::new(semaphore.acquire_many(0)).done().expect("open");
    assert_eq!(none.num_permits(), 0);
}

#[test]
fn a_notice_is_kept_for_the_next_but_only_one() {
    let notify = Notify::new();
    notify.notify_one();
    notify.notify_one();
    Polled::new(notify.notified()).done();
    Polled::new(notify.notified()).waits();
}

#[test]
fn notices_go_to_those_who_wait_in_order() {
    let notify = Notify::new();
    let mut waiters = [(); 3].map(|()| Polled::new(notify.notified()));
    waiters.iter_mut().for_each(Polled::waits);
    notify.notify_one();
    waiters[1].waits();
    waiters[2].waits();
    waiters[0].done();
    notify.notify_waiters();
    waiters[1].done();
    waiters[2].done();
    // A finished one stays finished, and nothing is kept.
    waiters[1].done();
    Polled::new(notify.notified()).waits();
}

#[test]
fn a_broadcast_counts_from_the_call_and_not_from_the_poll() {
    let notify = Notify::new();
    let mut before = Polled::new(notify.notified());
    notify.notify_waiters();
    before.done();
    let mut enabled = Box::pin(notify.notified());
    assert!(!enabled.as_mut().enable());
    notify.notify_one();
    assert!(enabled.as_mut().enable());
}

#[test]
fn more_waiters_than_a_batch_are_all_woken() {
    let notify = Notify::new();
    let mut waiters: Vec<_> = (0..100).map(|_| Polled::new(notify.notified())).collect();
    waiters.iter_mut().for_each(Polled::waits);
    notify.notify_waiters();
    waiters.iter_mut().for_each(Polled::done);

    let semaphore = Semaphore::new(0);
    let mut waiters: Vec<_> = (0..100).map(|_| Polled::new(semaphore.acquire())).collect();
    waiters.iter_mut().for_each(Polled::waits);
    semaphore.add_permits(100);
    for waiter in &mut waiters {
        waiter.done().expect("open").forget();
    }

    let barrier = Barrier::new(101);
    let mut waiters: Vec<_> = (0..100).map(|_| Polled::new(barrier.wait())).collect();
    waiters.iter_mut().for_each(Polled::waits);
    assert!(Polled::new(barrier.wait()).done().is_leader());
    assert!(waiters.iter_mut().all(|waiter| !waiter.done().is_leader()));
}

#[test]
fn a_condition_waits_without_the_lock_and_returns_with_it() {
    let (mutex, cond) = (Mutex::new(0), Cond::new());
    // Nobody waits: nothing is kept.
    cond.notify_one();
    let mut waiters = [(); 2].map(|()| {
        let mut waiter = Polled::new(cond.wait(mutex.try_lock().expect("free")));
        assert!(waiter.poll().is_pending());
        waiter
    });
    *mutex.try_lock().expect("free") = 1;
    cond.notify_all();
    let guard = waiters[0].done();
    waiters[1].waits();
    assert_eq!(*guard, 1);
    drop(guard);
    drop(waiters[1].done());
    assert!(!mutex.is_locked());
}

#[test]
fn nobody_waits_at_a_barrier_for_one() {
    for n in [0, 1] {
        assert!(Polled::new(Barrier::new(n).wait()).done().is_leader());
    }
    assert!(Barrier::new(1).wait_blocking().is_leader());
}

#[test]
fn a_cell_is_set_once_and_gives_a_second_value_back() {
    let mut cell = OnceCell::new();
    assert_eq!(cell.get(), None);
    assert_eq!(cell.set("a".to_string()), Ok(()));
    assert_eq!(cell.set("b".to_string()), Err(SetError("b".to_string())));
    assert_eq!(cell.get_or_init_blocking(String::new), "a");
    cell.get_mut().expect("set").push('!');
    assert_eq!(cell.take().as_deref(), Some("a!"));
    assert_eq!(cell.into_inner(), None);
    assert_eq!(OnceCell::from(1).into_inner(), Some(1));
}

#[test]
fn who_fails_to_make_a_value_lets_the_next_try() {
    let cell = OnceCell::new();
    let failed = Polled::new(cell.get_or_try_init(|| async { Err::<u8, _>("no") })).done();
    assert_eq!(failed, Err("no"));
    let made = Polled::new(cell.get_or_try_init(|| async { Ok::<_, ()>(7) })).done();
    assert_eq!(made, Ok(&7));

    let once = Once::new();
    let mut first = Polled::new(once.call(std::future::pending));
    first.waits();
    let mut second = Polled::new(once.call(|| async {}));
    second.waits();
    drop(first);
    second.done();
    assert!(once.is_done());
    once.call_blocking(|| panic!("it is done"));
}

#[test]
fn a_lazy_value_is_made_when_it_is_asked_for() {
    let lazy = Lazy::new(|| async { vec![1] });
    assert!(lazy.get_if_made().is_none());
    assert!(matches!(Polled::new(lazy.get()).poll(), Poll::Ready(list) if *list == [1]));
    assert!(lazy.get_if_made().is_some());
}

#[test]
fn a_group_is_waited_for_until_none_is_left() {
    let group = WaitGroup::new();
    Polled::new(group.wait()).done();
    group.add(2);
    let mut waiters: Vec<_> = (0..100).map(|_| Polled::new(group.wait())).collect();
    waiters.iter_mut().for_each(Polled::waits);
    group.done();
    waiters.iter_mut().for_each(Polled::waits);
    group.done();
    // Used again: those who waited for the first time are through.
    group.add(1);
    waiters.iter_mut().for_each(Polled::done);
    Polled::new(group.wait()).waits();
    group.done();
    group.wait_blocking();
}

#[test]
fn a_tracked_future_counts_until_it_ends_in_whatever_way() {
    let group = WaitGroup::new();
    drop(group.track(async {}));
    assert_eq!(group.count(), 0);
    let mut returns = Polled::new(group.track(async { 1 }));
    let mut waits = Polled::new(group.track(std::future::pending::<()>()));
    assert_eq!(group.count(), 2);
    assert_eq!(returns.done(), 1);
    assert_eq!(group.count(), 1);
    waits.waits();
    drop(waits);
    assert_eq!(group.count(), 0);
    drop(returns);
    assert_eq!(group.count(), 0);
}

#[test]
fn who_waits_for_a_value_makes_none() {
    let cell = OnceCell::new();
    let mut waits = Polled::new(cell.wait());
    waits.waits();
    let mut gone = Polled::new(cell.wait());
    gone.waits();
    drop(gone);
    let mut fails = Polled::new(cell.get_or_try_init(|| async { Err::<u8, ()>(()) }));
    assert_eq!(fails.done(), Err(()));
    waits.waits();
    cell.set(1).expect("it is empty");
    assert_eq!(*waits.done(), 1);
    assert_eq!(*Polled::new(cell.wait()).done(), 1);
    assert_eq!(*cell.wait_blocking(), 1);
}
