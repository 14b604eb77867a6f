//! Wakers that count, change and panic.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Poll, Waker};

use gort_sync::Selector;
use gort_sync::chan::{bounded, unbuffered};

use super::support::{Bomb, Count, Polled};

#[test]
fn only_the_newest_waker_is_woken() {
    let (sender, receiver) = unbuffered();
    let (old, old_waker) = Count::new();
    let (new, new_waker) = Count::new();
    let mut recv = Polled::new(receiver.recv());
    assert!(recv.poll_with(&old_waker).is_pending());
    assert!(recv.poll_with(&new_waker).is_pending());
    sender.try_send(1).unwrap();
    assert_eq!((old.get(), new.get()), (0, 1));
    assert_eq!(recv.poll(), Poll::Ready(Ok(1)));
}

#[test]
fn a_receiver_is_woken_by_a_value_and_a_sender_by_room() {
    let (sender, receiver) = bounded(1);
    sender.try_send(1).unwrap();
    let (woken, waker) = Count::new();
    let mut send = Polled::new(sender.send(2));
    assert!(send.poll_with(&waker).is_pending());
    assert_eq!(receiver.try_recv(), Ok(1));
    assert_eq!(woken.get(), 1);
    assert_eq!(send.poll(), Poll::Ready(Ok(())));
    assert_eq!(receiver.try_recv(), Ok(2));
}

/// A value is not lost because the sender behind it cannot be woken.
#[test]
fn a_sender_whose_waker_panics_costs_no_value() {
    let bomb = Waker::from(Arc::new(Bomb));
    let (sender, receiver) = bounded(1);
    sender.try_send(1).unwrap();
    let mut send = Polled::new(sender.send(2));
    assert!(send.poll_with(&bomb).is_pending());
    catch_unwind(AssertUnwindSafe(|| receiver.try_recv())).unwrap_err();
    assert_eq!(send.poll(), Poll::Ready(Ok(())));
    assert_eq!([receiver.try_recv(), receiver.try_recv()], [Ok(1), Ok(2)]);

    sender.try_send(3).unwrap();
    let mut send = Polled::new(sender.send(4));
    assert!(send.poll_with(&bomb).is_pending());
    let select = || Selector::new().recv(&receiver, |value| value).try_select();
    catch_unwind(AssertUnwindSafe(select)).unwrap_err();
    drop(send);
    assert_eq!([receiver.try_recv(), receiver.try_recv()], [Ok(3), Ok(4)]);
}

/// All who wait are woken although the waker of one panics.
#[test]
fn closing_reaches_everybody() {
    let bomb = Waker::from(Arc::new(Bomb));
    let (sender, receiver) = unbuffered::<u8>();
    let (woken, waker) = Count::new();
    let mut waiting: Vec<_> = (0..100).map(|_| Polled::new(receiver.recv())).collect();
    for (i, recv) in waiting.iter_mut().enumerate() {
        let waker = if i == 3 { &bomb } else { &waker };
        assert!(recv.poll_with(waker).is_pending());
    }
    catch_unwind(AssertUnwindSafe(|| sender.close())).unwrap_err();
    assert_eq!(woken.get(), 99);
    assert!(waiting.iter_mut().all(|recv| recv.poll().is_ready()));
}

/// What is forgotten keeps its place, and one value with it; nothing else is harmed.
#[test]
fn a_forgotten_receiver_keeps_one_value() {
    let (sender, receiver) = unbuffered();
    let mut forgotten = Polled::new(receiver.recv());
    forgotten.waits();
    forgotten.leak();
    assert_eq!(sender.try_send(1), Ok(()));
    assert!(sender.try_send(2).is_err());
    let mut recv = Polled::new(receiver.recv());
    recv.waits();
    assert_eq!(sender.try_send(3), Ok(()));
    assert_eq!(recv.done(), Ok(3));
}
