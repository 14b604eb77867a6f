//! Waiting for the end of a channel.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Poll, Waker};

use gort_sync::chan::{bounded, unbuffered};

use super::support::{Bomb, Count, Polled};

#[test]
fn a_sender_hears_that_the_last_receiver_is_gone() {
    let (sender, receiver) = bounded(1);
    let other = receiver.clone();
    let (woken, waker) = Count::new();
    let mut closed = Polled::new(sender.closed());
    assert!(closed.poll_with(&waker).is_pending());
    drop(receiver);
    assert_eq!(sender.try_send(1), Ok(()));
    closed.waits();
    assert!(closed.poll_with(&waker).is_pending());
    drop(other);
    assert_eq!(woken.get(), 1);
    closed.done();
    Polled::new(sender.closed()).done();
}

#[test]
fn a_receiver_hears_of_the_end_although_values_are_left() {
    let (sender, receiver) = bounded(2);
    let mut closed = Polled::new(receiver.closed());
    sender.try_send(1).unwrap();
    closed.waits();
    drop(sender);
    closed.done();
    drop(closed);
    assert_eq!(receiver.try_recv(), Ok(1));
}

#[test]
fn who_waits_for_the_end_stands_in_nobodys_way() {
    let (sender, receiver) = unbuffered();
    let mut by_sender = Polled::new(sender.closed());
    let mut by_receiver = Polled::new(receiver.closed());
    by_sender.waits();
    by_receiver.waits();
    assert!(sender.try_send(1).is_err());
    assert!(receiver.try_recv().is_err());
    let mut recv = Polled::new(receiver.recv());
    recv.waits();
    assert_eq!(sender.try_send(1), Ok(()));
    assert_eq!(recv.done(), Ok(1));
    assert!(sender.close());
    by_sender.done();
    by_receiver.done();
}

#[test]
fn only_the_newest_waker_hears_of_the_end_and_none_of_who_has_left() {
    let (sender, receiver) = bounded::<u8>(1);
    let counts = [(); 3].map(|()| Count::new());
    let mut stays = Polled::new(sender.closed());
    let mut leaves = Polled::new(sender.closed());
    assert!(stays.poll_with(&counts[0].1).is_pending());
    assert!(leaves.poll_with(&counts[1].1).is_pending());
    assert!(stays.poll_with(&counts[2].1).is_pending());
    drop(leaves);
    drop(receiver);
    assert_eq!(counts.each_ref().map(|(count, _)| count.get()), [0, 0, 1]);
    stays.done();
}

#[test]
fn all_hear_of_the_end_although_a_waker_panics() {
    let (sender, receiver) = bounded::<u8>(1);
    let bomb = Waker::from(Arc::new(Bomb));
    let (woken, waker) = Count::new();
    let mut all: Vec<_> = (0..100).map(|_| Polled::new(sender.closed())).collect();
    for (i, closed) in all.iter_mut().enumerate() {
        let waker = if i == 50 { &bomb } else { &waker };
        assert!(closed.poll_with(waker).is_pending());
    }
    catch_unwind(AssertUnwindSafe(|| receiver.close())).unwrap_err();
    assert_eq!(woken.get(), 99);
    assert!(
        all.iter_mut()
            .all(|closed| closed.poll() == Poll::Ready(()))
    );
}

/// A failed upgrade counts nothing, which a second one would find.
#[test]
fn a_weak_handle_stays_without_a_strong_one() {
    let (sender, receiver) = bounded::<u8>(1);
    let weak = (sender.downgrade(), receiver.downgrade());
    drop(sender);
    for _ in 0..3 {
        assert!(weak.0.upgrade().is_none());
        assert_eq!(receiver.sender_count(), 0);
    }
    drop(receiver);
    for _ in 0..3 {
        assert!(weak.0.upgrade().is_none() && weak.1.upgrade().is_none());
    }
}
