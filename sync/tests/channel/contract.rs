//! What is sent, stored, received and refused.

use std::panic::catch_unwind;
use std::sync::Arc;
use std::task::Poll;

use gort_sync::channel::{RecvError, SendError, TryRecvError, TrySendError, bounded, unbounded};

use super::support::Polled;

#[test]
fn values_come_out_in_their_order() {
    for (sender, receiver) in [bounded(3), unbounded()] {
        (0..3).for_each(|i| assert_eq!(sender.try_send(i), Ok(())));
        for i in 0..10 {
            assert_eq!(Polled::new(receiver.recv()).done(), Ok(i));
            assert_eq!(Polled::new(sender.send(i + 3)).done(), Ok(()));
        }
        assert_eq!([(); 3].map(|()| receiver.try_recv().unwrap()), [10, 11, 12]);
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    }
}

#[test]
fn a_full_channel_gives_the_value_back() {
    let (sender, receiver) = bounded(2);
    assert_eq!(sender.try_send(1), Ok(()));
    assert_eq!(
        (sender.len(), sender.is_full(), sender.is_empty()),
        (1, false, false)
    );
    assert_eq!(sender.try_send(2), Ok(()));
    assert_eq!(sender.try_send(3), Err(TrySendError::Full(3)));
    assert_eq!((receiver.len(), receiver.is_full()), (2, true));
    assert_eq!(receiver.try_recv(), Ok(1));
    assert_eq!(sender.try_send(3), Ok(()));
    assert_eq!((sender.capacity(), receiver.capacity()), (Some(2), Some(2)));
}

#[test]
fn an_unbounded_channel_is_never_full() {
    let (sender, receiver) = unbounded();
    for _ in 0..2 {
        (0..10_000).for_each(|i| assert_eq!(sender.try_send(i), Ok(())));
        assert_eq!((sender.len(), sender.is_full()), (10_000, false));
        assert!((0..10_000).all(|i| receiver.try_recv() == Ok(i)));
        assert!(receiver.is_empty());
    }
    assert_eq!((sender.capacity(), receiver.capacity()), (None, None));
}

#[test]
fn a_channel_with_room_for_nothing_is_refused() {
    assert!(catch_unwind(|| bounded::<u8>(0)).is_err());
}

#[test]
fn a_channel_with_much_room_has_it() {
    let (sender, receiver) = bounded(5_000);
    for _ in 0..2 {
        (0..5_000).for_each(|i| assert_eq!(sender.try_send(i), Ok(())));
        assert_eq!(sender.try_send(0), Err(TrySendError::Full(0)));
        assert!((0..5_000).all(|i| receiver.try_recv() == Ok(i)));
    }
}

#[test]
fn values_without_a_size_are_counted() {
    let (sender, receiver) = bounded(2);
    assert_eq!([sender.try_send(()), sender.try_send(())], [Ok(()); 2]);
    assert!(sender.try_send(()).is_err_and(|error| error.is_full()));
    assert_eq!([receiver.try_recv(), receiver.try_recv()], [Ok(()); 2]);
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
}

#[test]
fn a_forced_send_displaces_the_oldest_value() {
    let (sender, receiver) = bounded(2);
    assert_eq!([sender.force_send(1), sender.force_send(2)], [Ok(None); 2]);
    assert_eq!(sender.force_send(3), Ok(Some(1)));
    assert_eq!([receiver.try_recv(), receiver.try_recv()], [Ok(2), Ok(3)]);
    assert!(receiver.close());
    assert_eq!(sender.force_send(4), Err(SendError(4)));
    let (sender, _receiver) = unbounded();
    assert!((0..100).all(|i| sender.force_send(i) == Ok(None)));
}

#[test]
fn a_closed_channel_refuses_and_still_gives() {
    let (sender, receiver) = bounded(1);
    sender.try_send(1).unwrap();
    assert!(!sender.is_closed() && !receiver.is_closed());
    assert!(receiver.close());
    assert!(!receiver.close() && !sender.close());
    assert!(sender.is_closed() && receiver.is_closed());
    assert_eq!(sender.try_send(2), Err(TrySendError::Closed(2)));
    assert_eq!(Polled::new(sender.send(3)).done(), Err(SendError(3)));
    assert_eq!(sender.send_blocking(4), Err(SendError(4)));
    assert_eq!(receiver.recv_blocking(), Ok(1));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
    assert_eq!(Polled::new(receiver.recv()).done(), Err(RecvError));
    assert_eq!(receiver.recv_blocking(), Err(RecvError));
}

#[test]
fn closing_gives_senders_that_wait_their_values_back() {
    let (sender, receiver) = bounded(1);
    sender.try_send(1).unwrap();
    let mut sends = [2, 3].map(|i| Polled::new(sender.send(i)));
    sends.iter_mut().for_each(Polled::waits);
    // One was told of room, and did not look before the end.
    assert_eq!(receiver.try_recv(), Ok(1));
    receiver.close();
    let [mut second, mut third] = sends;
    assert_eq!(second.done(), Err(SendError(2)));
    assert_eq!(third.done(), Err(SendError(3)));
}

