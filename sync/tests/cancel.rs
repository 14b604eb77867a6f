//! Each asynchronous operation, dropped at each point where it can be: it leaves everything as if it had not been, or as if it
//! had been done.
//!
//! | dropped | then |
//! |---|---|
//! | before its first poll, or while it waits, polled once or twice | nobody finds it in a queue; nothing was taken |
//! | after it was given what it waits for, before it looked | the next in need gets that |
//! | after it ended | it has done what it says |

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_lite::StreamExt;
use gort_sync::chan::{self, bounded, unbuffered};
use gort_sync::{Mutex, Selector, broadcast, channel, oneshot, select, watch};

#[path = "cancel/locks.rs"]
mod locks;

/// When an operation was dropped.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Dropped {
    /// It had nothing yet, and was polled so often.
    Waiting(usize),
    /// It waited, was given what it waits for, and has not looked.
    Given,
    /// It was given what it waits for, and took it.
    Done,
}
use Dropped::{Done, Given, Waiting};

type Op<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// An operation on a `W`, and its name.
type Case<W> = (&'static str, fn(&W) -> Op<'_>);

/// Drops an operation at all points. It waits in a new `world`, until `give` gives it what it waits for; `intact` looks what became
/// of the world.
fn drop_everywhere<W>(
    name: &str,
    world: impl Fn() -> W,
    op: impl for<'a> Fn(&'a W) -> Op<'a>,
    give: impl Fn(&W),
    intact: impl Fn(&W, Dropped) -> bool,
) {
    for dropped in [Waiting(0), Waiting(1), Waiting(2), Given, Done] {
        let world = world();
        let mut op = op(&world);
        let mut poll = || op.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        let polls = match dropped {
            Waiting(polls) => polls,
            Given | Done => 1,
        };
        for _ in 0..polls {
            assert!(poll().is_pending(), "{name} waits");
        }
        if !matches!(dropped, Waiting(_)) {
            give(&world);
        }
        if dropped == Done {
            assert_eq!(poll(), Poll::Ready(()), "{name} has what it waits for");
        }
        drop(op);
        assert!(intact(&world, dropped), "{name} was dropped {dropped:?}");
    }
}

/// Whether an operation that is made now need not wait.
fn is_ready(future: impl Future) -> bool {
    let mut future = Box::pin(future);
    let poll = future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()));
    poll.is_ready()
}

const FAR: Duration = Duration::from_secs(3600);

type Chan = (chan::Sender<u8>, chan::Receiver<u8>);

/// A channel in which a sender waits.
fn full() -> Chan {
    let chan = bounded(1);
    chan.0.try_send(1).unwrap();
    chan
}

fn make_room((_, receiver): &Chan) {
    assert_eq!(receiver.try_recv(), Ok(1));
}

/// A send of 2 into a full channel, of which 1 was received to make room for it.
fn was_sent_or_not((_, receiver): &Chan, dropped: Dropped) -> bool {
    let stored: Vec<_> = receiver.try_iter().collect();
    match dropped {
        Waiting(_) => stored == [1],
        Given | Done => stored == [2],
    }
}

fn put((sender, _): &Chan) {
    sender.try_send(1).expect("one waits for it");
}

/// A receive from a channel without a buffer, to which 1 was handed.
fn was_received_or_not((sender, receiver): &Chan, dropped: Dropped) -> bool {
    let left = receiver.try_recv().ok();
    // Nobody is in line any more.
    let alone = sender.try_send(2).is_err();
    alone && left == (dropped == Given).then_some(1)
}

#[test]
fn sends() {
    let cases: [Case<Chan>; 5] = [
        ("send", |(to, _)| {
            Box::pin(async { to.send(2).await.unwrap() })
        }),
        ("send_timeout", |(to, _)| {
            Box::pin(async { to.send_timeout(2, FAR).await.unwrap() })
        }),
        ("select, send", |(to, _)| {
            Box::pin(async move {
                select! { send(to, 2) -> sent => sent.unwrap() }
            })
        }),
        ("select, send_from", |(to, _)| {
            Box::pin(async move {
                let mut slot = Some(2);
                select! { send_from(to, slot) -> sent => sent.unwrap() }
            })
        }),
        ("selector, send", |(to, _)| {
            Box::pin(async {
                Selector::new()
                    .send(to, 2, |sent| sent.unwrap())
                    .select()
                    .await
            })
        }),
    ];
    for (name, op) in cases {
        drop_everywhere(name, full, op, make_room, was_sent_or_not);
    }
}

#[test]
fn receives() {
    let cases: [Case<Chan>; 5] = [
        ("recv", |(_, from)| {
            Box::pin(async { assert_eq!(from.recv().await, Ok(1)) })
        }),
        ("recv_timeout", |(_, from)| {
            Box::pin(async { assert_eq!(from.recv_timeout(FAR).await, Ok(1)) })
        }),
        ("stream", |(_, from)| {
            let mut from = from.clone();
            Box::pin(async move { assert_eq!(from.next().await, Some(1)) })
        }),
        ("select, recv", |(_, from)| {
            Box::pin(async move {
                select! { recv(from) -> value => assert_eq!(value, Ok(1)), recv(from) -> value => assert_eq!(value, Ok(1)) }
            })
        }),
        ("selector, recv", |(_, from)| {
            Box::pin(async {
                Selector::new()
                    .recv(from, |value| assert_eq!(value, Ok(1)))
                    .select()
                    .await
            })
        }),
    ];
    for (name, op) in cases {
        drop_everywhere(name, unbuffered, op, put, was_received_or_not);
    }
}

