//! Models of the wait queue and of the locks on it: the code that ships, in every order that a few threads can run in.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use gort_primitives::atomic::{AtomicUsize, Ordering};
use gort_primitives::cell::UnsafeCell;
use gort_primitives::sync::Arc;
use gort_primitives::thread;
use loom::future::block_on;

use crate::Latch;

use super::{
    Barrier, Cond, Mutex, Notify, OnceCell, RwLock, RwLockUpgradableReadGuard, Semaphore, WaitGroup,
};

fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// A number that loom watches: two accesses at once fail the model.
#[derive(Default)]
struct Watched(UnsafeCell<usize>);

// SAFETY: the locks under test order all accesses; loom checks that.
unsafe impl Send for Watched {}
// SAFETY: as above.
unsafe impl Sync for Watched {}

impl Watched {
    fn add(&self, n: usize) {
        self.0.with_mut(|number| {
            // SAFETY: loom fails the model if somebody else has access.
            let number = unsafe { &mut *number };
            *number += n;
        });
    }

    fn get(&self) -> usize {
        self.0.with(|number| {
            // SAFETY: loom fails the model if somebody else writes.
            unsafe { *number }
        })
    }
}

#[test]
fn model_mutex_excludes_and_wakes() {
    loom::model(|| {
        let mutex = Arc::new(Mutex::new(Watched::default()));
        let threads = [(); 2].map(|()| {
            let mutex = mutex.clone();
            thread::spawn(move || block_on(async { mutex.lock().await.add(1) }))
        });
        block_on(async { mutex.lock().await.add(1) });
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(block_on(mutex.lock()).get(), 3);
        assert!(!mutex.is_locked());
    });
}

#[test]
fn model_mutex_cancelled_waiter_passes_the_lock_on() {
    loom::model(|| {
        let mutex = Arc::new(Mutex::new(Watched::default()));
        let guard = mutex.try_lock().unwrap();
        let waiter = {
            let mutex = mutex.clone();
            thread::spawn(move || block_on(async { mutex.lock().await.add(1) }))
        };
        let quitter = {
            let mutex = mutex.clone();
            thread::spawn(move || {
                let mut lock = pin!(mutex.lock());
                if let Poll::Ready(guard) = poll_once(lock.as_mut()) {
                    guard.add(1);
                    return 1;
                }
                match poll_once(lock) {
                    Poll::Ready(guard) => {
                        guard.add(1);
                        1
                    }
                    Poll::Pending => 0,
                }
            })
        };
        drop(guard);
        waiter.join().unwrap();
        let quitter = quitter.join().unwrap();
        assert_eq!(mutex.try_lock().unwrap().get(), 1 + quitter);
    });
}

#[test]
fn model_mutex_starving_waiter_gets_the_lock() {
    loom::model(|| {
        let mutex = Arc::new(Mutex::new(Watched::default()));
        let passer = {
            let mutex = mutex.clone();
            // Newcomers that pass: they only try.
            thread::spawn(move || {
                let mut locked = 0;
                for _ in 0..2 {
                    if let Ok(guard) = mutex.try_lock() {
                        guard.add(1);
                        locked += 1;
                    }
                }
                locked
            })
        };
        block_on(async {
            mutex.lock().await.add(1);
            mutex.lock().await.add(1);
        });
        let locked = passer.join().unwrap();
        assert_eq!(mutex.try_lock().unwrap().get(), 2 + locked);
    });
}

/// Adds one to what it has read, and nobody has written in between.
async fn read_and_add(lock: &RwLock<Watched>) {
    let read = lock.upgradable_read().await;
    let seen = read.get();
    let write = RwLockUpgradableReadGuard::upgrade(read).await;
    assert_eq!(write.get(), seen);
    write.add(1);
}

#[test]
fn model_rwlock_upgrades_follow_each_other() {
    loom::model(|| {
        let lock = Arc::new(RwLock::new(Watched::default()));
        let other = lock.clone();
        let thread = thread::spawn(move || block_on(read_and_add(&other)));
        block_on(read_and_add(&lock));
        thread.join().unwrap();
        assert_eq!(lock.try_write().unwrap().get(), 2);
    });
}

#[test]
fn model_rwlock_upgrade_goes_before_a_writer_that_waits() {
    loom::model(|| {
        let lock = Arc::new(RwLock::new(Watched::default()));
        let other = lock.clone();
        let writer = thread::spawn(move || block_on(async { other.write().await.add(1) }));
        block_on(read_and_add(&lock));
        writer.join().unwrap();
        assert_eq!(lock.try_upgradable_read().unwrap().get(), 2);
    });
}

