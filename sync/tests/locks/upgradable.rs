//! Readers that may become writers: who goes before whom, and what becomes of those who are dropped.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Waker;

use gort_sync::{
    OwnedRwLockUpgradableReadGuard, OwnedRwLockWriteGuard, RwLock, RwLockUpgradableReadGuard,
    RwLockWriteGuard,
};

use super::support::{Bomb, Polled, on_each_executor, yield_now};

#[test]
fn an_upgradable_reader_is_alone_among_its_kind_and_beside_other_readers() {
    let lock = RwLock::new(1);
    let first = lock.try_read().unwrap();
    let upgradable = lock.try_upgradable_read().unwrap();
    let second = lock.try_read().unwrap();
    assert_eq!([*first, *upgradable, *second], [1; 3]);
    assert!(lock.try_upgradable_read().is_err());
    assert!(lock.try_write().is_err());

    let mut next = Polled::new(lock.upgradable_read());
    next.waits();
    let third = lock.try_read();
    assert!(
        third.is_ok(),
        "who waits to be the next one holds no reader up"
    );
    drop(third);
    drop(upgradable);
    drop(next.done());
    drop((first, second));
    drop(lock.try_write().unwrap());
}

#[test]
fn an_upgrade_waits_for_readers_and_keeps_new_ones_out() {
    let lock = RwLock::new(1);
    let reader = lock.try_read().unwrap();
    let upgradable = lock.try_upgradable_read().unwrap();
    let upgradable = RwLockUpgradableReadGuard::try_upgrade(upgradable).unwrap_err();
    let mut upgrade = Polled::new(RwLockUpgradableReadGuard::upgrade(upgradable));
    upgrade.waits();
    assert!(lock.try_read().is_err());
    let mut late = Polled::new(lock.read());
    late.waits();
    drop(reader);
    late.waits();
    let mut writer = upgrade.done();
    *writer += 1;
    late.waits();
    drop(writer);
    assert_eq!(*late.done(), 2);
}

#[test]
fn an_upgrade_goes_before_a_writer_that_waits_and_then_the_writer_comes() {
    let lock = RwLock::new(1);
    let reader = lock.try_read().unwrap();
    let upgradable = lock.try_upgradable_read().unwrap();
    let mut writer = Polled::new(lock.write());
    let mut next = Polled::new(lock.upgradable_read());
    writer.waits();
    next.waits();
    let mut upgrade = Polled::new(RwLockUpgradableReadGuard::upgrade(upgradable));
    upgrade.waits();
    drop(reader);
    writer.waits();
    *upgrade.done() += 1;
    next.waits();
    *writer.done() += 1;
    assert_eq!(*next.done(), 3);

    // No reader is in the way: it needs no wait, whoever waits.
    let upgradable = lock.try_upgradable_read().unwrap();
    let mut writer = Polled::new(lock.write());
    writer.waits();
    let upgraded = RwLockUpgradableReadGuard::try_upgrade(upgradable).unwrap();
    writer.waits();
    drop(upgraded);
    drop(writer.done());
}

#[test]
fn no_writer_starves_behind_upgradable_readers() {
    let lock = RwLock::new(0);
    let first = lock.try_upgradable_read().unwrap();
    let mut second = Polled::new(lock.upgradable_read());
    let mut writer = Polled::new(lock.write());
    let mut third = Polled::new(lock.upgradable_read());
    second.waits();
    writer.waits();
    third.waits();
    drop(first);
    second.waits();
    *writer.done() += 1;
    assert_eq!(*second.done(), 1);
    drop(second);
    drop(third.done());
}

#[test]
fn a_dropped_wait_for_an_upgradable_read_leaves_the_lock_to_others() {
    let lock = RwLock::new(());
    drop(Polled::new(lock.upgradable_read()));
    // At the gate, and in the queue behind it.
    let writes = lock.try_write().unwrap();
    let mut in_queue = Polled::new(lock.upgradable_read());
    let mut at_gate = Polled::new(lock.upgradable_read());
    let mut last = Polled::new(lock.upgradable_read());
    in_queue.waits();
    at_gate.waits();
    last.waits();
    drop(at_gate);
    drop(in_queue);
    last.waits();
    drop(writes);
    drop(last.done());

    // Granted, and not looked.
    let upgradable = lock.try_upgradable_read().unwrap();
    let (mut gone, mut stays) = (
        Polled::new(lock.upgradable_read()),
        Polled::new(lock.upgradable_read()),
    );
    gone.waits();
    stays.waits();
    drop(upgradable);
    drop(gone);
    drop(stays.done());
    let writes = lock.try_write().unwrap();
    let (mut gone, mut stays) = (
        Polled::new(lock.upgradable_read()),
        Polled::new(lock.upgradable_read()),
    );
    gone.waits();
    stays.waits();
    drop(writes);
    drop(gone);
    drop(stays.done());
    drop(lock.try_write().unwrap());
}

