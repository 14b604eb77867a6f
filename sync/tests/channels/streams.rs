//! Receivers of `watch` and `broadcast` as streams.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::thread;

use futures_lite::future::block_on;
use futures_lite::{Stream, StreamExt};
use gort_sync::broadcast::{self, Lagged};
use gort_sync::watch;

use super::support::{Count, Polled};

fn poll_next<S: Stream + Unpin>(stream: &mut S, waker: &Waker) -> Poll<Option<S::Item>> {
    Pin::new(stream).poll_next(&mut Context::from_waker(waker))
}

#[test]
fn a_watch_stream_gives_what_was_not_seen_and_wakes_for_each_change() {
    let (sender, receiver) = watch::channel(0);
    let mut stream = receiver.into_stream();
    let (woken, waker) = Count::new();
    assert!(poll_next(&mut stream, &waker).is_pending());
    sender.send(1).unwrap();
    assert_eq!(woken.get(), 1);
    sender.send(2).unwrap();
    assert_eq!(poll_next(&mut stream, &waker), Poll::Ready(Some(2)));
    assert!(poll_next(&mut stream, &waker).is_pending());
    assert_eq!(stream.get_ref().has_changed(), Ok(false));
    sender.send(3).unwrap();
    drop(sender);
    assert_eq!(poll_next(&mut stream, &waker), Poll::Ready(Some(3)));
    assert_eq!(poll_next(&mut stream, &waker), Poll::Ready(None));
    assert_eq!(poll_next(&mut stream, &waker), Poll::Ready(None));
}

#[test]
fn a_watch_stream_that_is_dropped_while_it_waits_watches_no_more() {
    let (sender, receiver) = watch::channel(0);
    let (mut gone, mut stays) = (receiver.clone().into_stream(), receiver.into_stream());
    assert!(poll_next(&mut gone, Waker::noop()).is_pending());
    assert!(poll_next(&mut stays, Waker::noop()).is_pending());
    drop(gone);
    assert_eq!(sender.receiver_count(), 1);
    sender.send(1).unwrap();
    assert_eq!(poll_next(&mut stays, Waker::noop()), Poll::Ready(Some(1)));
    let mut closed = Polled::new(sender.closed());
    closed.waits();
    drop(stays);
    closed.done();
}

#[test]
fn a_broadcast_stream_gives_every_value_and_tells_what_it_missed() {
    let (sender, receiver) = broadcast::channel(2);
    let mut stream = receiver.into_stream();
    let (woken, waker) = Count::new();
    assert!(poll_next(&mut stream, &waker).is_pending());
    (0..2).for_each(|i| assert_eq!(sender.send(i), Ok(1)));
    assert_eq!(woken.get(), 1);
    assert_eq!(poll_next(&mut stream, &waker), Poll::Ready(Some(Ok(0))));
    (2..5).for_each(|i| assert_eq!(sender.send(i), Ok(1)));
    assert_eq!(stream.get_ref().len(), 4);
    assert!(!stream.get_ref().is_closed());
    let missed = Poll::Ready(Some(Err(Lagged(2))));
    assert_eq!(poll_next(&mut stream, &waker), missed);
    assert_eq!(poll_next(&mut stream, &waker), Poll::Ready(Some(Ok(3))));
    drop(sender);
    assert!(stream.get_ref().is_closed());
    assert_eq!(poll_next(&mut stream, &waker), Poll::Ready(Some(Ok(4))));
    assert_eq!(poll_next(&mut stream, &waker), Poll::Ready(None));
    assert_eq!(Lagged(2).to_string(), "the receiver missed 2 values");
}

#[test]
fn a_broadcast_sender_hears_that_nobody_listens() {
    let (sender, receiver) = broadcast::channel(1);
    assert!(sender.same_channel(&sender.clone()));
    let mut stream = receiver.into_stream();
    assert!(poll_next(&mut stream, Waker::noop()).is_pending());
    let (woken, waker) = Count::new();
    let mut closed = Polled::new(sender.closed());
    assert!(closed.poll_with(&waker).is_pending());
    let late = sender.subscribe();
    drop(stream);
    closed.waits();
    assert!(closed.poll_with(&waker).is_pending());
    drop(late);
    assert_eq!(woken.get(), 1);
    closed.done();
    assert!(sender.send(1).is_err());
    let _again = sender.subscribe();
    Polled::new(sender.closed()).waits();
}

#[test]
fn streams_see_to_the_end_what_threads_send() {
    let (sender, receiver) = broadcast::channel(1000);
    let (setter, watched) = watch::channel(0);
    let thread = thread::spawn(move || {
        for i in 1..=1000 {
            assert_eq!(sender.send(i), Ok(1));
            setter.send(i).expect("it is watched");
        }
    });
    let received: Vec<_> = block_on(receiver.into_stream().collect());
    assert!(received.into_iter().eq((1..=1000).map(Ok)));
    let seen: Vec<_> = block_on(watched.into_stream().collect());
    assert!(seen.is_sorted());
    assert_eq!(seen.last(), Some(&1000));
    thread.join().expect("no panic");
}
