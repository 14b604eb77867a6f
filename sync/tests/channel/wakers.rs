//! Wakers and values that panic or use the channel while they are woken or dropped.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};

use futures_core::Stream;
use gort_sync::channel::{Receiver, Sender, TryRecvError, bounded, unbounded};

use super::support::{Bomb, Count, Polled};

fn bomb() -> Waker {
    Waker::from(Arc::new(Bomb))
}

fn panics<R>(f: impl FnOnce() -> R) {
    assert!(
        catch_unwind(AssertUnwindSafe(|| drop(f()))).is_err(),
        "it should panic"
    );
}

/// A waker that panics when its last reference is dropped.
struct Fragile;

impl Wake for Fragile {
    fn wake(self: Arc<Self>) {
        std::mem::forget(self);
    }
}

impl Drop for Fragile {
    fn drop(&mut self) {
        panic!("a waker whose drop panics");
    }
}

/// Polls with a waker of which only the channel keeps a reference.
fn waits_with_fragile<F: Future>(future: &mut Polled<F>) {
    let waker = Waker::from(Arc::new(Fragile));
    assert!(future.poll_with(&waker).is_pending());
    drop(waker);
}

#[test]
fn a_sender_whose_waker_panics_costs_no_value() {
    let (sender, receiver) = bounded(1);
    sender.try_send(1).unwrap();
    let mut send = Polled::new(sender.send(2));
    assert!(send.poll_with(&bomb()).is_pending());
    panics(|| receiver.try_recv());
    assert_eq!((receiver.len(), send.poll().is_pending()), (1, true));
    assert_eq!(receiver.try_recv(), Ok(1));
    assert_eq!(send.done(), Ok(()));
    assert_eq!(receiver.try_recv(), Ok(2));
}

/// The value that came back is told of like any other.
#[test]
fn a_value_that_came_back_tells_receivers_and_streams() {
    let (sender, receiver) = bounded(1);
    sender.try_send(1).unwrap();
    let mut send = Polled::new(sender.send(2));
    struct Enters(Sender<u8>, Receiver<u8>, Waker);
    impl Wake for Enters {
        fn wake(self: Arc<Self>) {
            // While the value is out, others wait for it.
            let mut recv = Polled::new(self.1.recv());
            assert!(recv.poll_with(&self.2).is_pending());
            recv.leak();
            let mut stream = Box::pin(self.1.clone());
            let poll = stream.as_mut().poll_next(&mut Context::from_waker(&self.2));
            assert!(poll.is_pending());
            std::mem::forget(stream);
            panic!("a waker that panics at its end, with {:?}", self.0);
        }
    }
    let (told, waker) = Count::new();
    let enters = Waker::from(Arc::new(Enters(sender.clone(), receiver.clone(), waker)));
    assert!(send.poll_with(&enters).is_pending());
    drop(enters);
    panics(|| receiver.try_recv());
    assert_eq!(told.get(), 2);
    assert_eq!(receiver.try_recv(), Ok(1));
}

#[test]
fn a_waker_that_cannot_be_dropped_costs_no_value() {
    let (sender, receiver) = bounded(2);
    let mut told = Polled::new(receiver.recv());
    told.waits();
    let mut early = Polled::new(receiver.recv());
    waits_with_fragile(&mut early);
    sender.try_send(1).unwrap();
    panics(|| early.poll());
    assert_eq!(told.done(), Ok(1));

    // One that is replaced: the new one is there.
    let mut recv = Polled::new(receiver.recv());
    waits_with_fragile(&mut recv);
    let (count, waker) = Count::new();
    panics(|| recv.poll_with(&waker));
    sender.try_send(2).unwrap();
    assert_eq!(count.get(), 1);
    assert_eq!(recv.done(), Ok(2));
}

#[test]
fn closing_reaches_everybody_although_a_waker_panics() {
    let (sender, receiver) = unbounded::<u8>();
    let (woken, waker) = Count::new();
    let mut recvs: Vec<_> = (0..100).map(|_| Polled::new(receiver.recv())).collect();
    for (i, recv) in recvs.iter_mut().enumerate() {
        let waker = if i == 3 { &bomb() } else { &waker };
        assert!(recv.poll_with(waker).is_pending());
    }
    let mut closed = Polled::new(sender.closed());
    assert!(closed.poll_with(&waker).is_pending());
    panics(|| sender.close());
    assert_eq!(woken.get(), 100);
    assert!(recvs.iter_mut().all(|recv| recv.poll().is_ready()));
}

