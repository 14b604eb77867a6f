//! Locks, notices, values that another makes, and contexts.

use std::future::pending;
use std::sync::Arc;
use std::task::{Context, Waker};

use gort_sync::chan::bounded;
use gort_sync::singleflight::Group;
use gort_sync::{
    Barrier, Cancel, Cond, Context as Deadline, Latch, Lazy, Mutex, Notify, Once, OnceCell,
    OwnedMutexGuard, OwnedRwLockWriteGuard, RwLock, Semaphore, WaitGroup,
};

use super::Dropped::{Done, Given, Waiting};
use super::{Case, Op, drop_everywhere, is_ready};

#[test]
fn locks() {
    // The one who has the lock leaves the guard behind, so as to be able to give it.
    let locked = || {
        let mutex = Arc::new(Mutex::new(0));
        let guard = mutex.clone().try_lock_owned().unwrap();
        (mutex, Mutex::new(Some(guard)))
    };
    type Locked = (Arc<Mutex<u8>>, Mutex<Option<OwnedMutexGuard<u8>>>);
    let cases: [Case<Locked>; 2] = [
        ("lock", |(mutex, _)| {
            Box::pin(async { *mutex.lock().await += 1 })
        }),
        ("lock_owned", |(mutex, _)| {
            Box::pin(async { *mutex.clone().lock_owned().await += 1 })
        }),
    ];
    for (name, op) in cases {
        drop_everywhere(
            name,
            locked,
            op,
            |(_, guard)| drop(guard.try_lock().unwrap().take()),
            |(mutex, guard), dropped| {
                drop(guard.try_lock().unwrap().take());
                let value = mutex.try_lock().map(|value| *value);
                value == Ok(u8::from(dropped == Done)) && Arc::strong_count(mutex) == 1
            },
        );
    }

    type Written = (Arc<RwLock<u8>>, Mutex<Option<OwnedRwLockWriteGuard<u8>>>);
    let written = || {
        let lock = Arc::new(RwLock::new(0));
        let guard = futures_lite::future::block_on(lock.clone().write_owned());
        (lock, Mutex::new(Some(guard)))
    };
    let cases: [Case<Written>; 4] = [
        ("read", |(lock, _)| {
            Box::pin(async { drop(lock.read().await) })
        }),
        ("write", |(lock, _)| {
            Box::pin(async { drop(lock.write().await) })
        }),
        ("read_owned", |(lock, _)| {
            Box::pin(async { drop(lock.clone().read_owned().await) })
        }),
        ("write_owned", |(lock, _)| {
            Box::pin(async { drop(lock.clone().write_owned().await) })
        }),
    ];
    for (name, op) in cases {
        drop_everywhere(
            name,
            written,
            op,
            |(_, guard)| drop(guard.try_lock().unwrap().take()),
            |(lock, guard), _| {
                drop(guard.try_lock().unwrap().take());
                lock.try_write().is_ok() && Arc::strong_count(lock) == 1
            },
        );
    }

    let cases: [Case<Arc<Semaphore>>; 4] = [
        ("acquire", |all| {
            Box::pin(async { drop(all.acquire().await.unwrap()) })
        }),
        ("acquire_many", |all| {
            Box::pin(async { drop(all.acquire_many(3).await.unwrap()) })
        }),
        ("acquire_owned", |all| {
            Box::pin(async { drop(all.clone().acquire_owned().await.unwrap()) })
        }),
        ("acquire_many_owned", |all| {
            Box::pin(async { drop(all.clone().acquire_many_owned(3).await.unwrap()) })
        }),
    ];
    for (name, op) in cases {
        drop_everywhere(
            name,
            || Arc::new(Semaphore::new(0)),
            op,
            |all| all.add_permits(3),
            |all, dropped| {
                let permits = if matches!(dropped, Waiting(_)) { 0 } else { 3 };
                all.available_permits() == permits && Arc::strong_count(all) == 1
            },
        );
    }
}

