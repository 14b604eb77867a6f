//! Models of the channel: the code that ships, in every order that a few threads can run in.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use gort_primitives::thread;
use loom::future::block_on;

use super::{RecvError, bounded, unbuffered};

#[test]
fn model_a_rendezvous_meets() {
    loom::model(|| {
        let (sender, receiver) = unbuffered();
        let thread = thread::spawn(move || block_on(sender.send(1)));
        assert_eq!(block_on(receiver.recv()), Ok(1));
        assert_eq!(thread.join().unwrap(), Ok(()));
        assert_eq!(block_on(receiver.recv()), Err(RecvError));
    });
}

#[test]
fn model_close_refuses_or_delivers() {
    loom::model(|| {
        let (sender, receiver) = bounded(1);
        let thread = thread::spawn(move || {
            let first = block_on(sender.send(1)).is_ok();
            (first, block_on(sender.send(2)).is_ok())
        });
        receiver.close();
        let mut got = 0;
        while block_on(receiver.recv()).is_ok() {
            got += 1;
        }
        let (first, second) = thread.join().unwrap();
        assert_eq!(got, usize::from(first) + usize::from(second));
    });
}

#[test]
fn model_a_dropped_receive_loses_nothing() {
    loom::model(|| {
        let (sender, receiver) = unbuffered();
        let thread = thread::spawn(move || block_on(sender.send(1)));
        let early = {
            let mut recv = pin!(receiver.recv());
            let mut cx = Context::from_waker(Waker::noop());
            recv.as_mut().poll(&mut cx)
        };
        let got = match early {
            Poll::Ready(got) => got,
            Poll::Pending => block_on(receiver.recv()),
        };
        assert_eq!(got, Ok(1));
        assert_eq!(thread.join().unwrap(), Ok(()));
    });
}

#[test]
fn model_two_receivers_share_what_comes() {
    loom::model(|| {
        let (sender, receiver) = bounded(1);
        let other = receiver.clone();
        let thread = thread::spawn(move || block_on(other.recv()).is_ok());
        block_on(sender.send(1)).unwrap();
        drop(sender);
        let here = block_on(receiver.recv()).is_ok();
        assert!(here != thread.join().unwrap(), "one of them gets it");
    });
}

/// Whoever waits for the end hears of it, whenever it comes.
#[test]
fn model_the_end_is_heard_of() {
    loom::model(|| {
        let (sender, receiver) = bounded::<u8>(1);
        let thread = thread::spawn(move || drop(receiver));
        block_on(sender.closed());
        assert!(sender.is_closed());
        thread.join().unwrap();
    });
}

/// A permit's value arrives or comes back, and nobody else gets its place.
#[test]
fn model_a_reserved_place_is_used_or_refused() {
    loom::model(|| {
        let (sender, receiver) = bounded(1);
        let thread = thread::spawn(move || {
            let Ok(permit) = block_on(sender.reserve()) else {
                return 0;
            };
            let other = sender.try_send(1).is_ok();
            assert!(!other, "there is one place, and it is ours");
            usize::from(permit.send(2).is_ok())
        });
        receiver.close();
        let mut got = 0;
        while block_on(receiver.recv()).is_ok() {
            got += 1;
        }
        assert_eq!(got, thread.join().unwrap());
    });
}

/// The place goes from one permit to the next who waits, past one who gives up, and to a sender.
#[test]
fn model_a_place_goes_on_past_who_gives_up() {
    loom::model(|| {
        let (sender, receiver) = bounded(1);
        let permit = sender.try_reserve().unwrap();
        let other = sender.clone();
        let thread = thread::spawn(move || block_on(other.reserve()).unwrap().send(1));
        {
            let mut reserve = pin!(sender.reserve());
            let mut cx = Context::from_waker(Waker::noop());
            assert!(reserve.as_mut().poll(&mut cx).is_pending());
            drop(permit);
        }
        assert_eq!(block_on(receiver.recv()), Ok(1));
        assert_eq!(thread.join().unwrap(), Ok(()));
        sender.try_send(2).unwrap();
    });
}

/// Who waits behind a permit gets its place when the value was received.
#[test]
fn model_a_permit_goes_before_who_waits_for_room() {
    loom::model(|| {
        let (sender, receiver) = bounded(1);
        let permit = sender.try_reserve().unwrap();
        let other = sender.clone();
        let thread = thread::spawn(move || block_on(other.send(2)));
        permit.send(1).unwrap();
        assert_eq!(block_on(receiver.recv()), Ok(1));
        assert_eq!(block_on(receiver.recv()), Ok(2));
        assert_eq!(thread.join().unwrap(), Ok(()));
    });
}

/// All that was received at once and one after the other is what was sent, in its order.
#[test]
fn model_many_are_received_in_order() {
    loom::model(|| {
        let (sender, receiver) = bounded(1);
        let thread = thread::spawn(move || {
            block_on(sender.send(1)).unwrap();
            block_on(sender.send(2)).unwrap();
        });
        let mut values = Vec::new();
        while block_on(receiver.recv_many(&mut values, 2)).is_ok() {}
        assert_eq!(values, [1, 2]);
        thread.join().unwrap();
    });
}