#[test]
fn model_rwlock_upgrade_that_is_dropped_unlocks() {
    loom::model(|| {
        let lock = Arc::new(RwLock::new(Watched::default()));
        let read = lock.try_upgradable_read().unwrap();
        let (other, another) = (lock.clone(), lock.clone());
        let reader = lock.try_read().unwrap();
        let writer = thread::spawn(move || block_on(async { other.write().await.add(1) }));
        {
            let mut upgrade = pin!(RwLockUpgradableReadGuard::upgrade(read));
            assert!(poll_once(upgrade.as_mut()).is_pending());
            drop(reader);
        }
        block_on(read_and_add(&another));
        writer.join().unwrap();
        assert_eq!(lock.try_write().unwrap().get(), 2);
    });
}

#[test]
fn model_once_cell_tells_who_waits() {
    loom::model(|| {
        let cell = Arc::new(OnceCell::<Watched>::new());
        let other = cell.clone();
        let thread = thread::spawn(move || block_on(other.wait()).get());
        let value = Watched::default();
        value.add(1);
        cell.set(value).map_err(|_| ()).unwrap();
        assert_eq!(thread.join().unwrap(), 1);
    });
}

#[test]
fn model_latch_lets_through_who_comes_before_and_after() {
    loom::model(|| {
        let latch = Arc::new(Latch::new());
        let seen = Arc::new(Watched::default());
        let (other, sees) = (latch.clone(), seen.clone());
        let waiter = thread::spawn(move || {
            block_on(other.wait());
            sees.get()
        });
        {
            let mut gone = pin!(latch.wait());
            assert!(poll_once(gone.as_mut()).is_pending());
        }
        seen.add(1);
        assert!(latch.open());
        block_on(latch.wait());
        assert_eq!(waiter.join().unwrap(), 1);
    });
}

#[test]
fn model_rwlock_excludes_writers() {
    loom::model(|| {
        let lock = Arc::new(RwLock::new(Watched::default()));
        let writer = {
            let lock = lock.clone();
            thread::spawn(move || block_on(async { lock.write().await.add(1) }))
        };
        let reader = {
            let lock = lock.clone();
            thread::spawn(move || block_on(async { lock.read().await.get() }))
        };
        block_on(async { lock.write().await.add(1) });
        writer.join().unwrap();
        assert!(reader.join().unwrap() <= 2);
        assert_eq!(lock.try_write().unwrap().get(), 2);
    });
}

#[test]
fn model_semaphore_cancelled_waiter_lets_the_next_through() {
    loom::model(|| {
        let semaphore = Arc::new(Semaphore::new(0));
        let one = {
            let semaphore = semaphore.clone();
            thread::spawn(move || block_on(semaphore.acquire()).unwrap().forget())
        };
        let giver = {
            let semaphore = semaphore.clone();
            thread::spawn(move || semaphore.add_permits(1))
        };
        {
            // Stands before `one` in some orders, and wants more than there is.
            let mut both = pin!(semaphore.acquire_many(2));
            assert!(poll_once(both.as_mut()).is_pending());
        }
        one.join().unwrap();
        giver.join().unwrap();
        assert_eq!(semaphore.available_permits(), 0);
    });
}

#[test]
fn model_semaphore_granted_permit_of_a_cancelled_waiter_returns() {
    loom::model(|| {
        let semaphore = Arc::new(Semaphore::new(0));
        let giver = {
            let semaphore = semaphore.clone();
            thread::spawn(move || semaphore.add_permits(1))
        };
        let taken = {
            let mut acquire = pin!(semaphore.acquire());
            poll_once(acquire.as_mut()).is_ready() || poll_once(acquire).is_ready()
        };
        giver.join().unwrap();
        // A permit that was taken was dropped at once.
        let _ = taken;
        assert_eq!(semaphore.available_permits(), 1);
    });
}

#[test]
fn model_semaphore_close_wakes_all() {
    loom::model(|| {
        let semaphore = Arc::new(Semaphore::new(0));
        let waiters = [(); 2].map(|()| {
            let semaphore = semaphore.clone();
            thread::spawn(move || assert!(block_on(semaphore.acquire()).is_err()))
        });
        semaphore.close();
        for waiter in waiters {
            waiter.join().unwrap();
        }
    });
}

