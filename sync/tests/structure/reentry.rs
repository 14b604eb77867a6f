//! Wakers, values and functions that use the very thing which wakes, drops or calls them: no lock is held while they run.

use std::cell::Cell;
use std::future::{Future, pending};
use std::sync::{Arc, OnceLock, mpsc};
use std::task::{Wake, Waker};
use std::thread;
use std::time::Duration;

use futures_lite::StreamExt;
use gort_sync::singleflight::Group;
use gort_sync::{
    Barrier, Cond, Context, Latch, Mutex, Notify, OnceCell, Pool, RwLock,
    RwLockUpgradableReadGuard, Semaphore, WaitGroup, broadcast, chan, channel, select, watch,
};

use super::support::Polled;

/// Fails if `body` does not come to its end.
#[track_caller]
fn ends(body: impl FnOnce() + Send + 'static) {
    let (ended, ends) = mpsc::channel();
    let thread = thread::spawn(move || {
        body();
        let _ = ended.send(());
    });
    let waited = ends.recv_timeout(Duration::from_secs(60));
    assert_ne!(
        waited,
        Err(mpsc::RecvTimeoutError::Timeout),
        "it waits for itself"
    );
    thread.join().expect("no panic");
}

thread_local! {
    /// A probe does not probe itself.
    static PROBING: Cell<bool> = const { Cell::new(false) };
}

/// A waker that waits, and gives up, when it is woken and when it is dropped.
struct Probe<F: Fn()>(F);

impl<F: Fn()> Probe<F> {
    fn probe(&self) {
        if !PROBING.replace(true) {
            (self.0)();
            PROBING.set(false);
        }
    }
}

impl<F: Fn() + Send + Sync + 'static> Wake for Probe<F> {
    fn wake(self: Arc<Self>) {
        self.probe();
    }
}

impl<F: Fn()> Drop for Probe<F> {
    fn drop(&mut self) {
        self.probe();
    }
}

/// Has the wakers of waits that `make` makes replaced, dropped and woken, while each of them waits as well.
#[track_caller]
fn probe<F: Future>(
    make: impl Fn() -> F + Copy + Send + Sync + 'static,
    wake: impl FnOnce() + Send + 'static,
) {
    ends(move || {
        let waker = || {
            Waker::from(Arc::new(Probe(move || {
                let _ = Polled::new(make()).poll();
            })))
        };
        let mut woken = Polled::new(make());
        assert!(woken.poll_with(&waker()).is_pending());
        assert!(woken.poll_with(&waker()).is_pending(), "with another waker");
        let mut gone = Polled::new(make());
        assert!(gone.poll_with(&waker()).is_pending());
        drop(gone);
        wake();
        let _ = woken.poll_with(&waker());
    });
}

fn forever<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

#[test]
fn wakers_may_use_the_lock_that_they_wait_for() {
    let mutex = forever(Mutex::new(()));
    let guard = mutex.try_lock().unwrap();
    probe(|| mutex.lock(), || drop(guard));
    let semaphore = forever(Semaphore::new(0));
    probe(|| semaphore.acquire(), || semaphore.add_permits(1));
    probe(|| semaphore.acquire_many(5), || semaphore.close());

    let lock = forever(RwLock::new(()));
    let guard = lock.try_write().unwrap();
    probe(|| lock.read(), || drop(guard));
    let guard = lock.try_write().unwrap();
    probe(|| lock.upgradable_read(), || drop(guard));
    let guard = lock.try_upgradable_read().unwrap();
    probe(|| lock.upgradable_read(), || drop(guard));
    let guard = lock.try_read().unwrap();
    probe(|| lock.write(), || drop(guard));
    let guard = lock.try_read().unwrap();
    let upgrade = || async {
        let read = lock.upgradable_read().await;
        drop(RwLockUpgradableReadGuard::upgrade(read).await);
    };
    ends(move || {
        let waker = Waker::from(Arc::new(Probe(move || {
            let _ = Polled::new(lock.read()).poll();
        })));
        let mut upgrades = Polled::new(upgrade());
        assert!(upgrades.poll_with(&waker).is_pending());
        drop(waker);
        upgrades.waits();
        drop(guard);
        upgrades.done();
    });
}

#[test]
fn wakers_may_use_the_notice_that_they_wait_for() {
    let notify = forever(Notify::new());
    probe(|| notify.notified(), || notify.notify_one());
    probe(|| notify.notified(), || notify.notify_waiters());
    let latch = forever(Latch::new());
    probe(|| latch.wait(), || assert!(latch.open()));
    let (mutex, cond) = (forever(Mutex::new(())), forever(Cond::new()));
    let wait = || async { cond.wait(mutex.lock().await).await };
    probe(wait, || cond.notify_one());
    probe(wait, || cond.notify_all());
    let group = forever(WaitGroup::new());
    group.add(1);
    probe(|| group.wait(), || group.done());
    let barrier = forever(Barrier::new(5));
    probe(
        || barrier.wait(),
        || {
            let mut others: Vec<_> = (0..4).map(|_| Polled::new(barrier.wait())).collect();
            let came = others.iter_mut().map(|wait| wait.poll().is_ready());
            assert!(came.last() == Some(true), "the last to come is let through");
        },
    );
    let (context, cancel) = Context::background().with_cancel();
    let context = forever(context);
    probe(|| context.done(), move || cancel.cancel());
    let cell = forever(OnceCell::new());
    probe(|| cell.wait(), || cell.set(1).unwrap());
    let cell = forever(OnceCell::new());
    let mut makes = Box::pin(cell.get_or_init(pending::<u8>));
    let mut cx = std::task::Context::from_waker(Waker::noop());
    assert!(makes.as_mut().poll(&mut cx).is_pending());
    probe(|| cell.get_or_init(pending), || drop(makes));
    let group = forever(Group::new());
    let mut leads = Box::pin(group.work(1, pending::<u8>()));
    assert!(leads.as_mut().poll(&mut cx).is_pending());
    probe(|| group.work(1, pending()), || drop(leads));
}

