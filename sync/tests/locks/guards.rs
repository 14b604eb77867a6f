//! Guards of a part of a value.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gort_sync::{
    MappedMutexGuard, Mutex, MutexGuard, OwnedMappedMutexGuard, OwnedMutexGuard,
    OwnedRwLockMappedWriteGuard, OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock,
    RwLockMappedWriteGuard, RwLockReadGuard, RwLockWriteGuard,
};

use super::support::Polled;

type Pair = (u8, Vec<u8>);

fn mutex() -> Arc<Mutex<Pair>> {
    Arc::new(Mutex::new((1, vec![2, 3])))
}

fn lock() -> Arc<RwLock<Pair>> {
    Arc::new(RwLock::new((1, vec![2, 3])))
}

#[test]
fn an_owned_read_guard_of_a_part_keeps_one_permit() {
    let lock = lock();
    let whole = lock.clone().try_read_owned().expect("free");
    let list = OwnedRwLockReadGuard::map(whole, |pair| &pair.1);
    let none = OwnedRwLockReadGuard::try_map(list, |list| list.get(9));
    let list = none.map(drop).expect_err("there is no tenth");
    let last = OwnedRwLockReadGuard::try_map(list, |list| list.last()).expect("there is one");
    assert_eq!(*last, 3);
    assert!(Arc::ptr_eq(OwnedRwLockReadGuard::source(&last), &lock));
    assert!(lock.clone().try_write_owned().is_err());
    assert_eq!(*lock.try_read().expect("readers share"), (1, vec![2, 3]));
    let mut writer = Polled::new(lock.write());
    writer.waits();
    drop(last);
    drop(writer.done());
    drop(writer);
    assert_eq!(Arc::strong_count(&lock), 1);
}

#[test]
fn an_owned_write_guard_of_a_part_keeps_all_permits() {
    let lock = lock();
    let whole = lock.clone().try_write_owned().expect("free");
    let none = OwnedRwLockWriteGuard::try_map(whole, |pair| pair.1.get_mut(9));
    let whole = none.map(drop).expect_err("there is no tenth");
    let list = OwnedRwLockWriteGuard::try_map(whole, |pair| Some(&mut pair.1)).expect("there");
    let none = OwnedRwLockMappedWriteGuard::try_map(list, |list| list.get_mut(9));
    let list = none.map(drop).expect_err("there is no tenth");
    let slice = OwnedRwLockMappedWriteGuard::map(list, |list| &mut list[..]);
    let mut first = OwnedRwLockMappedWriteGuard::try_map(slice, |list| list.first_mut()).unwrap();
    *first = 7;
    assert!(Arc::ptr_eq(
        OwnedRwLockMappedWriteGuard::source(&first),
        &lock
    ));
    assert!(lock.clone().try_read_owned().is_err());
    drop(first);
    let whole = lock.clone().try_write_owned().expect("free again");
    assert!(Arc::ptr_eq(OwnedRwLockWriteGuard::source(&whole), &lock));
    drop(whole);
    assert_eq!(*lock.try_read().expect("free"), (1, vec![7, 3]));
    assert_eq!(Arc::strong_count(&lock), 1);
}

#[test]
fn borrowed_guards_of_a_part_narrow_further() {
    let lock = lock();
    let read = RwLockReadGuard::try_map(lock.read_blocking(), |pair| pair.1.get(9));
    let read = read.map(drop).expect_err("there is no tenth");
    let read = RwLockReadGuard::try_map(read, |pair| pair.1.get(1)).expect("there is one");
    assert_eq!(*read, 3);
    drop(read);
    let write = RwLockWriteGuard::try_map(lock.write_blocking(), |pair| pair.1.get_mut(9));
    let write = write.map(drop).expect_err("there is no tenth");
    let list = RwLockWriteGuard::map(write, |pair| &mut pair.1);
    let none = RwLockMappedWriteGuard::try_map(list, |list| list.get_mut(9));
    let list = none.map(drop).expect_err("there is no tenth");
    let list = RwLockMappedWriteGuard::map(list, |list| &mut list[..]);
    *RwLockMappedWriteGuard::try_map(list, |list| list.first_mut()).unwrap() = 7;
    assert_eq!(*lock.try_write().expect("free"), (1, vec![7, 3]));

    let mutex = mutex();
    let list = MutexGuard::map(mutex.lock_blocking(), |pair| &mut pair.1);
    let none = MappedMutexGuard::try_map(list, |list| list.get_mut(9));
    let list = none.map(drop).expect_err("there is no tenth");
    let list = MappedMutexGuard::map(list, |list| &mut list[..]);
    *MappedMutexGuard::try_map(list, |list| list.first_mut()).unwrap() = 7;
    assert_eq!(*mutex.try_lock().expect("free"), (1, vec![7, 3]));

    let owned = mutex.clone().try_lock_owned().expect("free");
    let list = OwnedMutexGuard::map(owned, |pair| &mut pair.1);
    let none = OwnedMappedMutexGuard::try_map(list, |list| list.get_mut(9));
    let list = none.map(drop).expect_err("there is no tenth");
    let list = OwnedMappedMutexGuard::map(list, |list| &mut list[..]);
    let mut first = OwnedMappedMutexGuard::try_map(list, |list| list.first_mut()).unwrap();
    *first = 8;
    assert!(Arc::ptr_eq(OwnedMappedMutexGuard::source(&first), &mutex));
    drop(first);
    assert_eq!(*mutex.try_lock().expect("free"), (1, vec![8, 3]));
    assert_eq!(Arc::strong_count(&mutex), 1);
}

