//! Who waits, who is told, and what becomes of what one was told.

use std::sync::Arc;
use std::task::{Poll, Waker};

use gort_sync::channel::{Receiver, Recv, RecvError, SendError, Sender, bounded, unbounded};

use super::support::{Count, Polled};

/// A receive that waits, and how often it was told.
fn waits<T>(receiver: &Receiver<T>) -> (Polled<Recv<'_, T>>, Arc<Count>) {
    let (told, waker) = Count::new();
    let mut recv = Polled::new(receiver.recv());
    assert!(recv.poll_with(&waker).is_pending());
    (recv, told)
}

/// A full channel.
fn full() -> (Sender<u8>, Receiver<u8>) {
    let channel = bounded(1);
    channel.0.try_send(0).unwrap();
    channel
}

/// A send that waits, and how often it was told.
fn waits_for_room(
    sender: &Sender<u8>,
    value: u8,
) -> (Polled<gort_sync::channel::Send<'_, u8>>, Arc<Count>) {
    let (told, waker) = Count::new();
    let mut send = Polled::new(sender.send(value));
    assert!(send.poll_with(&waker).is_pending());
    (send, told)
}

#[test]
fn each_value_tells_one_receiver_in_the_order_of_the_line() {
    let (sender, receiver) = unbounded();
    let (mut first, told_first) = waits(&receiver);
    let (mut second, told_second) = waits(&receiver);
    sender.try_send(1).unwrap();
    assert_eq!((told_first.get(), told_second.get()), (1, 0));
    sender.try_send(2).unwrap();
    assert_eq!((told_first.get(), told_second.get()), (1, 1));
    sender.try_send(3).unwrap();
    assert_eq!((told_first.get(), told_second.get()), (1, 1));
    // The values are in the channel: who looks first has the first.
    assert_eq!(receiver.len(), 3);
    assert_eq!(second.done(), Ok(1));
    assert_eq!(first.done(), Ok(2));
}

#[test]
fn each_place_tells_one_sender_in_the_order_of_the_line() {
    let (sender, receiver) = full();
    let (mut first, told_first) = waits_for_room(&sender, 1);
    let (mut second, told_second) = waits_for_room(&sender, 2);
    assert_eq!(receiver.try_recv(), Ok(0));
    assert_eq!((told_first.get(), told_second.get()), (1, 0));
    assert!(second.poll().is_ready(), "the place is free for all");
    first.waits();
    assert_eq!(receiver.try_recv(), Ok(2));
    assert_eq!(first.done(), Ok(()));
    assert_eq!(receiver.try_recv(), Ok(1));
}

#[test]
fn one_who_was_told_and_finds_nothing_enters_again_at_the_end() {
    let (sender, receiver) = unbounded();
    let (mut first, _) = waits(&receiver);
    let (mut second, told_second) = waits(&receiver);
    sender.try_send(1).unwrap();
    assert_eq!(receiver.try_recv(), Ok(1), "somebody was faster");
    let (told_first, waker) = Count::new();
    assert!(first.poll_with(&waker).is_pending());
    sender.try_send(2).unwrap();
    assert_eq!((told_first.get(), told_second.get()), (0, 1));
    sender.try_send(3).unwrap();
    assert_eq!((told_first.get(), told_second.get()), (1, 1));
    assert_eq!((second.done(), first.done()), (Ok(2), Ok(3)));
}

#[test]
fn a_receiver_in_line_takes_what_it_finds_before_it_was_told() {
    let (sender, receiver) = unbounded();
    let (mut told, count) = waits(&receiver);
    let (mut early, early_count) = waits(&receiver);
    sender.try_send(1).unwrap();
    assert_eq!(early.done(), Ok(1));
    assert_eq!((count.get(), early_count.get()), (1, 0));
    told.waits();
    drop(early);
    sender.try_send(2).unwrap();
    assert_eq!(told.done(), Ok(2));
}

#[test]
fn a_receiver_that_was_told_and_is_dropped_tells_the_next() {
    let (sender, receiver) = unbounded();
    let (first, _) = waits(&receiver);
    let (second, told_second) = waits(&receiver);
    let (mut third, told_third) = waits(&receiver);
    sender.try_send(1).unwrap();
    drop(first);
    assert_eq!((told_second.get(), told_third.get()), (1, 0));
    drop(second);
    assert_eq!(told_third.get(), 1);
    assert_eq!(third.done(), Ok(1));
}

#[test]
fn a_sender_that_was_told_and_is_dropped_tells_the_next() {
    let (sender, receiver) = full();
    let (first, _) = waits_for_room(&sender, 1);
    let (second, told_second) = waits_for_room(&sender, 2);
    let (mut third, told_third) = waits_for_room(&sender, 3);
    assert_eq!(receiver.try_recv(), Ok(0));
    drop(first);
    assert_eq!((told_second.get(), told_third.get()), (1, 0));
    drop(second);
    assert_eq!(told_third.get(), 1);
    assert_eq!(third.done(), Ok(()));
    assert_eq!(receiver.try_recv(), Ok(3));
}

#[test]
fn what_is_gone_is_passed_on_to_nobody() {
    let (sender, receiver) = unbounded();
    let (first, _) = waits(&receiver);
    let (_second, told) = waits(&receiver);
    sender.try_send(1).unwrap();
    assert_eq!(receiver.try_recv(), Ok(1));
    drop(first);
    assert_eq!(told.get(), 0, "there is nothing to look for");

    let (sender, receiver) = full();
    let (first, _) = waits_for_room(&sender, 1);
    let (_second, told) = waits_for_room(&sender, 2);
    assert_eq!(receiver.try_recv(), Ok(0));
    assert_eq!(sender.try_send(3), Ok(()));
    drop(first);
    assert_eq!(told.get(), 0);
}

