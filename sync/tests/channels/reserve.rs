//! Places that are kept: who gets them, and what becomes of them.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::thread;

use futures_lite::future::block_on;
use gort_sync::chan::{self, RecvError, SendError, TryRecvError, TrySendError};
use gort_sync::select;

use super::support::Bomb;

fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn a_reserved_place_is_nobody_elses() {
    let (sender, receiver) = chan::bounded(2);
    let permit = sender.try_reserve().unwrap();
    sender.try_send(1).unwrap();
    assert_eq!(sender.try_send(2), Err(TrySendError::Full(2)));
    assert_eq!(sender.try_reserve().unwrap_err(), TrySendError::Full(()));
    assert!(sender.is_full());
    assert_eq!(receiver.try_recv(), Ok(1));
    sender.try_send(2).unwrap();
    permit.send(3).unwrap();
    assert_eq!(receiver.try_iter().collect::<Vec<_>>(), [2, 3]);
    assert!(!sender.is_full());
    drop([(); 2].map(|()| sender.try_reserve().unwrap()));
}

#[test]
fn a_dropped_permit_gives_its_place_to_the_next_in_line() {
    let (sender, receiver) = chan::bounded(1);
    let permit = sender.try_reserve().unwrap();
    let mut first = sender.reserve();
    let mut second = sender.send(2);
    let mut third = sender.reserve();
    assert!(poll(&mut first).is_pending());
    assert!(poll(&mut second).is_pending());
    assert!(poll(&mut third).is_pending());

    drop(permit);
    assert!(poll(&mut second).is_pending());
    assert!(poll(&mut third).is_pending());
    let Poll::Ready(Ok(permit)) = poll(&mut first) else {
        panic!("the first in line gets the place");
    };
    drop(permit);
    assert_eq!(poll(&mut second), Poll::Ready(Ok(())));
    assert!(poll(&mut third).is_pending());
    assert_eq!(receiver.try_recv(), Ok(2));
    assert!(matches!(poll(&mut third), Poll::Ready(Ok(_))));
}

#[test]
fn a_receive_makes_room_for_whoever_came_first() {
    for reserves_first in [false, true] {
        let (sender, receiver) = chan::bounded(1);
        sender.try_send(0).unwrap();
        let (mut send, mut reserve) = (sender.send(1), sender.reserve());
        if reserves_first {
            assert!(poll(&mut reserve).is_pending());
        }
        assert!(poll(&mut send).is_pending());
        assert!(poll(&mut reserve).is_pending());
        assert_eq!(receiver.try_recv(), Ok(0));
        assert_eq!(poll(&mut send).is_ready(), !reserves_first);
        assert_eq!(poll(&mut reserve).is_ready(), reserves_first);
    }
}

/// Polls `count` times at most, drops the future, and says whether it was ready.
fn give_up_after<F: Future + Unpin>(count: usize, mut future: F) -> bool {
    (0..count).any(|_| poll(&mut future).is_ready())
}

#[test]
fn who_gives_up_at_any_point_leaves_its_place_to_the_next() {
    for count in 0..3 {
        let (sender, receiver) = chan::bounded(1);
        let permit = sender.try_reserve().unwrap();
        assert!(!give_up_after(count, sender.reserve()));
        assert!(!give_up_after(count, sender.clone().reserve_owned()));
        drop(permit);
        sender.try_send(1).unwrap();
        assert_eq!(receiver.try_recv(), Ok(1));
    }
    // One that has been given the place, and has not looked.
    for owned in [false, true] {
        let (sender, receiver) = chan::bounded(1);
        let permit = sender.try_reserve().unwrap();
        let mut borrowing = sender.reserve();
        let mut owning = sender.clone().reserve_owned();
        let mut next = sender.send(1);
        match owned {
            true => assert!(poll(&mut owning).is_pending()),
            false => assert!(poll(&mut borrowing).is_pending()),
        }
        assert!(poll(&mut next).is_pending());
        drop(permit);
        assert!(poll(&mut next).is_pending());
        drop((borrowing, owning));
        assert_eq!(poll(&mut next), Poll::Ready(Ok(())));
        assert_eq!(receiver.try_recv(), Ok(1));
        assert_eq!(sender.sender_count(), 1);
    }
}

#[test]
fn a_receiver_finds_the_value_behind_those_who_reserve() {
    let (sender, receiver) = chan::bounded(1);
    let permit = sender.try_reserve().unwrap();
    let mut reserve = sender.reserve();
    let mut send = sender.send(1);
    assert!(poll(&mut reserve).is_pending());
    assert!(poll(&mut send).is_pending());
    assert_eq!(receiver.try_recv(), Ok(1));
    assert_eq!(poll(&mut send), Poll::Ready(Ok(())));
    assert!(
        poll(&mut reserve).is_pending(),
        "the permit keeps the place"
    );

    // What a receiver takes at once needs no place: that goes on.
    let mut recv = receiver.recv();
    assert!(poll(&mut recv).is_pending());
    permit.send(2).unwrap();
    assert_eq!(poll(&mut recv), Poll::Ready(Ok(2)));
    assert!(matches!(poll(&mut reserve), Poll::Ready(Ok(_))));
}