/// Channels with the contract of async-channel: what a future was told of is still there for others.
#[test]
fn queues() {
    type Queue = (channel::Sender<u8>, channel::Receiver<u8>);
    let full = || {
        let queue: Queue = channel::bounded(1);
        queue.0.try_send(1).unwrap();
        queue
    };
    let sent_or_not = |(to, from): &Queue, dropped| {
        let left = from.try_recv().ok();
        let alone = to.try_send(3).is_ok() && to.len() == 1;
        alone
            && left
                == match dropped {
                    Waiting(_) => Some(1),
                    Given => None,
                    Done => Some(2),
                }
    };
    drop_everywhere(
        "queue, send",
        full,
        |(to, _)| Box::pin(async { to.send(2).await.unwrap() }),
        |(_, from)| assert_eq!(from.try_recv(), Ok(1)),
        sent_or_not,
    );
    let receives: [Case<Queue>; 2] = [
        ("queue, recv", |(_, from)| {
            Box::pin(async { assert_eq!(from.recv().await, Ok(1)) })
        }),
        ("queue, stream", |(_, from)| {
            let mut from = from.clone();
            Box::pin(async move { assert_eq!(from.next().await, Some(1)) })
        }),
    ];
    for (name, op) in receives {
        drop_everywhere(
            name,
            || channel::bounded(1),
            op,
            |(to, _)| to.try_send(1).unwrap(),
            |(_, from), dropped| from.try_recv().ok() == (dropped == Given).then_some(1),
        );
    }
    drop_everywhere(
        "queue, closed",
        || channel::bounded(1),
        |(to, _): &Queue| Box::pin(to.closed()),
        |(_, from)| assert!(from.close()),
        |(to, _), dropped| to.is_closed() != matches!(dropped, Waiting(_)),
    );
}

#[test]
fn the_other_channels() {
    drop_everywhere(
        "oneshot, recv",
        || {
            let (sender, receiver) = oneshot::channel();
            (Mutex::new(Some(sender)), Mutex::new(receiver))
        },
        |(_, from)| Box::pin(async { assert_eq!((&mut *from.try_lock().unwrap()).await, Ok(1)) }),
        |(to, _)| to.try_lock().unwrap().take().unwrap().send(1).unwrap(),
        |(to, from), dropped| match dropped {
            Waiting(_) => {
                to.try_lock().unwrap().take().unwrap().send(1).is_ok()
                    && from.try_lock().unwrap().try_recv() == Ok(1)
            }
            Given => from.try_lock().unwrap().try_recv() == Ok(1),
            Done => from.try_lock().unwrap().try_recv().is_err(),
        },
    );
    drop_everywhere(
        "oneshot, closed",
        || {
            let (sender, receiver) = oneshot::channel();
            (Mutex::new(sender), Mutex::new(receiver))
        },
        |(to, _): &(Mutex<oneshot::Sender<u8>>, _)| {
            Box::pin(async { to.try_lock().unwrap().closed().await })
        },
        |(_, from)| from.try_lock().unwrap().close(),
        |(to, _), dropped| to.try_lock().unwrap().is_closed() != matches!(dropped, Waiting(_)),
    );
    drop_everywhere(
        "broadcast, recv",
        || {
            let (sender, receiver) = broadcast::channel(4);
            (sender, Mutex::new(receiver))
        },
        |(_, from)| Box::pin(async { assert_eq!(from.try_lock().unwrap().recv().await, Ok(1)) }),
        |(to, _)| assert_eq!(to.send(1), Ok(1)),
        |(to, from), dropped| {
            to.send(2).unwrap();
            let mut from = from.try_lock().unwrap();
            let left = [from.try_recv(), from.try_recv()].map(Result::ok);
            match dropped {
                Given => left == [Some(1), Some(2)],
                Waiting(_) | Done => left == [Some(2), None],
            }
        },
    );
    let watched = || {
        let (sender, receiver) = watch::channel(0);
        (sender, Mutex::new(receiver))
    };
    drop_everywhere(
        "watch, changed",
        watched,
        |(_, from)| Box::pin(async { from.try_lock().unwrap().changed().await.unwrap() }),
        |(to, _)| to.send(1).unwrap(),
        |(_, from), dropped| from.try_lock().unwrap().has_changed() == Ok(dropped == Given),
    );
    drop_everywhere(
        "watch, wait_for",
        watched,
        |(_, from)| {
            Box::pin(async {
                drop(
                    from.try_lock()
                        .unwrap()
                        .wait_for(|&value| value == 1)
                        .await
                        .unwrap(),
                )
            })
        },
        |(to, _)| to.send(1).unwrap(),
        |(_, from), dropped| {
            let is_there = is_ready(from.try_lock().unwrap().wait_for(|&value| value == 1));
            is_there != matches!(dropped, Waiting(_))
        },
    );
    drop_everywhere(
        "watch, closed",
        || {
            let (sender, receiver) = watch::channel(0);
            (sender, Mutex::new(Some(receiver)))
        },
        |(to, _)| Box::pin(async { to.closed().await }),
        |(_, from)| drop(from.try_lock().unwrap().take()),
        |(to, _), dropped| to.is_closed() != matches!(dropped, Waiting(_)),
    );
}
