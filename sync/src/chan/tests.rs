use std::collections::VecDeque;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use futures_core::Stream;

use super::*;

fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

#[derive(Default)]
pub(crate) struct Count(pub(crate) AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_rendezvous_needs_both() {
    let (sender, receiver) = unbuffered();
    assert_eq!(sender.try_send(1), Err(TrySendError::Full(1)));
    let mut send = sender.send(2);
    assert!(poll(&mut send).is_pending());
    assert_eq!(receiver.try_recv(), Ok(2));
    assert_eq!(poll(&mut send), Poll::Ready(Ok(())));
    let mut recv = receiver.recv();
    assert!(poll(&mut recv).is_pending());
    assert_eq!(sender.try_send(3), Ok(()));
    assert_eq!(poll(&mut recv), Poll::Ready(Ok(3)));
    assert_eq!(sender.capacity(), Some(0));
}

#[test]
fn waiters_are_served_in_their_order() {
    let (sender, receiver) = bounded(1);
    let mut sends = [0, 1, 2].map(|i| sender.send(i));
    assert!(poll(&mut sends[0]).is_ready());
    assert!(poll(&mut sends[1]).is_pending());
    assert!(poll(&mut sends[2]).is_pending());
    assert_eq!([(); 3].map(|()| receiver.try_recv()), [Ok(0), Ok(1), Ok(2)]);
    let mut recvs = [(); 2].map(|()| receiver.recv());
    assert!(recvs.iter_mut().all(|recv| poll(recv).is_pending()));
    sender.try_send(3).unwrap();
    sender.try_send(4).unwrap();
    assert_eq!(poll(&mut recvs[1]), Poll::Ready(Ok(4)));
    assert_eq!(poll(&mut recvs[0]), Poll::Ready(Ok(3)));
}

#[test]
fn dropped_receivers_give_back_in_order() {
    for reverse in [false, true] {
        let (sender, receiver) = unbuffered();
        let mut recvs: Vec<_> = (0..3).map(|_| receiver.recv()).collect();
        assert!(recvs.iter_mut().all(|recv| poll(recv).is_pending()));
        (0..3).for_each(|i| sender.try_send(i).unwrap());
        if reverse {
            recvs.reverse();
        }
        recvs.into_iter().for_each(drop);
        assert_eq!(sender.len(), 3);
        assert_eq!([(); 3].map(|()| receiver.try_recv()), [Ok(0), Ok(1), Ok(2)]);
    }
}

#[test]
fn a_dropped_receiver_passes_its_value_to_the_next() {
    let (sender, receiver) = unbuffered();
    let wakes = Arc::new(Count::default());
    let waker = Waker::from(wakes.clone());
    let mut first = receiver.recv();
    let mut second = receiver.recv();
    assert!(poll(&mut first).is_pending());
    assert!(
        Pin::new(&mut second)
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
    );
    sender.try_send(1).unwrap();
    drop(first);
    assert_eq!(wakes.0.load(Ordering::SeqCst), 1);
    assert_eq!(poll(&mut second), Poll::Ready(Ok(1)));
}

#[test]
fn a_dropped_sender_leaves_the_line() {
    let (sender, receiver) = unbuffered();
    let mut sends = [0, 1, 2].map(|i| sender.send(i));
    assert!(sends.iter_mut().all(|send| poll(send).is_pending()));
    let [first, second, third] = sends;
    drop(second);
    assert_eq!(receiver.try_recv(), Ok(0));
    assert_eq!(receiver.try_recv(), Ok(2));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    drop((first, third));
}

#[test]
fn close_wakes_all_and_loses_nothing() {
    let (sender, receiver) = bounded(1);
    sender.try_send(0).unwrap();
    let mut send = sender.send(1);
    assert!(poll(&mut send).is_pending());
    assert!(receiver.close());
    assert!(!sender.close());
    assert_eq!(poll(&mut send), Poll::Ready(Err(SendError(1))));
    assert_eq!(sender.try_send(2), Err(TrySendError::Closed(2)));
    assert_eq!(receiver.try_recv(), Ok(0));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
    let (sender, receiver) = unbounded::<i32>();
    let mut recv = receiver.recv();
    assert!(poll(&mut recv).is_pending());
    drop(sender);
    assert_eq!(poll(&mut recv), Poll::Ready(Err(RecvError)));
}

#[test]
fn the_last_receiver_drops_what_is_stored() {
    let (sender, receiver) = unbounded();
    let value = Arc::new(());
    sender.try_send(value.clone()).unwrap();
    drop(receiver);
    assert_eq!(Arc::strong_count(&value), 1);
    assert!(sender.is_closed());
}

#[test]
fn a_dropped_stream_gives_back_and_an_ended_one_ends() {
    let (sender, receiver) = unbuffered();
    let mut stream = receiver.clone();
    let mut cx = Context::from_waker(Waker::noop());
    assert!(Pin::new(&mut stream).poll_next(&mut cx).is_pending());
    sender.try_send(1).unwrap();
    drop(stream);
    let mut stream = receiver;
    assert_eq!(
        Pin::new(&mut stream).poll_next(&mut cx),
        Poll::Ready(Some(1))
    );
    drop(sender);
    assert_eq!(Pin::new(&mut stream).poll_next(&mut cx), Poll::Ready(None));
}

#[test]
fn many_to_many_on_threads_loses_and_doubles_nothing() {
    const EACH: usize = 500;
    for capacity in [0, 1, 3, usize::MAX] {
        let (sender, receiver) = bounded(capacity);
        let sending: Vec<_> = (0..3)
            .map(|t| {
                let sender = sender.clone();
                thread::spawn(move || {
                    (0..EACH).for_each(|i| sender.send_blocking(t * EACH + i).unwrap())
                })
            })
            .collect();
        drop(sender);
        let receiving: Vec<_> = (0..3)
            .map(|_| {
                let receiver = receiver.clone();
                thread::spawn(move || {
                    let mut got = Vec::new();
                    loop {
                        // One that is dropped after a poll, now and then with a value in hand.
                        let probed =
                            pin!(receiver.recv()).poll(&mut Context::from_waker(Waker::noop()));
                        if let Poll::Ready(Ok(value)) = probed {
                            got.push(value);
                        }
                        match receiver.recv_blocking() {
                            Ok(value) => got.push(value),
                            Err(RecvError) => return got,
                        }
                    }
                })
            })
            .collect();
        drop(receiver);
        for thread in sending {
            thread.join().unwrap();
        }
        let mut all: Vec<_> = receiving
            .into_iter()
            .flat_map(|t| t.join().unwrap())
            .collect();
        all.sort_unstable();
        // Who gives a value back receives once more, so that nothing stays behind.
        assert!(all.into_iter().eq(0..3 * EACH));
    }
}

/// Random programs without waiting receivers, against a queue: what is stored, who waits, what is refused.
#[test]
fn random_programs_agree_with_a_sequential_queue() {
    let mut seed = 0x9e37_79b9_u32;
    let mut random = move |n: u32| {
        seed ^= seed << 13;
        seed ^= seed >> 17;
        seed ^= seed << 5;
        seed % n
    };
    for _ in 0..300 {
        let capacity = random(4) as usize;
        let (sender, receiver) = bounded(capacity);
        let mut waiting = VecDeque::new();
        let mut expected = VecDeque::new();
        for value in 0..60 {
            match random(3) {
                0 => {
                    let mut send = sender.send(value);
                    let ready = poll(&mut send).is_ready();
                    assert_eq!(ready, expected.len() < capacity);
                    expected.push_back(value);
                    if !ready {
                        waiting.push_back((value, send));
                    }
                }
                1 => {
                    let got = receiver.try_recv().ok();
                    assert_eq!(got, expected.pop_front());
                    // Whoever is within the capacity now, or was taken directly, is done.
                    let still = expected.len().saturating_sub(capacity);
                    while waiting.len() > still {
                        let (_, mut send) = waiting.pop_front().unwrap();
                        assert_eq!(poll(&mut send), Poll::Ready(Ok(())));
                    }
                }
                _ => {
                    if let Some((value, send)) = waiting.pop_back() {
                        drop(send);
                        expected.retain(|other| *other != value);
                    }
                }
            }
            assert_eq!(receiver.len(), expected.len().min(capacity));
        }
    }
}