/// Nobody can receive it any more, but a sender can see it: as with async-channel it stays.
#[test]
fn what_is_stored_lives_as_long_as_the_last_handle() {
    let (sender, receiver) = unbounded();
    let value = Arc::new(());
    sender.try_send(value.clone()).unwrap();
    let weak = receiver.downgrade();
    drop(receiver);
    assert_eq!((sender.len(), sender.is_closed()), (1, true));
    drop(sender);
    assert_eq!(Arc::strong_count(&value), 2);
    drop(weak);
    assert_eq!(Arc::strong_count(&value), 1);
}

/// A value leaves the future in its own poll.
#[test]
fn a_send_that_was_not_ready_has_sent_nothing() {
    let (sender, receiver) = bounded(1);
    let value = Arc::new(2);
    sender.try_send(Arc::new(1)).unwrap();
    let mut send = Polled::new(sender.send(value.clone()));
    send.waits();
    assert_eq!(receiver.try_recv(), Ok(Arc::new(1)));
    assert!(
        receiver.is_empty(),
        "it was told of the room, and has not looked"
    );
    drop(send);
    assert_eq!(Arc::strong_count(&value), 1);
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
}

#[test]
fn the_end_is_heard_of_once_it_is_there() {
    let (sender, receiver) = bounded::<u8>(1);
    let mut closed = Polled::new(sender.closed());
    closed.waits();
    closed.waits();
    let other = receiver.clone();
    drop(receiver);
    closed.waits();
    drop(other);
    closed.done();
    Polled::new(sender.closed()).done();
}

#[test]
fn a_send_that_is_polled_after_its_end_panics_and_a_receive_receives_again() {
    let (sender, receiver) = bounded(2);
    let mut recv = Polled::new(receiver.recv());
    for i in 0..2 {
        recv.waits();
        sender.try_send(i).unwrap();
        assert_eq!(recv.done(), Ok(i));
    }
    for stored in 0..=2 {
        let (sender, _receiver) = bounded(3);
        (0..stored).for_each(|i| sender.try_send(i).unwrap());
        let mut send = Polled::new(sender.send(9));
        assert_eq!(send.done(), Ok(()));
        let again = std::panic::AssertUnwindSafe(|| send.poll());
        assert!(catch_unwind(again).is_err(), "{stored} were stored");
        assert_eq!(sender.len(), stored + 1);
    }
}

#[test]
fn errors_tell_what_happened_and_give_the_value_back() {
    let errors = [TrySendError::Full(1), TrySendError::Closed(2)];
    assert_eq!(errors.map(|error| error.is_full()), [true, false]);
    assert_eq!(errors.map(|error| error.is_closed()), [false, true]);
    assert_eq!(errors.map(TrySendError::into_inner), [1, 2]);
    assert_eq!(SendError(3).into_inner(), 3);
    let errors = [TryRecvError::Empty, TryRecvError::Closed];
    assert_eq!(errors.map(|error| error.is_empty()), [true, false]);
    assert_eq!(errors.map(|error| error.is_closed()), [false, true]);
    struct Opaque;
    let shown = [
        format!("{:?}", SendError(Opaque)),
        format!("{:?}", TrySendError::Full(Opaque)),
        format!("{:?}", TrySendError::Closed(Opaque)),
        format!("{:?}", (RecvError, TryRecvError::Empty)),
    ];
    let expected = [
        "SendError(..)",
        "Full(..)",
        "Closed(..)",
        "(RecvError, Empty)",
    ];
    assert_eq!(shown, expected);
    fn is_error<E: std::error::Error>(_: E) {}
    is_error(SendError(Opaque));
    is_error(TrySendError::Full(Opaque));
    is_error((RecvError, TryRecvError::Empty).1);
    is_error(RecvError);
}

#[test]
fn handles_and_futures_show_no_value() {
    struct Opaque;
    let (sender, receiver) = bounded::<Opaque>(1);
    assert_eq!(
        format!("{sender:?} {receiver:?}"),
        "Sender { .. } Receiver { .. }"
    );
    let weak = (sender.downgrade(), receiver.downgrade());
    assert_eq!(
        format!("{weak:?}"),
        "(WeakSender { .. }, WeakReceiver { .. })"
    );
    let mut recv = receiver.recv();
    assert_eq!(format!("{recv:?}"), "Recv { waits: false, .. }");
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(matches!(
        std::pin::Pin::new(&mut recv).poll(&mut cx),
        Poll::Pending
    ));
    assert_eq!(format!("{recv:?}"), "Recv { waits: true, .. }");
    assert_eq!(
        format!("{:?}", sender.send(Opaque)),
        "Send { waits: false, .. }"
    );
    assert_eq!(
        format!("{:?}", sender.closed()),
        "Closed { waits: false, .. }"
    );
}