#[test]
fn a_function_that_panics_while_it_narrows_unlocks() {
    fn panics(f: impl FnOnce()) {
        assert!(catch_unwind(AssertUnwindSafe(f)).is_err());
    }
    let (lock, mutex) = (lock(), mutex());
    let read = || lock.clone().try_read_owned().expect("free");
    let write = || lock.clone().try_write_owned().expect("free");
    let list = || OwnedRwLockWriteGuard::map(write(), |pair| &mut pair.1);
    panics(|| drop(OwnedRwLockReadGuard::map(read(), |_| -> &u8 { panic!() })));
    panics(|| {
        drop(OwnedRwLockReadGuard::try_map(read(), |_| -> Option<&u8> {
            panic!()
        }))
    });
    panics(|| {
        drop(OwnedRwLockWriteGuard::map(write(), |_| -> &mut u8 {
            panic!()
        }))
    });
    panics(|| {
        drop(OwnedRwLockWriteGuard::try_map(
            write(),
            |_| -> Option<&mut u8> { panic!() },
        ))
    });
    panics(|| {
        drop(OwnedRwLockMappedWriteGuard::map(list(), |_| -> &mut u8 {
            panic!()
        }))
    });
    panics(|| {
        drop(RwLockReadGuard::map(lock.read_blocking(), |_| -> &u8 {
            panic!()
        }))
    });
    panics(|| {
        drop(RwLockWriteGuard::map(
            lock.write_blocking(),
            |_| -> &mut u8 { panic!() },
        ))
    });
    panics(|| {
        drop(MutexGuard::map(mutex.lock_blocking(), |_| -> &mut u8 {
            panic!()
        }))
    });
    let owned = mutex.clone().try_lock_owned().expect("free");
    panics(|| drop(OwnedMutexGuard::map(owned, |_| -> &mut u8 { panic!() })));
    assert!(lock.try_write().is_ok());
    assert!(mutex.try_lock().is_ok());
    assert_eq!(
        (Arc::strong_count(&lock), Arc::strong_count(&mutex)),
        (1, 1)
    );
}

#[test]
fn the_value_lives_as_long_as_an_owned_guard_of_a_part() {
    struct Counts<'a>(&'a AtomicUsize, u8);
    impl Drop for Counts<'_> {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let drops = AtomicUsize::new(0);
    let lock = Arc::new(RwLock::new(Counts(&drops, 5)));
    let read = OwnedRwLockReadGuard::map(lock.try_read_owned().expect("free"), |all| &all.1);
    assert_eq!((*read, drops.load(Ordering::Relaxed)), (5, 0));
    drop(read);
    assert_eq!(drops.load(Ordering::Relaxed), 1);
    let lock = Arc::new(RwLock::new(Counts(&drops, 5)));
    let whole = lock.try_write_owned().expect("free");
    let mut write = OwnedRwLockWriteGuard::map(whole, |all| &mut all.1);
    *write += 1;
    assert_eq!((*write, drops.load(Ordering::Relaxed)), (6, 1));
    drop(write);
    assert_eq!(drops.load(Ordering::Relaxed), 2);
}

#[test]
fn guards_may_go_where_their_values_may() {
    fn send_sync<T: Send + Sync>(_: T) {}
    fn send<T: Send>(_: T) {}
    let lock = lock();
    send_sync(OwnedRwLockReadGuard::map(
        lock.clone().try_read_owned().expect("free"),
        |pair| &pair.0,
    ));
    send_sync(OwnedRwLockWriteGuard::map(
        lock.try_write_owned().expect("free"),
        |pair| &mut pair.0,
    ));
    // The part alone is shared with other threads, so the whole need not be.
    let mutex = Arc::new(Mutex::new(std::cell::Cell::new(1)));
    let whole = mutex.clone().try_lock_owned().expect("free");
    send_sync(OwnedMutexGuard::map(whole, std::cell::Cell::get_mut));
    send(OwnedMutexGuard::map(
        mutex.try_lock_owned().expect("free"),
        |all| all,
    ));
}
