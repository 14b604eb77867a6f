//! The receiver as a stream.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use futures_core::{FusedStream, Stream};
use futures_lite::StreamExt;
use gort_sync::channel::{Receiver, bounded, unbounded};

use super::support::{Count, Polled};

fn poll<T>(stream: &mut Receiver<T>, waker: &Waker) -> Poll<Option<T>> {
    Pin::new(stream).poll_next(&mut Context::from_waker(waker))
}

#[test]
fn a_stream_ends_when_the_channel_is_closed_and_empty() {
    let (sender, mut receiver) = unbounded();
    (0..3).for_each(|i| sender.try_send(i).unwrap());
    assert!(!receiver.is_terminated());
    sender.close();
    assert!(!receiver.is_terminated());
    let all: Vec<_> = futures_lite::future::block_on(StreamExt::collect(&mut receiver));
    assert_eq!(all, [0, 1, 2]);
    assert!(receiver.is_terminated());
    assert_eq!(poll(&mut receiver, Waker::noop()), Poll::Ready(None));
}

#[test]
fn each_value_tells_all_streams_and_one_receiver() {
    let (sender, receiver) = unbounded();
    let mut streams: Vec<_> = (0..100).map(|_| receiver.clone()).collect();
    let mut recvs = [(); 2].map(|()| Polled::new(receiver.recv()));
    let (of_streams, stream_waker) = Count::new();
    let (of_recvs, recv_waker) = Count::new();
    assert!(
        streams
            .iter_mut()
            .all(|stream| poll(stream, &stream_waker).is_pending())
    );
    assert!(
        recvs
            .iter_mut()
            .all(|recv| recv.poll_with(&recv_waker).is_pending())
    );
    sender.try_send(1).unwrap();
    assert_eq!((of_streams.get(), of_recvs.get()), (100, 1));
    assert_eq!(poll(&mut streams[7], &stream_waker), Poll::Ready(Some(1)));
    for (i, stream) in streams.iter_mut().enumerate() {
        assert!(
            poll(stream, &stream_waker).is_pending(),
            "{i} finds nothing"
        );
    }
    sender.try_send(2).unwrap();
    assert_eq!((of_streams.get(), of_recvs.get()), (200, 2));
}

/// It is told of every value, and keeps no notice from the others.
#[test]
fn a_stream_that_is_kept_and_not_polled_costs_nobody_anything() {
    let (sender, receiver) = bounded(1);
    let mut kept = receiver.clone();
    assert!(poll(&mut kept, Waker::noop()).is_pending());
    let (told, waker) = Count::new();
    for i in 0..3 {
        let mut recv = Polled::new(receiver.recv());
        assert!(recv.poll_with(&waker).is_pending());
        sender.try_send(i).unwrap();
        assert_eq!(told.get(), usize::from(i) + 1);
        assert_eq!(recv.done(), Ok(i));
    }
    let mut other = receiver.clone();
    assert!(poll(&mut other, &waker).is_pending());
    sender.try_send(3_u8).unwrap();
    assert_eq!(told.get(), 4);
    assert_eq!(poll(&mut other, &waker), Poll::Ready(Some(3)));
}

#[test]
fn the_clone_of_a_stream_that_waits_is_in_no_line() {
    let (sender, mut stream) = unbounded();
    let (told, waker) = Count::new();
    assert!(poll(&mut stream, &waker).is_pending());
    let mut clone = stream.clone();
    drop(stream);
    sender.try_send(1).unwrap();
    assert_eq!(told.get(), 0, "the one that waited is gone");
    assert_eq!(poll(&mut clone, &waker), Poll::Ready(Some(1)));
    assert!(poll(&mut clone, &waker).is_pending());
    sender.try_send(2).unwrap();
    assert_eq!(told.get(), 1);
}

#[test]
fn a_receiver_that_waits_as_a_stream_is_a_receiver_all_the_same() {
    let (sender, mut receiver) = bounded(2);
    let (told, waker) = Count::new();
    assert!(poll(&mut receiver, &waker).is_pending());
    sender.try_send(1).unwrap();
    assert_eq!(receiver.try_recv(), Ok(1));
    let mut recv = Polled::new(receiver.recv());
    recv.waits();
    sender.try_send(2).unwrap();
    assert_eq!(recv.done(), Ok(2));
    drop(recv);
    assert_eq!(told.get(), 1);
    assert!(poll(&mut receiver, &waker).is_pending());
    sender.try_send(3).unwrap();
    assert_eq!(told.get(), 2);
    assert_eq!(poll(&mut receiver, &waker), Poll::Ready(Some(3)));
}

#[test]
fn room_that_a_stream_makes_tells_a_sender() {
    let (sender, mut receiver) = bounded(1);
    sender.try_send(1).unwrap();
    let (told, waker) = Count::new();
    let mut send = Polled::new(sender.send(2));
    assert!(send.poll_with(&waker).is_pending());
    assert_eq!(poll(&mut receiver, Waker::noop()), Poll::Ready(Some(1)));
    assert_eq!(told.get(), 1);
    assert_eq!(send.done(), Ok(()));
}

#[test]
fn closing_tells_streams() {
    let (sender, mut stream) = bounded::<u8>(1);
    let (told, waker) = Count::new();
    assert!(poll(&mut stream, &waker).is_pending());
    drop(sender);
    assert_eq!(told.get(), 1);
    assert_eq!(poll(&mut stream, &waker), Poll::Ready(None));
}