#[test]
fn wakers_may_use_the_channel_that_they_wait_for() {
    let (sender, receiver) = forever(chan::bounded(1));
    probe(|| receiver.recv(), || sender.try_send(1).unwrap());
    let _ = receiver.try_recv();
    sender.try_send(1).unwrap();
    probe(|| sender.send(2), || assert!(receiver.try_recv().is_ok()));
    let _ = (receiver.try_recv(), sender.try_send(1));
    probe(|| sender.reserve(), || assert!(receiver.try_recv().is_ok()));
    probe(|| sender.closed(), || assert!(receiver.close()));

    let (sender, receiver) = forever(chan::unbuffered());
    let selects = move || async move {
        select! {
            recv(receiver) -> value => assert!(value.is_ok()),
            future(pending::<()>()) -> () => {}
        }
    };
    probe(selects, || sender.try_send(1).unwrap());
    let selects = move || async move {
        select! { recv(receiver) -> value => assert!(value.is_err()) }
    };
    probe(selects, || assert!(sender.close()));

    let (sender, receiver) = forever(watch::channel(1));
    let changed = || async { receiver.clone().changed().await };
    probe(changed, || sender.send(2).unwrap());
    let (sender, receiver) = forever(broadcast::channel(1));
    let receives = || async { receiver.resubscribe().recv().await };
    probe(receives, || assert!(sender.send(2).is_ok()));
}

#[test]
fn wakers_may_use_the_queue_that_they_wait_for() {
    let (sender, receiver) = forever(channel::bounded(1));
    probe(|| receiver.recv(), || sender.try_send(1).unwrap());
    let _ = receiver.try_recv();
    let next = || async { receiver.clone().next().await };
    probe(next, || sender.try_send(1).unwrap());
    let _ = (receiver.try_recv(), sender.try_send(1));
    probe(|| sender.send(2), || assert!(receiver.try_recv().is_ok()));
    probe(|| sender.closed(), || assert!(receiver.close()));
}

/// Calls a function when it is dropped.
struct OnDrop(Box<dyn Fn() + Send + Sync>);

impl OnDrop {
    fn new(f: impl Fn() + Send + Sync + 'static) -> Self {
        Self(Box::new(f))
    }
}

impl Drop for OnDrop {
    fn drop(&mut self) {
        (self.0)();
    }
}

#[test]
fn values_may_use_the_channel_that_drops_them() {
    ends(|| {
        let (sender, receiver) = chan::bounded(1);
        let looks = sender.downgrade();
        let value = move || {
            let looks = looks.clone();
            OnDrop::new(move || {
                let sender = looks.upgrade().expect("it is there");
                assert!(sender.len() < 2);
                sender.close();
            })
        };
        assert!(sender.try_send(value()).is_ok());
        Polled::new(sender.send(value())).waits();
        drop(receiver);
        assert!(sender.is_closed());

        let (sender, receiver) = channel::bounded(1);
        let looks = sender.downgrade();
        let value = move || {
            let looks = looks.clone();
            OnDrop::new(move || assert!(looks.upgrade().is_none_or(|sender| sender.len() < 2)))
        };
        assert!(sender.try_send(value()).is_ok());
        assert!(sender.force_send(value()).is_ok());
        Polled::new(sender.send(value())).waits();
        drop((receiver, sender));

        let (sender, receiver) = watch::channel(None);
        let looks = sender.clone();
        let value = OnDrop::new(move || assert!(looks.borrow().is_none()));
        sender.send(Some(value)).ok().unwrap();
        sender.send(None).ok().unwrap();
        drop(receiver);

        let (sender, receiver) = broadcast::channel(1);
        let looks = sender.clone();
        let value = || {
            let looks = looks.clone();
            Arc::new(OnDrop::new(move || assert!(looks.receiver_count() < 2)))
        };
        (0..2).for_each(|_| assert!(sender.send(value()).is_ok()));
        drop(receiver);
    });
}

#[test]
fn values_may_use_the_pool_that_drops_them() {
    static POOL: OnceLock<Pool<OnDrop>> = OnceLock::new();
    ends(|| {
        let (tell, told) = mpsc::channel();
        let idle = Duration::from_millis(2);
        let pool = POOL.get_or_init(|| Pool::with_idle(|| OnDrop::new(|| {}), idle));
        pool.put(OnDrop::new(move || {
            drop(POOL.get().expect("it is there").get());
            let _ = tell.send(());
        }));
        told.recv().expect("it is dropped after a while");
    });
}

#[test]
fn functions_may_use_the_context_whose_end_calls_them() {
    ends(|| {
        let (context, cancel) = Context::background().with_cancel();
        let (cancel, again) = (Arc::new(cancel), context.clone());
        let (tell, told) = mpsc::channel();
        let cancels = Arc::downgrade(&cancel);
        let looks = context.clone();
        let unwanted = OnDrop::new(move || drop(looks.with_cancel()));
        let stopped = context.after_func(move || drop(unwanted));
        assert!(stopped.stop());
        context.after_func(move || {
            cancels.upgrade().expect("it is held").cancel_cause("again");
            let tell = tell.clone();
            again.after_func(move || tell.send(()).unwrap());
            assert!(again.with_cancel().0.err().is_some());
        });
        cancel.cancel();
        told.recv().expect("it is called at once");
        assert_eq!(context.cause().unwrap().to_string(), "context canceled");
    });
}