#[test]
fn a_dropped_upgrade_unlocks() {
    // Not polled, waiting, and granted but not looked.
    for polls in 0..3 {
        let lock = RwLock::new(());
        let reader = lock.try_read().unwrap();
        let upgradable = lock.try_upgradable_read().unwrap();
        let mut upgrade = Polled::new(RwLockUpgradableReadGuard::upgrade(upgradable));
        let mut late = Polled::new(lock.read());
        if polls > 0 {
            upgrade.waits();
            late.waits();
        }
        if polls > 1 {
            drop(reader);
            late.waits();
            drop(upgrade);
        } else {
            drop(upgrade);
            drop(reader);
        }
        drop(late.done());
        drop(late);
        drop(lock.try_upgradable_read().unwrap());
        drop(lock.try_write().unwrap());
    }
}

#[test]
fn guards_are_downgraded_with_nobody_in_between() {
    let lock = RwLock::new(1);
    let mut writer = lock.try_write().unwrap();
    let mut waits = Polled::new(lock.write());
    waits.waits();
    *writer = 2;
    let upgradable = RwLockWriteGuard::downgrade_to_upgradable(writer);
    waits.waits();
    assert_eq!(*upgradable, 2);
    assert!(lock.try_upgradable_read().is_err());
    let writer = RwLockUpgradableReadGuard::upgrade_blocking(upgradable);
    let upgradable = RwLockWriteGuard::downgrade_to_upgradable(writer);
    let reader = RwLockUpgradableReadGuard::downgrade(upgradable);
    waits.waits();
    assert_eq!(*reader, 2);
    drop(reader);
    drop(waits.done());

    let reader = RwLockUpgradableReadGuard::downgrade(lock.upgradable_read_blocking());
    drop(
        lock.try_upgradable_read()
            .expect("the other is an ordinary reader now"),
    );
    drop(reader);
    drop(lock.try_write().unwrap());
}

/// The next upgradable one waits in the queue for one that was a writer, and does not meet it.
#[test]
fn who_was_a_writer_upgrades_before_the_next_upgradable_reader() {
    let lock = RwLock::new(0);
    let writer = lock.try_write().unwrap();
    let mut next = Polled::new(lock.upgradable_read());
    next.waits();
    let upgradable = RwLockWriteGuard::downgrade_to_upgradable(writer);
    next.waits();
    let mut upgrade = Polled::new(RwLockUpgradableReadGuard::upgrade(upgradable));
    *upgrade.done() = 1;
    assert_eq!(*next.done(), 1);
}

#[test]
fn owned_guards_borrow_nothing_and_keep_the_lock() {
    let lock = Arc::new(RwLock::new(1));
    let upgradable = lock.clone().try_upgradable_read_owned().unwrap();
    assert!(Arc::ptr_eq(
        OwnedRwLockUpgradableReadGuard::source(&upgradable),
        &lock
    ));
    assert!(lock.clone().try_upgradable_read_owned().is_err());
    let mut next = Polled::new(lock.clone().upgradable_read_owned());
    next.waits();
    let mut writer = Polled::new(OwnedRwLockUpgradableReadGuard::upgrade(upgradable)).done();
    *writer = 2;
    let upgradable = OwnedRwLockWriteGuard::downgrade_to_upgradable(writer);
    let writer = OwnedRwLockUpgradableReadGuard::try_upgrade(upgradable).unwrap();
    drop(OwnedRwLockWriteGuard::downgrade_to_upgradable(writer));
    let reader = OwnedRwLockUpgradableReadGuard::downgrade(next.done());
    drop(next);
    let upgradable = lock.clone().try_upgradable_read_owned().unwrap();
    let upgradable = OwnedRwLockUpgradableReadGuard::try_upgrade(upgradable).unwrap_err();
    let mut gone = Polled::new(OwnedRwLockUpgradableReadGuard::upgrade(upgradable));
    gone.waits();
    drop(gone);
    assert_eq!(*reader, 2);
    drop(reader);
    assert_eq!(Arc::strong_count(&lock), 1);
    drop(lock.try_write().unwrap());
}

#[test]
fn a_waker_that_panics_leaves_the_gate_open() {
    let lock = RwLock::new(());
    let upgradable = lock.try_upgradable_read().unwrap();
    let mut writer = Polled::new(lock.write());
    assert!(writer.poll_with(&Waker::from(Arc::new(Bomb))).is_pending());
    let dropped = catch_unwind(AssertUnwindSafe(|| drop(upgradable)));
    assert!(dropped.is_err());
    drop(writer.done());
    drop(writer);
    drop(lock.try_upgradable_read().unwrap());
}

/// Each adds one to what it has read; nobody's addition is lost, whoever writes and reads beside it.
#[test]
fn nobody_writes_between_a_look_and_its_upgrade() {
    on_each_executor(|spawn| async move {
        let lock = Arc::new(RwLock::new(0));
        let tasks: Vec<_> = (0..6)
            .map(|task| {
                let lock = lock.clone();
                spawn(Box::pin(async move {
                    for round in 0..50 {
                        match (task + round) % 3 {
                            0 => *lock.write().await += 1,
                            1 => drop(lock.read().await),
                            _ => {
                                let read = lock.upgradable_read().await;
                                let seen = *read;
                                yield_now().await;
                                let mut write = RwLockUpgradableReadGuard::upgrade(read).await;
                                assert_eq!(*write, seen);
                                *write += 1;
                            }
                        }
                    }
                }))
            })
            .collect();
        for task in tasks {
            task.await;
        }
        assert_eq!(*lock.try_read().unwrap(), 200);
    });
}
