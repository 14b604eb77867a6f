//! Models of the channel: the code that ships, in every order that a few threads can run in.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use gort_primitives::seeded::with_bug;
use gort_primitives::thread;
use loom::future::block_on;

use super::{Receiver, RecvError, TryRecvError, bounded};

/// Receives once with a future that is polled once.
fn glance(receiver: &Receiver<u8>) -> Option<u8> {
    let mut recv = pin!(receiver.recv());
    match recv.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(received) => received.ok(),
        Poll::Pending => None,
    }
}

#[test]
fn model_room_and_values_are_waited_for() {
    loom::model(|| {
        let (sender, receiver) = bounded(1);
        sender.try_send(1).unwrap();
        let thread = thread::spawn({
            let sender = sender.clone();
            move || block_on(sender.send(2)).unwrap()
        });
        assert_eq!(block_on(receiver.recv()), Ok(1));
        assert_eq!(block_on(receiver.recv()), Ok(2));
        thread.join().unwrap();
    });
}

#[test]
fn model_the_last_sender_ends_a_receive() {
    loom::model(|| {
        let (sender, receiver) = bounded(1);
        let thread = thread::spawn(move || sender.try_send(1).unwrap());
        assert_eq!(block_on(receiver.recv()), Ok(1));
        assert_eq!(block_on(receiver.recv()), Err(RecvError));
        thread.join().unwrap();
    });
}

/// One who was told and gives up passes on what it was told, whenever that is.
#[test]
fn model_a_dropped_receive_tells_one_who_comes() {
    loom::model(|| {
        let (sender, receiver) = bounded(1);
        let other = receiver.clone();
        let thread = thread::spawn(move || block_on(other.recv()));
        let mut recv = Box::pin(receiver.recv());
        let mut cx = Context::from_waker(Waker::noop());
        assert!(recv.as_mut().poll(&mut cx).is_pending());
        let sends = thread::spawn(move || {
            sender.try_send(1).unwrap();
            sender
        });
        drop(recv);
        assert_eq!(thread.join().unwrap(), Ok(1));
        sends.join().unwrap();
    });
}

/// The same for room.
#[test]
fn model_a_dropped_send_tells_one_who_comes() {
    loom::model(|| {
        let (sender, receiver) = bounded(1);
        sender.try_send(0).unwrap();
        let other = sender.clone();
        let thread = thread::spawn(move || block_on(other.send(1)));
        let mut send = Box::pin(sender.send(2));
        let mut cx = Context::from_waker(Waker::noop());
        let sent = send.as_mut().poll(&mut cx).is_ready();
        assert!(!sent);
        let takes = thread::spawn(move || {
            assert_eq!(receiver.try_recv(), Ok(0));
            receiver
        });
        drop(send);
        assert_eq!(thread.join().unwrap(), Ok(()));
        assert_eq!(takes.join().unwrap().try_recv(), Ok(1));
    });
}

/// Two wait; the first gives up while what they wait for comes: the second was told in the end.
fn one_of_two_gives_up<F: Future>(make: impl Fn() -> F, give: impl FnOnce() + Send + 'static) {
    let told = Arc::new(Told(AtomicBool::new(false)));
    let waker = Waker::from(told.clone());
    let (mut first, mut second) = (Box::pin(make()), Box::pin(make()));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(first.as_mut().poll(&mut cx).is_pending());
    let mut cx = Context::from_waker(&waker);
    assert!(second.as_mut().poll(&mut cx).is_pending());
    let gives = thread::spawn(give);
    drop(first);
    gives.join().unwrap();
    assert!(told.0.load(Ordering::SeqCst), "nobody was told");
    assert!(second.as_mut().poll(&mut cx).is_ready());
}

/// Its order does not matter here.
struct Told(AtomicBool);

impl Wake for Told {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

fn one_of_two_receives_gives_up() {
    loom::model(|| {
        let (sender, receiver) = bounded(1);
        let other = sender.clone();
        one_of_two_gives_up(|| receiver.recv(), move || other.try_send(1).unwrap());
    });
}

fn one_of_two_sends_gives_up() {
    loom::model(|| {
        let (sender, receiver) = bounded(1);
        sender.try_send(1).unwrap();
        let other = receiver.clone();
        let take = move || assert_eq!(other.try_recv(), Ok(1));
        one_of_two_gives_up(|| sender.send(2), take);
    });
}

#[test]
fn model_one_who_gives_up_passes_on_what_it_was_told() {
    one_of_two_receives_gives_up();
    one_of_two_sends_gives_up();
}

#[test]
#[should_panic(expected = "nobody was told")]
fn model_a_receive_must_pass_on_what_it_was_told() {
    with_bug(
        "what was told is not passed on",
        one_of_two_receives_gives_up,
    );
}

#[test]
#[should_panic(expected = "nobody was told")]
fn model_a_send_must_pass_on_what_it_was_told() {
    with_bug("what was told is not passed on", one_of_two_sends_gives_up);
}

/// What was sent is received, and what was refused is not.
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

/// A stream and a receiver wait for the same value: one of them gets it, and the other hears of the end.
#[test]
fn model_a_stream_and_a_receiver_share_what_comes() {
    use futures_core::Stream;
    loom::model(|| {
        let (sender, receiver) = bounded(1);
        let mut stream = receiver.clone();
        let thread = thread::spawn(move || {
            let next = std::future::poll_fn(|cx| std::pin::Pin::new(&mut stream).poll_next(cx));
            block_on(next).is_some()
        });
        sender.try_send(1).unwrap();
        drop(sender);
        let here = block_on(receiver.recv()).is_ok();
        assert!(here != thread.join().unwrap(), "one of them gets it");
    });
}

/// Whoever looks without the lock finds what was sent before, and a receive that only glances loses nothing.
#[test]
fn model_what_was_sent_before_is_seen() {
    loom::model(|| {
        let (sender, receiver) = bounded(2);
        let glancing = receiver.clone();
        let thread = thread::spawn(move || glance(&glancing));
        sender.try_send(1).unwrap();
        sender.try_send(2).unwrap();
        let here = receiver.try_recv();
        let there = thread.join().unwrap();
        let mut all: Vec<_> = here.ok().into_iter().chain(there).collect();
        all.extend(receiver.try_recv().ok());
        all.sort_unstable();
        assert_eq!((here.is_ok(), all), (true, vec![1, 2]));
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
        drop(sender);
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
    });
}

/// An upgrade comes before the end, or fails.
#[test]
fn model_a_weak_sender_comes_before_the_end_or_not_at_all() {
    loom::model(|| {
        let (sender, receiver) = bounded(1);
        let weak = sender.downgrade();
        let thread = thread::spawn(move || drop(sender));
        let sent = weak
            .upgrade()
            .is_some_and(|sender| sender.try_send(1).is_ok());
        assert_eq!(block_on(receiver.recv()).is_ok(), sent);
        thread.join().unwrap();
        assert_eq!(receiver.sender_count(), 0);
        assert!(receiver.is_closed());
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
