//! What Go's tests claim of channels and select, on each executor.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gort_sync::chan::{Receiver, RecvError, Sender, TrySendError, bounded, unbuffered};
use gort_sync::{Selector, select};

use super::support::{Polled, Spawn, on_each_executor};

/// Something is ready at each moment, though never the same for long: the default must not run.
#[test]
fn a_default_does_not_run_if_at_each_moment_something_is_ready() {
    on_each_executor(|spawn: Spawn| async move {
        for round in 0..200 {
            let ((one, from_one), (two, from_two)) = (bounded(1), bounded(1));
            one.try_send(()).unwrap();
            let (first, second) = (from_one.clone(), from_two.clone());
            let looks = spawn(Box::pin(async move {
                select! {
                    recv(first) -> _ => (),
                    recv(second) -> _ => (),
                    default => panic!("one of them was ready"),
                }
            }));
            // Ready or closed: both count.
            match round % 2 {
                0 => two.try_send(()).unwrap(),
                _ => drop(two.close()),
            }
            let _ = from_one.try_recv();
            looks.await;
            drop((one, two, from_two));
        }
    });
}

#[test]
fn a_select_with_a_ready_case_never_blocks() {
    let (sender, receiver) = bounded(1);
    let (_open, empty) = unbuffered::<u8>();
    for i in 0..1000 {
        sender.try_send(i).unwrap();
        let mut received = Polled::new(async {
            select! { recv(empty) -> _ => unreachable!(), recv(receiver) -> value => value }
        });
        assert_eq!(received.done(), Ok(i));
        let mut sent = Polled::new(async {
            select! { recv(empty) -> _ => unreachable!(), send(sender, i) -> sent => sent.is_ok() }
        });
        assert!(sent.done());
        assert_eq!(receiver.try_recv(), Ok(i));
    }
}

/// Two tasks offer and ask on one channel, each in one select: each gets what the other sent.
#[test]
fn a_select_never_serves_itself() {
    const ROUNDS: usize = 300;
    on_each_executor(|spawn: Spawn| async move {
        let (sender, receiver) = unbuffered();
        let tasks = [0, 1].map(|me| {
            let (sender, receiver) = (sender.clone(), receiver.clone());
            spawn(Box::pin(async move {
                for _ in 0..ROUNDS {
                    select! {
                        send(sender, me) -> sent => sent.unwrap(),
                        recv(receiver) -> who => assert_ne!(who, Ok(me)),
                    }
                }
            }))
        });
        // Each select is one half of a meeting, so both end in the same round.
        for task in tasks {
            task.await;
        }
        assert!(receiver.is_empty());
    });
}

#[test]
fn a_channel_may_stand_in_several_arms() {
    let (sender, receiver) = unbuffered();
    let twice = || {
        Polled::new(async {
            select! {
                recv(receiver) -> value => value,
                recv(receiver) -> value => value,
                recv(&receiver) -> value => value,
            }
        })
    };
    let (mut first, mut second) = (twice(), twice());
    first.waits();
    second.waits();
    first.waits();
    assert_eq!(sender.try_send(1), Ok(()));
    assert_eq!(sender.try_send(2), Ok(()));
    assert_eq!(sender.try_send(3), Err(TrySendError::Full(3)));
    assert_eq!((first.done(), second.done()), (Ok(1), Ok(2)));
    let mut gone = twice();
    gone.waits();
    drop(gone);
    assert_eq!(
        sender.try_send(3),
        Err(TrySendError::Full(3)),
        "nobody is in line"
    );
}

/// The chance that an arm is missed in a thousand choices is 2^-1000.
#[test]
fn sends_that_are_ready_are_chosen_at_random() {
    let (sender, receiver) = bounded(1000);
    futures_lite::future::block_on(async {
        for _ in 0..1000 {
            select! {
                send(sender, 0) -> sent => sent.unwrap(),
                send(sender, 1) -> sent => sent.unwrap(),
            }
        }
    });
    let ones = receiver.try_iter().filter(|&bit| bit == 1).count();
    assert!((1..1000).contains(&ones), "{ones} of 1000");
}

/// Every way to send and to receive, alone and in selects of several sizes, on channels with and without a buffer.
#[test]
fn sends_and_receives_of_all_kinds_meet() {
    const EACH: usize = 100;
    on_each_executor(|spawn: Spawn| async move {
        let channels: Arc<Vec<(Sender<usize>, Receiver<usize>)>> =
            Arc::new(vec![unbuffered(), unbuffered(), bounded(2), bounded(3)]);
        let sum = Arc::new(AtomicUsize::new(0));
        let mut tasks = Vec::new();
        for i in 0..channels.len() {
            let all = channels.clone();
            tasks.push(spawn(Box::pin(async move {
                for n in 0..EACH {
                    all[i].0.send(n).await.unwrap();
                }
            })));
            let (all, sum) = (channels.clone(), sum.clone());
            tasks.push(spawn(Box::pin(async move {
                for _ in 0..EACH {
                    sum.fetch_add(all[i].1.recv().await.unwrap(), Ordering::Relaxed);
                }
            })));
        }
        // These two have as many values for each channel; what is done with is absent.
        let all = channels.clone();
        tasks.push(spawn(Box::pin(async move {
            let mut left = [EACH; 4];
            while left != [0; 4] {
                let open = all.iter().enumerate().filter(|&(i, _)| left[i] > 0);
                let offers = open.fold(Selector::new(), |offers, (i, (sender, _))| {
                    offers.send(sender, left[i], move |sent| sent.map(|()| i))
                });
                left[offers.select().await.unwrap()] -= 1;
            }
        })));
        let (all, total) = (channels.clone(), sum.clone());
        tasks.push(spawn(Box::pin(async move {
            let mut left = [EACH; 4];
            while left != [0; 4] {
                let open = |i: usize| (left[i] > 0).then_some(&all[i].1);
                let (which, value) = select! {
                    recv(open(0)) -> value => (0, value),
                    recv(open(1)) -> value => (1, value),
                    recv(open(2)) -> value => (2, value),
                    recv(open(3)) -> value => (3, value),
                };
                left[which] -= 1;
                total.fetch_add(value.unwrap(), Ordering::Relaxed);
            }
        })));
        for task in tasks {
            task.await;
        }
        // From 0 to 99, and from 1 to 100.
        let sums = EACH * (EACH - 1) / 2 + EACH * (EACH + 1) / 2;
        assert_eq!(sum.load(Ordering::Relaxed), channels.len() * sums);
        assert!(channels.iter().all(|(_, receiver)| receiver.is_empty()));
    });
}

#[test]
fn receiving_from_a_closed_channel_gives_what_is_stored_and_then_errors_for_ever() {
    let (sender, receiver) = bounded(10);
    for i in 0..10 {
        sender.try_send(i).unwrap();
    }
    assert!(sender.close());
    assert!(!receiver.close(), "it was closed already");
    for i in 0..10 {
        assert_eq!(Polled::new(receiver.recv()).done(), Ok(i));
    }
    for _ in 0..10 {
        assert_eq!(Polled::new(receiver.recv()).done(), Err(RecvError));
        let closed = Selector::new().recv(&receiver, |value| value).try_select();
        assert_eq!(closed, Some(Err(RecvError)));
        assert_eq!(sender.try_send(1), Err(TrySendError::Closed(1)));
    }
}