#[test]
fn one_who_waits_and_is_dropped_leaves_the_line() {
    let (sender, receiver) = unbounded();
    let (first, _) = waits(&receiver);
    let (mut second, told) = waits(&receiver);
    drop(first);
    assert_eq!(told.get(), 0);
    sender.try_send(1).unwrap();
    assert_eq!(told.get(), 1);
    assert_eq!(second.done(), Ok(1));

    let (sender, receiver) = full();
    let (first, _) = waits_for_room(&sender, 1);
    let (mut second, told) = waits_for_room(&sender, 2);
    drop(first);
    assert_eq!(receiver.try_recv(), Ok(0));
    assert_eq!(told.get(), 1);
    assert_eq!(second.done(), Ok(()));
}

/// It costs the others one notice, whether it is kept or forgotten, and nothing else.
#[test]
fn one_who_is_told_and_never_looks_costs_one_notice() {
    for forget in [false, true] {
        let (sender, receiver) = bounded(2);
        let (stuck, _) = waits(&receiver);
        let (mut waiting, told) = waits(&receiver);
        let stuck = if forget {
            stuck.leak();
            None
        } else {
            Some(stuck)
        };
        sender.try_send(1).unwrap();
        assert_eq!(told.get(), 0);
        sender.try_send(2).unwrap();
        assert_eq!(told.get(), 1);
        assert_eq!(waiting.done(), Ok(1));
        assert_eq!(receiver.try_recv(), Ok(2));
        drop(stuck);

        let (sender, receiver) = full();
        let (stuck, _) = waits_for_room(&sender, 1);
        let (mut waiting, told) = waits_for_room(&sender, 2);
        let stuck = if forget {
            stuck.leak();
            None
        } else {
            Some(stuck)
        };
        assert_eq!(receiver.try_recv(), Ok(0));
        assert_eq!(told.get(), 0);
        assert_eq!(sender.try_send(3), Ok(()));
        assert_eq!(receiver.try_recv(), Ok(3));
        assert_eq!(told.get(), 1);
        assert_eq!(waiting.done(), Ok(()));
        drop(stuck);
    }
}

/// The value is another, so somebody else may look.
#[test]
fn a_forced_send_tells_again_although_there_are_no_more_values() {
    let (sender, receiver) = bounded(1);
    let (_stuck, _) = waits(&receiver);
    let (mut second, told) = waits(&receiver);
    assert_eq!(sender.force_send(1), Ok(None));
    assert_eq!(told.get(), 0);
    assert_eq!(sender.force_send(2), Ok(Some(1)));
    assert_eq!(told.get(), 1);
    assert_eq!(second.done(), Ok(2));
}

#[test]
fn closing_tells_everybody() {
    let (sender, receiver) = full();
    let mut ends: Vec<_> = (0..50).map(|_| Polled::new(sender.closed())).collect();
    let mut sends: Vec<_> = (0..50).map(|_| Polled::new(sender.send(1))).collect();
    let (told, waker) = Count::new();
    assert!(
        ends.iter_mut()
            .all(|end| end.poll_with(&waker).is_pending())
    );
    assert!(
        sends
            .iter_mut()
            .all(|send| send.poll_with(&waker).is_pending())
    );
    assert!(receiver.close());
    assert_eq!(told.get(), 100);
    ends.iter_mut().for_each(Polled::done);
    assert!(
        sends
            .iter_mut()
            .all(|send| send.done() == Err(SendError(1)))
    );

    let (sender, receiver) = unbounded::<u8>();
    let mut recvs: Vec<_> = (0..100).map(|_| Polled::new(receiver.recv())).collect();
    let (told, waker) = Count::new();
    assert!(
        recvs
            .iter_mut()
            .all(|recv| recv.poll_with(&waker).is_pending())
    );
    drop(sender);
    assert_eq!(told.get(), 100);
    assert!(recvs.iter_mut().all(|recv| recv.done() == Err(RecvError)));
}

#[test]
fn only_the_newest_waker_is_woken() {
    let (sender, receiver) = bounded(1);
    let (mut recv, old) = waits(&receiver);
    let (new, waker) = Count::new();
    assert!(recv.poll_with(&waker).is_pending());
    sender.try_send(1).unwrap();
    assert_eq!((old.get(), new.get()), (0, 1));
    assert_eq!(recv.done(), Ok(1));
    let mut closed = Polled::new(sender.closed());
    assert!(closed.poll_with(&waker).is_pending());
    closed.waits();
    receiver.close();
    assert_eq!(new.get(), 1);
}

/// Counted by the references to it: none is made for a poll that need not wait, and one for each wait.
#[test]
fn wakers_are_cloned_only_to_be_kept() {
    let (count, waker) = Count::new();
    let kept = || Arc::strong_count(&count) - 2;
    let (sender, receiver) = bounded(1);
    let poll = |polled: &mut Polled<Recv<'_, u8>>, waker: &Waker| polled.poll_with(waker);
    sender.try_send(1).unwrap();
    let mut recv = Polled::new(receiver.recv());
    assert_eq!(poll(&mut recv, &waker), Poll::Ready(Ok(1)));
    assert_eq!(kept(), 0);
    for _ in 0..3 {
        assert!(poll(&mut recv, &waker).is_pending());
        assert_eq!(kept(), 1);
    }
    sender.try_send(2).unwrap();
    assert_eq!(kept(), 0);
    assert_eq!(poll(&mut recv, &waker), Poll::Ready(Ok(2)));
    assert!(poll(&mut recv, &waker).is_pending());
    drop(recv);
    assert_eq!(kept(), 0);
}
