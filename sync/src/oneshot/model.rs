//! Models of the one-shot channel: the code that ships, in every order that two threads can run in.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};

use gort_primitives::thread;
use loom::future::block_on;

use super::channel;

#[test]
fn model_a_value_arrives() {
    loom::model(|| {
        let (sender, receiver) = channel();
        let value = Arc::new(());
        let thread = thread::spawn({
            let value = value.clone();
            move || sender.send(value).unwrap()
        });
        assert!(block_on(receiver).is_ok());
        thread.join().unwrap();
        assert_eq!(Arc::strong_count(&value), 1);
    });
}

#[test]
fn model_a_dropped_sender_wakes() {
    loom::model(|| {
        let (sender, receiver) = channel::<u8>();
        let thread = thread::spawn(move || drop(sender));
        assert!(block_on(receiver).is_err());
        thread.join().unwrap();
    });
}

#[test]
fn model_a_receiver_goes_while_a_value_comes() {
    loom::model(|| {
        let (sender, mut receiver) = channel();
        let value = Arc::new(());
        let thread = thread::spawn({
            let value = value.clone();
            move || sender.send(value).is_ok()
        });
        {
            let mut cx = Context::from_waker(Waker::noop());
            let _ = pin!(&mut receiver).poll(&mut cx).is_ready();
        }
        drop(receiver);
        thread.join().unwrap();
        assert_eq!(
            Arc::strong_count(&value),
            1,
            "the value is dropped once, with whom it was"
        );
    });
}

#[test]
fn model_close_refuses_or_receives() {
    loom::model(|| {
        let (sender, mut receiver) = channel();
        let thread = thread::spawn(move || sender.send(1).is_ok());
        receiver.close();
        let got = receiver.try_recv().is_ok();
        assert_eq!(got, thread.join().unwrap());
    });
}

#[test]
fn model_the_sender_hears_that_the_receiver_goes() {
    loom::model(|| {
        let (mut sender, receiver) = channel::<u8>();
        let thread = thread::spawn(move || drop(receiver));
        block_on(sender.closed());
        assert!(sender.send(1).is_err());
        thread.join().unwrap();
    });
}

/// The waker changes while the value comes.
#[test]
fn model_the_newest_waker_is_woken() {
    loom::model(|| {
        let (sender, mut receiver) = channel();
        let thread = thread::spawn(move || sender.send(1).unwrap());
        let early = {
            let mut cx = Context::from_waker(Waker::noop());
            pin!(&mut receiver).poll(&mut cx).is_ready()
        };
        assert!(early || block_on(receiver) == Ok(1));
        thread.join().unwrap();
    });
}
