use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Waker};

use futures_lite::future::block_on;

use super::*;

#[test]
fn every_receiver_gets_every_value() {
    let (sender, mut one) = channel(4);
    let mut two = sender.subscribe();
    let mut cloned = one.clone();
    assert_eq!(sender.send("a"), Ok(3));
    for receiver in [&mut one, &mut two, &mut cloned] {
        assert_eq!(block_on(receiver.recv()), Ok("a"));
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    }
}

#[test]
fn a_new_receiver_gets_only_what_is_sent_after() {
    let (sender, _first) = channel(4);
    sender.send(1).unwrap();
    let mut late = sender.subscribe();
    sender.send(2).unwrap();
    assert_eq!(late.len(), 1);
    assert_eq!(late.try_recv(), Ok(2));
    assert!(late.is_empty());
}

#[test]
fn who_falls_behind_is_told_how_far() {
    let (sender, mut receiver) = channel(2);
    (0..5).for_each(|i| assert!(sender.send(i).is_ok()));
    assert_eq!(receiver.len(), 5);
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Lagged(3)));
    assert_eq!(receiver.try_recv(), Ok(3));
    drop(sender);
    assert_eq!(receiver.try_recv(), Ok(4));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
}

#[test]
fn a_value_for_nobody_comes_back() {
    let (sender, receiver) = channel(1);
    drop(receiver);
    assert_eq!(sender.send(7), Err(SendError(7)));
    let mut back = sender.subscribe();
    sender.send(8).unwrap();
    assert_eq!(back.try_recv(), Ok(8));
}

#[test]
fn a_dropped_receive_loses_nothing() {
    let (sender, mut receiver) = channel(2);
    {
        let mut recv = pin!(receiver.recv());
        let mut cx = Context::from_waker(Waker::noop());
        assert!(recv.as_mut().poll(&mut cx).is_pending());
        sender.send(1).unwrap();
    }
    assert_eq!(block_on(receiver.recv()), Ok(1));
}

#[test]
#[should_panic = "at least one value"]
fn no_capacity_is_refused() {
    let _ = channel::<u8>(0);
}

/// Counts its clones.
#[derive(Debug)]
struct Counted<'a>(&'a AtomicUsize);

impl Clone for Counted<'_> {
    fn clone(&self) -> Self {
        self.0.fetch_add(1, Ordering::Relaxed);
        Self(self.0)
    }
}

#[test]
fn what_is_displaced_is_not_cloned() {
    let clones = AtomicUsize::new(0);
    let (sender, mut receiver) = channel(1);
    sender.send(Counted(&clones)).unwrap();
    sender.send(Counted(&clones)).unwrap();
    assert!(matches!(receiver.try_recv(), Err(TryRecvError::Lagged(1))));
    receiver.try_recv().unwrap();
    assert_eq!(clones.load(Ordering::Relaxed), 1);
}

#[test]
fn a_new_receiver_can_be_made_of_another() {
    let (sender, first) = channel(4);
    sender.send(1).unwrap();
    let (mut late, mut cloned) = (first.resubscribe(), first.clone());
    assert!(late.same_channel(&first) && !late.same_channel(&channel(1).1));
    drop(first);
    assert_eq!(sender.send(2), Ok(2));
    drop(sender);
    assert_eq!((late.try_recv(), cloned.try_recv()), (Ok(2), Ok(1)));
    assert_eq!(late.try_recv(), Err(TryRecvError::Closed));
    assert_eq!(
        late.resubscribe().try_recv(),
        Err(TryRecvError::Closed),
        "nobody sends any more"
    );
}

/// Panics when it is dropped; its clones do not.
struct Explosive(bool);

impl Clone for Explosive {
    fn clone(&self) -> Self {
        Self(false)
    }
}

impl Drop for Explosive {
    fn drop(&mut self) {
        assert!(!self.0, "expected");
    }
}

#[test]
fn a_displaced_value_that_panics_keeps_nobody_from_hearing_of_the_new_one() {
    let (sender, mut receiver) = channel(1);
    sender.send(Explosive(true)).ok().unwrap();
    assert!(receiver.try_recv().is_ok());
    {
        let (woken, waker) = count();
        let mut recv = pin!(receiver.recv());
        let mut cx = Context::from_waker(&waker);
        assert!(recv.as_mut().poll(&mut cx).is_pending());
        let send = || sender.send(Explosive(false));
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(send)).is_err());
        assert_eq!(woken.0.load(Ordering::Relaxed), 1);
    }
    assert!(receiver.try_recv().is_ok());
}

/// A waker that counts.
#[derive(Default)]
struct Wakes(AtomicUsize);

impl std::task::Wake for Wakes {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn count() -> (std::sync::Arc<Wakes>, Waker) {
    let wakes = std::sync::Arc::new(Wakes::default());
    (wakes.clone(), wakes.into())
}