#[test]
fn close_refuses_those_who_wait_and_what_is_sent_with_a_permit() {
    let (sender, receiver) = chan::bounded(1);
    let permit = sender.try_reserve().unwrap();
    let mut reserve = sender.reserve();
    let mut owned = sender.clone().reserve_owned();
    assert!(poll(&mut reserve).is_pending());
    assert!(poll(&mut owned).is_pending());
    receiver.close();
    assert!(matches!(
        poll(&mut reserve),
        Poll::Ready(Err(SendError(())))
    ));
    assert!(
        matches!(poll(&mut owned), Poll::Ready(Err(SendError(back))) if back.same_channel(&sender))
    );
    assert_eq!(permit.send(1), Err(SendError(1)));
    assert_eq!(sender.try_reserve().unwrap_err(), TrySendError::Closed(()));
    assert!(matches!(
        sender.clone().try_reserve_owned(),
        Err(TrySendError::Closed(_))
    ));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
}

#[test]
fn an_owned_permit_is_a_sender() {
    let (sender, receiver) = chan::bounded(1);
    let permit = block_on(sender.reserve_owned()).unwrap();
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    let sender = permit.send(1).unwrap();
    let Err(TrySendError::Full(sender)) = sender.try_reserve_owned() else {
        panic!("there is no room");
    };
    assert_eq!(receiver.try_recv(), Ok(1));
    let sender = sender.try_reserve_owned().unwrap().release();
    let permit = sender.try_reserve_owned().unwrap();
    drop(permit);
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
}

#[test]
fn an_unbounded_channel_always_has_a_place() {
    let (sender, receiver) = chan::unbounded();
    let permits: Vec<_> = (0..100).map(|_| sender.try_reserve().unwrap()).collect();
    assert!(!sender.is_full());
    for (i, permit) in permits.into_iter().enumerate() {
        permit.send(i).unwrap();
    }
    assert!(receiver.try_iter().eq(0..100));
}

#[test]
fn an_unbuffered_channel_has_none_to_reserve() {
    let (sender, _receiver) = chan::unbuffered::<u8>();
    let reserved = catch_unwind(AssertUnwindSafe(|| sender.try_reserve().is_ok()));
    assert!(reserved.is_err());
    assert!(catch_unwind(AssertUnwindSafe(|| drop(sender.reserve()))).is_err());
}

#[test]
fn a_select_that_another_arm_wins_reserves_nothing() {
    let (sender, receiver) = chan::bounded(1);
    let (other, others) = chan::bounded(1);
    other.try_send(1).unwrap();
    block_on(async {
        let won = select! {
            biased;
            recv(others) -> value => value.unwrap(),
            future(sender.reserve()) -> _ => unreachable!("it comes second"),
        };
        assert_eq!(won, 1);
    });
    sender.try_send(2).unwrap();
    assert_eq!(receiver.try_recv(), Ok(2));
}

#[test]
fn a_waker_that_panics_costs_no_place() {
    let (sender, receiver) = chan::bounded(1);
    let permit = sender.try_reserve().unwrap();
    let (mut recv, mut reserve) = (receiver.recv(), sender.reserve());
    let bomb = Waker::from(Arc::new(Bomb));
    let mut cx = Context::from_waker(&bomb);
    assert!(Pin::new(&mut recv).poll(&mut cx).is_pending());
    assert!(poll(&mut reserve).is_pending());
    let sent = catch_unwind(AssertUnwindSafe(|| permit.send(1)));
    assert!(sent.is_err());
    assert_eq!(poll(&mut recv), Poll::Ready(Ok(1)));
    assert!(matches!(poll(&mut reserve), Poll::Ready(Ok(_))));
}

/// Permits, sends and those who give up, on threads of their own: all that was sent arrives, and all room is free in the end.
#[test]
fn no_place_is_lost_among_many() {
    let rounds = 200;
    let (sender, receiver) = chan::bounded(2);
    let threads = [0, 1, 2].map(|thread| {
        let sender = sender.clone();
        thread::spawn(move || {
            for round in 0..rounds {
                match (thread + round) % 3 {
                    0 => sender.reserve_blocking().unwrap().send(()).unwrap(),
                    1 => sender.send_blocking(()).unwrap(),
                    _ => {
                        give_up_after(2, sender.reserve());
                        drop(block_on(sender.clone().reserve_owned()).unwrap());
                        sender.send_blocking(()).unwrap();
                    }
                }
            }
        })
    });
    for _ in 0..3 * rounds {
        receiver.recv_blocking().unwrap();
    }
    for thread in threads {
        thread.join().unwrap();
    }
    drop([(); 2].map(|()| sender.try_reserve().unwrap()));
    drop(sender);
    assert_eq!(receiver.recv_blocking(), Err(RecvError));
}