#[test]
fn a_value_reaches_all_streams_although_a_waker_panics() {
    for bad in [0, 1, 40, 99] {
        let (sender, receiver) = unbounded();
        let (woken, waker) = Count::new();
        let mut streams: Vec<_> = (0..100).map(|_| receiver.clone()).collect();
        for (i, stream) in streams.iter_mut().enumerate() {
            let waker = if i == bad { &bomb() } else { &waker };
            let poll = Pin::new(stream).poll_next(&mut Context::from_waker(waker));
            assert!(poll.is_pending());
        }
        panics(|| sender.try_send(1));
        assert_eq!(woken.get(), 99);
        assert_eq!(receiver.try_recv(), Ok(1));
    }
}

#[test]
fn a_receiver_whose_waker_cannot_be_dropped_is_gone_all_the_same() {
    let (sender, mut receiver) = bounded::<u8>(1);
    let waker = Waker::from(Arc::new(Fragile));
    let poll = Pin::new(&mut receiver).poll_next(&mut Context::from_waker(&waker));
    assert!(poll.is_pending());
    drop(waker);
    panics(|| drop(receiver));
    assert!(sender.is_closed());
    assert_eq!(sender.receiver_count(), 0);
}

/// Panics when it is dropped, and counts that.
struct Mine(Arc<AtomicUsize>);

impl Drop for Mine {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
        if !std::thread::panicking() {
            panic!("a value whose drop panics");
        }
    }
}

#[test]
fn values_whose_drop_panics_harm_nobody() {
    let dropped = Arc::new(AtomicUsize::new(0));
    let mine = || Mine(dropped.clone());
    let (sender, receiver) = bounded(1);
    sender.try_send(mine()).ok().unwrap();
    let mut waiting = Polled::new(sender.send(mine()));
    waiting.waits();
    let (told, waker) = Count::new();
    let mut next = Polled::new(sender.send(mine()));
    assert!(next.poll_with(&waker).is_pending());
    std::mem::forget(receiver.try_recv().ok());
    // It was told of the room: it passes that on before its value panics.
    panics(|| drop(waiting));
    assert_eq!(told.get(), 1);
    assert!(next.done().is_ok());
    panics(|| sender.force_send(mine()));
    assert_eq!(receiver.len(), 1);
    drop(next);
    panics(|| drop((receiver, sender)));
    assert_eq!(dropped.load(Ordering::SeqCst), 3);
}

/// A waker that uses the channel.
struct Uses<F: Fn()>(F);

impl<F: Fn() + Send + Sync + 'static> Wake for Uses<F> {
    fn wake(self: Arc<Self>) {
        (self.0)();
    }
}

fn using(f: impl Fn() + Send + Sync + 'static) -> Waker {
    Waker::from(Arc::new(Uses(f)))
}

#[test]
fn a_waker_may_receive_what_it_is_woken_for() {
    let (sender, receiver) = unbounded();
    let inner = receiver.clone();
    let mut recv = Polled::new(receiver.recv());
    let waker = using(move || assert_eq!(inner.try_recv(), Ok(1)));
    assert!(recv.poll_with(&waker).is_pending());
    sender.try_send(1).unwrap();
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    recv.waits();
    sender.try_send(2).unwrap();
    assert_eq!(recv.done(), Ok(2));
}

#[test]
fn a_waker_may_send_when_it_is_woken_for_room() {
    let (sender, receiver) = bounded(1);
    sender.try_send(1).unwrap();
    let inner = sender.clone();
    let mut send = Polled::new(sender.send(2));
    let waker = using(move || assert_eq!(inner.try_send(3), Ok(())));
    assert!(send.poll_with(&waker).is_pending());
    assert_eq!(receiver.try_recv(), Ok(1));
    send.waits();
    assert_eq!(receiver.try_recv(), Ok(3));
    assert_eq!(send.done(), Ok(()));
}

#[test]
fn a_waker_may_drop_the_last_handle() {
    let (sender, receiver) = bounded::<u8>(1);
    let last = std::sync::Mutex::new(Some(receiver.clone()));
    let weak = receiver.downgrade();
    let mut stream = receiver;
    let waker = using(move || drop(last.lock().unwrap().take()));
    let mut cx = Context::from_waker(&waker);
    assert!(Pin::new(&mut stream).poll_next(&mut cx).is_pending());
    sender.try_send(1).unwrap();
    drop(stream);
    assert!(sender.is_closed());
    assert!(weak.upgrade().is_none());
}
