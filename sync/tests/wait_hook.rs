//! The hook that hears of waits. It belongs to the process, so this file has one test.

use std::cell::RefCell;
use std::future::Future;
use std::panic::Location;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use gort_sync::{Mutex, RwLock, Semaphore, WaitKind, set_wait_hook};

thread_local! {
    static HEARD: RefCell<Vec<(WaitKind, &'static Location<'static>)>> = const { RefCell::new(Vec::new()) };
}

fn hear(kind: WaitKind, at: &'static Location<'static>) {
    HEARD.with_borrow_mut(|heard| heard.push((kind, at)));
}

/// Polls once, and returns the waits that were told.
fn waits_of(future: impl Future) -> Vec<(WaitKind, u32)> {
    HEARD.take();
    let _ = pin!(future).poll(&mut Context::from_waker(Waker::noop()));
    HEARD
        .take()
        .into_iter()
        .inspect(|(_, at)| assert_eq!(at.file(), file!()))
        .map(|(kind, at)| (kind, at.line()))
        .collect()
}

#[test]
fn the_hook_hears_why_and_where_a_lock_waits_and_nothing_when_it_does_not() {
    let mutex = Arc::new(Mutex::new(()));
    let rwlock = Arc::new(RwLock::new(()));
    let semaphore = Arc::new(Semaphore::new(0));
    assert!(set_wait_hook(hear));
    assert!(!set_wait_hook(hear), "it is set once");

    assert_eq!(waits_of(mutex.lock()), []);
    assert_eq!(waits_of(rwlock.read()), []);

    let _locked = mutex.try_lock().unwrap();
    let _writes = rwlock.try_write().unwrap();
    let (lock, owned) = (mutex.lock(), mutex.clone().lock_owned());
    let line = line!() - 1;
    assert_eq!(waits_of(lock), [(WaitKind::Mutex, line)]);
    assert_eq!(waits_of(owned), [(WaitKind::Mutex, line)]);

    let (read, owned) = (rwlock.read(), rwlock.clone().read_owned());
    let line = line!() - 1;
    assert_eq!(waits_of(read), [(WaitKind::RwLockRead, line)]);
    assert_eq!(waits_of(owned), [(WaitKind::RwLockRead, line)]);

    let (write, owned) = (rwlock.write(), rwlock.clone().write_owned());
    let line = line!() - 1;
    assert_eq!(waits_of(write), [(WaitKind::RwLockWrite, line)]);
    assert_eq!(waits_of(owned), [(WaitKind::RwLockWrite, line)]);

    let (one, many) = (semaphore.acquire(), semaphore.acquire_many(2));
    let line = line!() - 1;
    assert_eq!(waits_of(one), [(WaitKind::Semaphore, line)]);
    assert_eq!(waits_of(many), [(WaitKind::Semaphore, line)]);
    let owned = semaphore.clone().acquire_many_owned(2);
    let line = line!() - 1;
    assert_eq!(waits_of(owned), [(WaitKind::Semaphore, line)]);

    // A future that is polled again tells again: it is about to wait again.
    let mut lock = pin!(mutex.lock());
    HEARD.take();
    for _ in 0..2 {
        let mut cx = Context::from_waker(Waker::noop());
        assert!(matches!(lock.as_mut().poll(&mut cx), Poll::Pending));
    }
    assert_eq!(HEARD.take().len(), 2);
}