#[test]
fn model_notify_one_is_not_lost() {
    loom::model(|| {
        let notify = Arc::new(Notify::new());
        let seen = Arc::new(Watched::default());
        let notifier = {
            let (notify, seen) = (notify.clone(), seen.clone());
            thread::spawn(move || {
                seen.add(1);
                notify.notify_one();
            })
        };
        block_on(notify.notified());
        assert_eq!(seen.get(), 1);
        notifier.join().unwrap();
    });
}

#[test]
fn model_notify_one_of_a_cancelled_waiter_goes_to_the_next() {
    loom::model(|| {
        let notify = Arc::new(Notify::new());
        let waiter = {
            let notify = notify.clone();
            thread::spawn(move || block_on(notify.notified()))
        };
        let notifier = {
            let notify = notify.clone();
            thread::spawn(move || notify.notify_one())
        };
        let taken = {
            let mut notified = pin!(notify.notified());
            poll_once(notified.as_mut()).is_ready() || poll_once(notified).is_ready()
        };
        if taken {
            notify.notify_one();
        }
        waiter.join().unwrap();
        notifier.join().unwrap();
    });
}

#[test]
fn model_notify_waiters_reaches_all_that_were_made_before() {
    loom::model(|| {
        let notify = Arc::new(Notify::new());
        let flag = Arc::new(AtomicUsize::new(0));
        let waiters = [(); 2].map(|()| {
            let (notify, flag) = (notify.clone(), flag.clone());
            thread::spawn(move || {
                block_on(async {
                    let notified = notify.notified();
                    // Acquire: pairs with the Release below.
                    if flag.load(Ordering::Acquire) == 0 {
                        notified.await;
                    }
                })
            })
        });
        // Release: pairs with the Acquire above.
        flag.store(1, Ordering::Release);
        notify.notify_waiters();
        for waiter in waiters {
            waiter.join().unwrap();
        }
    });
}

#[test]
fn model_cond_misses_no_notice_given_under_the_lock() {
    loom::model(|| {
        let pair = Arc::new((Mutex::new(0), Cond::new()));
        let waiter = {
            let pair = pair.clone();
            thread::spawn(move || {
                block_on(async {
                    let (mutex, cond) = &*pair;
                    let guard = mutex.lock().await;
                    assert_eq!(*cond.wait_while(guard, |n| *n == 0).await, 1);
                })
            })
        };
        let (mutex, cond) = &*pair;
        *block_on(mutex.lock()) += 1;
        cond.notify_one();
        waiter.join().unwrap();
    });
}

#[test]
fn model_once_cell_is_made_once() {
    loom::model(|| {
        let cell = Arc::new(OnceCell::new());
        let made = Arc::new(AtomicUsize::new(0));
        let other = {
            let (cell, made) = (cell.clone(), made.clone());
            thread::spawn(move || {
                // Relaxed: only the sum counts.
                *block_on(cell.get_or_init(|| async { made.fetch_add(1, Ordering::Relaxed) }))
            })
        };
        // Relaxed: only the sum counts.
        let ours = *block_on(cell.get_or_init(|| async { made.fetch_add(1, Ordering::Relaxed) }));
        assert_eq!((other.join().unwrap(), ours), (0, 0));
        // Relaxed: only the sum counts.
        assert_eq!(made.load(Ordering::Relaxed), 1);
    });
}

#[test]
fn model_barrier_lets_all_through_with_one_leader() {
    loom::model(|| {
        let barrier = Arc::new(Barrier::new(2));
        let other = {
            let barrier = barrier.clone();
            thread::spawn(move || block_on(barrier.wait()).is_leader())
        };
        let ours = block_on(barrier.wait()).is_leader();
        assert!(other.join().unwrap() != ours);
    });
}

#[test]
fn model_wait_group_waits_for_all_and_sees_what_they_did() {
    loom::model(|| {
        let group = WaitGroup::new();
        let done = Arc::new(Watched::default());
        group.add(2);
        let other = {
            let (group, done) = (group.clone(), done.clone());
            thread::spawn(move || {
                done.add(1);
                group.done();
            })
        };
        group.done();
        block_on(group.wait());
        assert_eq!(done.get(), 1);
        other.join().unwrap();
    });
}

#[test]
fn model_wait_group_wakes_all_but_who_went_away() {
    loom::model(|| {
        let group = WaitGroup::new();
        group.add(1);
        let waiter = {
            let group = group.clone();
            thread::spawn(move || block_on(group.wait()))
        };
        {
            let mut gone = pin!(group.wait());
            let _ = poll_once(gone.as_mut());
            group.done();
        }
        waiter.join().unwrap();
        assert_eq!(group.count(), 0);
    });
}
