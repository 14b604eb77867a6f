//! Wakers that count, change and panic.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use futures_lite::Stream;
use gort_sync::Selector;
use gort_sync::chan::{TryRecvError, bounded, unbuffered};

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

/// The values that were received together are there, and all other senders were woken.
#[test]
fn a_sender_whose_waker_panics_costs_no_value_of_many() {
    let (sender, receiver) = unbuffered();
    let (woken, count) = Count::new();
    let bomb = Waker::from(Arc::new(Bomb));
    let mut sends: Vec<_> = (0..100).map(|i| Polled::new(sender.send(i))).collect();
    for (i, send) in sends.iter_mut().enumerate() {
        let waker = if i == 3 { &bomb } else { &count };
        assert!(send.poll_with(waker).is_pending());
    }
    let mut values = Vec::new();
    let mut many = || receiver.try_recv_many(&mut values, usize::MAX);
    catch_unwind(AssertUnwindSafe(&mut many)).unwrap_err();
    assert!(many().is_ok());
    assert!(values.into_iter().eq(0..100));
    assert_eq!(woken.get(), 99);
    assert!(sends.iter_mut().all(|send| send.done().is_ok()));
}

#[test]
fn many_are_received_as_far_as_there_are_any() {
    let (sender, receiver) = bounded(100);
    let mut values = Vec::new();
    assert_eq!(
        receiver.try_recv_many(&mut values, 3),
        Err(TryRecvError::Empty)
    );
    (0..100).for_each(|i| sender.try_send(i).unwrap());
    let mut late = Polled::new(sender.send(100));
    late.waits();
    assert_eq!(receiver.try_recv_many(&mut values, 0), Ok(0));
    assert_eq!(receiver.try_recv_many(&mut values, 70), Ok(70));
    assert_eq!(receiver.try_recv_many(&mut values, usize::MAX), Ok(31));
    assert_eq!(late.done(), Ok(()));
    assert!(values.drain(..).eq(0..101));
    let mut many = Polled::new(receiver.recv_many(&mut values, 2));
    many.waits();
    (0..3).for_each(|i| sender.try_send(i).unwrap());
    assert_eq!(many.done(), Ok(2));
    drop(many);
    // Nothing is lost with one that was dropped before it looked.
    assert_eq!(receiver.try_recv_many(&mut values, 2), Ok(1));
    let mut many = Polled::new(receiver.recv_many(&mut values, 2));
    many.waits();
    sender.try_send(3).unwrap();
    drop(many);
    sender.close();
    assert_eq!(receiver.try_recv_many(&mut values, 9), Ok(1));
    assert_eq!(values, [0, 1, 2, 3]);
    assert_eq!(
        receiver.try_recv_many(&mut values, 9),
        Err(TryRecvError::Closed)
    );
    let mut many = Polled::new(receiver.recv_many(&mut values, 9));
    assert!(many.done().is_err());
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

/// The value goes to a receiver that cannot be woken; who gave it back has gone all the same.
#[test]
fn a_receiver_that_wakes_one_who_panics_is_gone_all_the_same() {
    let (sender, stream) = bounded(1);
    let other = stream.clone();
    let mut next = Box::pin(stream);
    let mut cx = Context::from_waker(Waker::noop());
    assert!(next.as_mut().poll_next(&mut cx).is_pending());
    let mut recv = Polled::new(other.recv());
    assert!(recv.poll_with(&Waker::from(Arc::new(Bomb))).is_pending());
    sender.try_send(1).unwrap();
    catch_unwind(AssertUnwindSafe(|| drop(next))).unwrap_err();
    assert_eq!(recv.done(), Ok(1));
    assert_eq!(sender.receiver_count(), 1);
    drop(recv);
    drop(other);
    assert!(sender.is_closed());
}
