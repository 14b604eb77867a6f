use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use futures_lite::future::block_on;

use super::*;

fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn a_value_is_received_once() {
    let (sender, mut receiver) = channel();
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    assert!(poll(&mut receiver).is_pending());
    assert_eq!(sender.send(1), Ok(()));
    assert_eq!(receiver.try_recv(), Ok(1));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
    assert!(receiver.is_terminated());
}

#[test]
fn a_value_for_nobody_comes_back() {
    let (sender, receiver) = channel();
    assert!(!sender.is_closed());
    drop(receiver);
    assert!(sender.is_closed());
    assert_eq!(sender.send("back"), Err("back"));
}

#[test]
fn a_closed_receiver_has_what_was_sent_before() {
    let (sender, mut receiver) = channel();
    sender.send(1).unwrap();
    receiver.close();
    assert_eq!(block_on(receiver), Ok(1));

    let (sender, mut receiver) = channel();
    receiver.close();
    assert!(sender.is_closed());
    assert_eq!(poll(&mut receiver), Poll::Ready(Err(RecvError)));
    assert_eq!(sender.send(1), Err(1));
}

#[test]
fn a_value_that_nobody_fetches_is_dropped() {
    let value = Arc::new(());
    let (sender, receiver) = channel();
    sender.send(value.clone()).unwrap();
    drop(receiver);
    assert_eq!(Arc::strong_count(&value), 1);
}

#[test]
fn values_need_not_be_send() {
    let (sender, receiver) = channel();
    sender.send(Rc::new(1)).unwrap();
    assert_eq!(*block_on(receiver).unwrap(), 1);
}

#[test]
fn a_sender_waits_for_the_receiver_to_go() {
    let (mut sender, receiver) = channel::<u8>();
    assert!(poll(&mut sender.closed()).is_pending());
    let thread = thread::spawn(move || drop(receiver));
    block_on(sender.closed());
    thread.join().unwrap();
}

#[test]
fn a_thread_can_block_for_it() {
    let (sender, receiver) = channel();
    let thread = thread::spawn(move || receiver.recv_blocking());
    sender.send(5).unwrap();
    assert_eq!(thread.join().unwrap(), Ok(5));
}

struct Bomb;

impl Wake for Bomb {
    fn wake(self: Arc<Self>) {
        panic!("a waker that panics");
    }
}

struct Quiet;

impl Wake for Quiet {
    fn wake(self: Arc<Self>) {}
}

#[test]
fn a_waker_that_panics_leaks_nothing() {
    let (mut sender, mut receiver) = channel::<u8>();
    let kept = Arc::new(Quiet);
    let waker = Waker::from(kept.clone());
    let mut cx = Context::from_waker(&waker);
    assert!(Pin::new(&mut receiver).poll(&mut cx).is_pending());
    drop(waker);
    let bomb = Waker::from(Arc::new(Bomb));
    let mut cx = Context::from_waker(&bomb);
    assert!(sender.poll_closed(&mut cx).is_pending());
    assert!(catch_unwind(AssertUnwindSafe(|| drop(receiver))).is_err());
    drop(sender);
    assert_eq!(Arc::strong_count(&kept), 1);
}