#[test]
fn notices_and_meetings() {
    drop_everywhere(
        "notified",
        Notify::new,
        |notify| Box::pin(notify.notified()),
        Notify::notify_one,
        // The notice of one who did not look is there for the next.
        |notify, dropped| is_ready(notify.notified()) == (dropped == Given),
    );
    let condition = || (Mutex::new(false), Cond::new());
    type Condition = (Mutex<bool>, Cond);
    let cases: [Case<Condition>; 2] = [
        ("cond, wait", |(mutex, cond)| {
            Box::pin(async { drop(cond.wait(mutex.lock().await).await) })
        }),
        ("cond, wait_while", |(mutex, cond)| {
            Box::pin(async { drop(cond.wait_while(mutex.lock().await, |done| !*done).await) })
        }),
    ];
    for (name, op) in cases {
        drop_everywhere(
            name,
            condition,
            op,
            |(mutex, cond)| {
                *mutex.try_lock().expect("who waits has no lock") = true;
                cond.notify_one();
            },
            |(mutex, cond), _| {
                // The lock is free, and a notice reaches whoever waits now.
                let mut wait = Box::pin(cond.wait(mutex.try_lock().expect("nobody has it")));
                let mut cx = Context::from_waker(Waker::noop());
                let waits = wait.as_mut().poll(&mut cx).is_pending();
                cond.notify_one();
                waits && wait.as_mut().poll(&mut cx).is_ready()
            },
        );
    }
    drop_everywhere(
        "barrier",
        || Barrier::new(2),
        |barrier| Box::pin(async { assert!(!barrier.wait().await.is_leader()) }),
        |barrier| assert!(is_ready(barrier.wait())),
        // Who left has not come: the next two meet.
        |barrier, _| {
            let mut first = Box::pin(barrier.wait());
            let mut cx = Context::from_waker(Waker::noop());
            first.as_mut().poll(&mut cx).is_pending() && is_ready(barrier.wait())
        },
    );
    drop_everywhere(
        "latch",
        Latch::new,
        |latch| Box::pin(latch.wait()),
        |latch| assert!(latch.open()),
        |latch, dropped| latch.is_open() != matches!(dropped, Waiting(_)),
    );
    drop_everywhere(
        "wait group",
        || {
            let group = WaitGroup::new();
            group.add(1);
            group
        },
        |group| Box::pin(group.wait()),
        WaitGroup::done,
        |group, dropped| group.count() == usize::from(matches!(dropped, Waiting(_))),
    );
}

#[test]
fn values_that_another_makes() {
    // One makes it for ever, until it is dropped: then who waits makes it.
    type Making<T> = (&'static T, Mutex<Option<Op<'static>>>);
    fn making<T>(what: &'static T, maker: Op<'static>) -> Making<T> {
        let mut maker = maker;
        let pending = maker.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(pending.is_pending(), "it makes it for ever");
        (what, Mutex::new(Some(maker)))
    }
    fn let_go<T>((_, maker): &Making<T>) {
        drop(maker.try_lock().unwrap().take());
    }
    drop_everywhere(
        "once cell",
        || {
            let cell: &'static OnceCell<u8> = Box::leak(Box::default());
            making(
                cell,
                Box::pin(async { assert_eq!(*cell.get_or_init(pending).await, 0) }),
            )
        },
        |(cell, _)| Box::pin(async { assert_eq!(*cell.get_or_init(async || 7).await, 7) }),
        let_go,
        |(cell, maker), dropped| {
            drop(maker.try_lock().unwrap().take());
            cell.is_set() == (dropped == Done) && is_ready(cell.get_or_init(async || 8))
        },
    );
    drop_everywhere(
        "once",
        || {
            let once: &'static Once = Box::leak(Box::new(Once::new()));
            making(once, Box::pin(once.call(pending)))
        },
        |(once, _)| Box::pin(once.call(async || ())),
        let_go,
        |(once, maker), dropped| {
            drop(maker.try_lock().unwrap().take());
            once.is_done() == (dropped == Done) && is_ready(once.call(async || ()))
        },
    );
    drop_everywhere(
        "lazy",
        || {
            let (sender, receiver) = bounded(1);
            let make = move || {
                let receiver = receiver.clone();
                async move { receiver.recv().await }
            };
            (Lazy::new(make), sender)
        },
        |(lazy, _)| Box::pin(async { assert_eq!(*lazy.get().await, Ok(1)) }),
        |(_, sender)| sender.try_send(1).expect("there is room"),
        // Whoever asks next makes it.
        |(lazy, sender), dropped| match dropped {
            Waiting(_) => {
                !is_ready(lazy.get()) && sender.try_send(2).is_ok() && is_ready(lazy.get())
            }
            Given => lazy.get_if_made().is_none() && is_ready(lazy.get()),
            Done => lazy.get_if_made() == Some(&Ok(1)),
        },
    );
    drop_everywhere(
        "singleflight",
        || {
            let calls: &'static Group<u8, u8> = Box::leak(Box::default());
            making(
                calls,
                Box::pin(async { assert_eq!(calls.work(1, pending()).await, 0) }),
            )
        },
        |(calls, _)| Box::pin(async { assert_eq!(calls.work(1, async { 7 }).await, 7) }),
        let_go,
        |(calls, maker), _| {
            drop(maker.try_lock().unwrap().take());
            calls.is_empty() && is_ready(calls.work(1, async { 8 }))
        },
    );
}

#[test]
fn contexts() {
    let cases: [Case<(Deadline, Cancel)>; 2] = [
        ("done", |(ctx, _)| {
            Box::pin(async { assert_eq!(Some(ctx.done().await), ctx.err()) })
        }),
        ("run", |(ctx, _)| {
            Box::pin(async { assert!(ctx.run(pending::<()>()).await.is_err()) })
        }),
    ];
    for (name, op) in cases {
        drop_everywhere(
            name,
            || Deadline::background().with_cancel(),
            op,
            |(_, cancel)| cancel.cancel(),
            |(ctx, _), dropped| ctx.err().is_some() != matches!(dropped, Waiting(_)),
        );
    }
}
