//! Handles: how many there are, weak ones, and what may go from thread to thread.

use std::cell::Cell;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::rc::Rc;

use futures_core::{FusedStream, Stream};
use gort_sync::channel::{
    Closed, Receiver, Recv, Send, Sender, WeakReceiver, WeakSender, bounded, unbounded,
};

#[test]
fn a_channel_closes_with_its_last_sender_or_receiver() {
    let (sender, receiver) = unbounded::<u8>();
    let (senders, receivers) = ([(); 3].map(|()| sender.clone()), receiver.clone());
    assert_eq!((sender.sender_count(), sender.receiver_count()), (4, 2));
    assert_eq!((receiver.sender_count(), receiver.receiver_count()), (4, 2));
    drop((sender, receiver));
    assert!(!receivers.is_closed());
    drop(senders);
    assert!(receivers.is_closed());
    assert_eq!(
        (receivers.sender_count(), receivers.receiver_count()),
        (0, 1)
    );

    let (sender, receiver) = bounded::<u8>(1);
    let other = receiver.clone();
    drop(receiver);
    assert!(!sender.is_closed());
    drop(other);
    assert!(sender.is_closed());
}

#[test]
fn handles_know_their_channel() {
    let (a, b) = (bounded::<u8>(1), bounded::<u8>(1));
    assert!(a.0.same_channel(&a.0.clone()) && a.1.same_channel(&a.1.clone()));
    assert!(!a.0.same_channel(&b.0) && !a.1.same_channel(&b.1));
}

#[test]
fn a_weak_handle_keeps_no_channel_open() {
    let (sender, receiver) = bounded::<u8>(1);
    let (weak_sender, weak_receiver) = (sender.downgrade(), receiver.downgrade());
    let upgraded = (
        weak_sender.upgrade().expect("it is open"),
        weak_receiver.clone().upgrade().expect("it is open"),
    );
    assert!(sender.same_channel(&upgraded.0) && receiver.same_channel(&upgraded.1));
    assert_eq!((sender.sender_count(), sender.receiver_count()), (2, 2));
    drop(sender);
    assert!(weak_sender.upgrade().is_some());
    drop(upgraded);
    for _ in 0..3 {
        assert!(weak_sender.clone().upgrade().is_none());
        assert_eq!(receiver.sender_count(), 0);
    }
    assert!(weak_receiver.upgrade().is_none(), "the channel is closed");
    assert_eq!(receiver.receiver_count(), 1);
}

#[test]
fn no_handle_comes_back_into_a_closed_channel() {
    let (sender, receiver) = bounded::<u8>(1);
    let weak = (sender.downgrade(), receiver.downgrade());
    sender.close();
    assert!(weak.0.upgrade().is_none() && weak.1.upgrade().is_none());
    assert_eq!((sender.sender_count(), sender.receiver_count()), (1, 1));
}

fn unwinds<T: UnwindSafe + RefUnwindSafe>() {}
fn streams<T: Stream + FusedStream + Unpin>() {}

#[test]
fn handles_may_cross_a_panic_whatever_they_carry() {
    type Any = Rc<Cell<&'static mut u8>>;
    unwinds::<(Sender<Any>, Receiver<Any>)>();
    unwinds::<(WeakSender<Any>, WeakReceiver<Any>)>();
    unwinds::<(Recv<'_, Any>, Closed<'_, Any>)>();
    unwinds::<Send<'_, u8>>();
}

#[test]
fn all_can_be_moved_while_they_wait() {
    fn unpin<T: Unpin>() {}
    type Pinned = std::marker::PhantomPinned;
    unpin::<(Send<'_, Pinned>, Recv<'_, Pinned>, Closed<'_, Pinned>)>();
    streams::<Receiver<Pinned>>();
}
