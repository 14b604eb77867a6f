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
