//! The hook that hears of waits. It belongs to the process, so this file has one test.

use std::cell::RefCell;
use std::future::{Future, pending};
use std::panic::Location;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use futures_lite::StreamExt;
use gort_sync::singleflight::Group;
use gort_sync::{
    Barrier, Cond, Context as Deadline, Latch, Lazy, Mutex, Notify, Once, OnceCell,
    OwnedRwLockUpgradableReadGuard, RwLock, RwLockUpgradableReadGuard, Semaphore, WaitGroup,
    WaitKind, broadcast, chan, channel, oneshot, set_wait_hook, watch,
};

thread_local! {
    static HEARD: RefCell<Vec<(WaitKind, &'static Location<'static>)>> = const { RefCell::new(Vec::new()) };
}

fn hear(kind: WaitKind, at: &'static Location<'static>) {
    HEARD.with_borrow_mut(|heard| heard.push((kind, at)));
}

/// Polls once, and returns the waits that were told.
fn heard_of(future: impl Future) -> Vec<(WaitKind, &'static Location<'static>)> {
    HEARD.take();
    let _ = pin!(future).poll(&mut Context::from_waker(Waker::noop()));
    HEARD.take()
}

/// The lines of this file that the waits are about.
fn waits_of(future: impl Future) -> Vec<(WaitKind, u32)> {
    heard_of(future)
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
    let writes = rwlock.try_write().unwrap();
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

    drop(writes);
    upgradable_reads_tell_too(&rwlock);

    let (one, many) = (semaphore.acquire(), semaphore.acquire_many(2));
    let line = line!() - 1;
    assert_eq!(waits_of(one), [(WaitKind::Semaphore, line)]);
    assert_eq!(waits_of(many), [(WaitKind::Semaphore, line)]);
    let owned = semaphore.clone().acquire_many_owned(2);
    let line = line!() - 1;
    assert_eq!(waits_of(owned), [(WaitKind::Semaphore, line)]);

    the_rest_tells_too();

    // A future that is polled again tells again: it is about to wait again.
    let mut lock = pin!(mutex.lock());
    HEARD.take();
    for _ in 0..2 {
        let mut cx = Context::from_waker(Waker::noop());
        assert!(matches!(lock.as_mut().poll(&mut cx), Poll::Pending));
    }
    assert_eq!(HEARD.take().len(), 2);
}

/// Asserts what the last word of a wait is, and that it is about this line of the caller.
#[track_caller]
fn waits(kind: WaitKind, line: u32, future: impl Future) {
    let heard = heard_of(future);
    let &(heard, at) = heard.last().expect("it waits");
    assert_eq!((heard, at.file(), at.line()), (kind, file!(), line));
}

fn the_rest_tells_too() {
    let (notify, barrier, latch) = (Notify::new(), Barrier::new(2), Latch::new());
    waits(WaitKind::Notify, line!(), notify.notified());
    waits(WaitKind::Barrier, line!(), barrier.wait());
    waits(WaitKind::Latch, line!(), latch.wait());
    let mut enabled = pin!(notify.notified());
    HEARD.take();
    assert!(!enabled.as_mut().enable());
    assert_eq!(HEARD.take(), [], "it does not wait yet");

    let (mutex, cond, group) = (Mutex::new(0), Cond::new(), WaitGroup::new());
    let guard = || mutex.try_lock().expect("free");
    waits(WaitKind::Cond, line!(), cond.wait(guard()));
    waits(WaitKind::Cond, line!(), cond.wait_while(guard(), |_| true));
    let mut relocks = pin!(cond.wait(guard()));
    let line = line!() - 1;
    let _ = waits_of(relocks.as_mut());
    cond.notify_one();
    let locked = guard();
    waits(WaitKind::Mutex, line, relocks.as_mut());
    drop(locked);
    group.add(1);
    waits(WaitKind::WaitGroup, line!(), group.wait());

    let (cell, once) = (OnceCell::new(), Once::new());
    let lazy = Lazy::new(pending::<()>);
    let mut makers = (
        pin!(cell.get_or_init(pending::<()>)),
        pin!(once.call(pending)),
        pin!(lazy.get()),
    );
    assert_eq!(
        waits_of(makers.0.as_mut()),
        [],
        "who makes it waits for something else"
    );
    assert_eq!(waits_of(makers.1.as_mut()), []);
    assert_eq!(waits_of(makers.2.as_mut()), []);
    waits(WaitKind::Once, line!(), cell.get_or_init(|| async {}));
    let made = || async { Ok::<_, ()>(()) };
    waits(WaitKind::Once, line!(), cell.get_or_try_init(made));
    waits(WaitKind::Once, line!(), once.call(|| async {}));
    waits(WaitKind::Once, line!(), lazy.get());
    waits(WaitKind::Once, line!(), cell.wait());

    let (ctx, _cancel) = Deadline::background().with_cancel();
    waits(WaitKind::Context, line!(), ctx.done());
    waits(WaitKind::Context, line!(), ctx.run(pending::<()>()));
    the_ends_of_channels_tell_too();

    let calls = Group::new();
    let mut leads = pin!(calls.work(1, pending::<()>()));
    assert_eq!(waits_of(leads.as_mut()), []);
    waits(WaitKind::Singleflight, line!(), calls.work(1, async {}));
}

fn upgradable_reads_tell_too(lock: &Arc<RwLock<()>>) {
    let upgradable = lock.try_upgradable_read().expect("free");
    waits(WaitKind::RwLockRead, line!(), lock.upgradable_read());
    let owned = lock.clone().upgradable_read_owned();
    waits(WaitKind::RwLockRead, line!() - 1, owned);
    let _reads = lock.try_read().expect("beside it");
    let upgrade = RwLockUpgradableReadGuard::upgrade(upgradable);
    waits(WaitKind::RwLockWrite, line!() - 1, upgrade);
    let upgradable = lock.clone().try_upgradable_read_owned().expect("free");
    let upgrade = OwnedRwLockUpgradableReadGuard::upgrade(upgradable);
    waits(WaitKind::RwLockWrite, line!() - 1, upgrade);
}

fn queues_tell_too() {
    let (sender, mut receiver) = channel::bounded(1);
    let made = line!() - 1;
    waits(WaitKind::ChanReceive, line!(), receiver.recv());
    waits(WaitKind::ChanClosed, line!(), sender.closed());
    waits(WaitKind::ChanReceive, made, receiver.next());
    waits(WaitKind::ChanReceive, made, receiver.clone().next());
    assert_eq!(waits_of(sender.send(1)), []);
    waits(WaitKind::ChanSend, line!(), sender.send(2));
    assert_eq!(waits_of(receiver.recv()), []);
}

fn the_ends_of_channels_tell_too() {
    queues_tell_too();
    let (sender, receiver) = chan::bounded::<u8>(1);
    waits(WaitKind::ChanClosed, line!(), sender.closed());
    waits(WaitKind::ChanClosed, line!(), receiver.closed());
    let (mut sender, _receiver) = oneshot::channel::<u8>();
    waits(WaitKind::ChanClosed, line!(), sender.closed());
    let (sender, receiver) = watch::channel(0);
    waits(WaitKind::ChanClosed, line!(), sender.closed());
    let mut stream = receiver.into_stream();
    waits(WaitKind::ChanReceive, line!() - 1, stream.next());
    let (sender, receiver) = broadcast::channel::<u8>(1);
    waits(WaitKind::ChanClosed, line!(), sender.closed());
    let mut stream = receiver.into_stream();
    waits(WaitKind::ChanReceive, line!() - 1, stream.next());
}
