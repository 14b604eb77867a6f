//! Channels between tasks, on each executor.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gort_sync::chan::{bounded, unbounded, unbuffered};
use gort_sync::{broadcast, oneshot, select, watch};

use super::support::{Spawn, on_each_executor, yield_now};

#[test]
fn many_senders_reach_many_receivers() {
    on_each_executor(|spawn: Spawn| async move {
        for capacity in [0, 1, 16, usize::MAX] {
            let (sender, receiver) = bounded(capacity);
            let sum = Arc::new(AtomicUsize::new(0));
            let mut tasks = Vec::new();
            for _ in 0..4 {
                let sender = sender.clone();
                tasks.push(spawn(Box::pin(async move {
                    for i in 1..=100 {
                        sender.send(i).await.unwrap();
                    }
                })));
                let (receiver, sum) = (receiver.clone(), sum.clone());
                tasks.push(spawn(Box::pin(async move {
                    while let Ok(value) = receiver.recv().await {
                        sum.fetch_add(value, Ordering::Relaxed);
                    }
                })));
            }
            drop((sender, receiver));
            for task in tasks {
                task.await;
            }
            assert_eq!(sum.load(Ordering::Relaxed), 4 * 5050);
        }
    });
}

#[test]
fn a_sieve_of_channels_finds_primes() {
    on_each_executor(|spawn: Spawn| async move {
        let (sender, mut numbers) = unbuffered();
        let mut tasks = vec![spawn(Box::pin(async move {
            for n in 2_u32.. {
                if sender.send(n).await.is_err() {
                    return;
                }
            }
        }))];
        let mut primes = Vec::new();
        for _ in 0..10 {
            let prime = numbers.recv().await.unwrap();
            primes.push(prime);
            let (sender, next) = unbuffered();
            let from = std::mem::replace(&mut numbers, next);
            tasks.push(spawn(Box::pin(async move {
                while let Ok(n) = from.recv().await {
                    if n % prime != 0 && sender.send(n).await.is_err() {
                        return;
                    }
                }
            })));
        }
        assert_eq!(primes, [2, 3, 5, 7, 11, 13, 17, 19, 23, 29]);
        // Closing the end lets all of them end.
        drop(numbers);
        for task in tasks {
            task.await;
        }
    });
}

#[test]
fn selects_on_both_sides_meet() {
    on_each_executor(|spawn: Spawn| async move {
        const ROUNDS: usize = 200;
        let (left, from_left) = unbuffered();
        let (right, from_right) = unbuffered();
        let sent = Arc::new(AtomicUsize::new(0));
        let mut tasks = Vec::new();
        for _ in 0..2 {
            let (left, right, sent) = (left.clone(), right.clone(), sent.clone());
            tasks.push(spawn(Box::pin(async move {
                for i in 0..ROUNDS {
                    select! {
                        send(left, i) -> done => done.unwrap(),
                        send(right, i) -> done => done.unwrap(),
                    }
                    sent.fetch_add(i, Ordering::Relaxed);
                }
            })));
        }
        drop((left, right));
        let mut received = 0;
        for _ in 0..2 * ROUNDS {
            received += select! {
                recv(from_right) -> value => value.unwrap(),
                recv(from_left) -> value => value.unwrap(),
            };
        }
        for task in tasks {
            task.await;
        }
        assert_eq!(received, sent.load(Ordering::Relaxed));
    });
}

#[test]
fn a_cancelled_receiver_loses_no_message() {
    on_each_executor(|spawn: Spawn| async move {
        let (sender, receiver) = unbuffered();
        let task = spawn(Box::pin(async move {
            for i in 0..300 {
                sender.send(i).await.unwrap();
            }
        }));
        let mut next = 0;
        loop {
            // The receive is dropped whenever the yield is faster.
            let received = select! {
                future(receiver.recv()) -> value => value,
                future(yield_now()) -> _ => continue,
            };
            match received {
                Ok(value) => {
                    assert_eq!(value, next);
                    next += 1;
                }
                Err(_) => break,
            }
        }
        assert_eq!(next, 300);
        task.await;
    });
}

#[test]
fn requests_are_answered() {
    on_each_executor(|spawn: Spawn| async move {
        let (requests, inbox) = unbounded::<(u32, oneshot::Sender<u32>)>();
        let server = spawn(Box::pin(async move {
            while let Ok((number, reply)) = inbox.recv().await {
                reply.send(number * 2).ok();
            }
        }));
        for i in 0..100 {
            let (reply, answer) = oneshot::channel();
            requests.send((i, reply)).await.unwrap();
            assert_eq!(answer.await, Ok(i * 2));
        }
        drop(requests);
        server.await;
    });
}

#[test]
fn news_reach_everybody() {
    on_each_executor(|spawn: Spawn| async move {
        let (news, _) = broadcast::channel(1000);
        let (level, watcher) = watch::channel(0);
        let mut tasks = Vec::new();
        for _ in 0..3 {
            let (mut news, mut level) = (news.subscribe(), watcher.clone());
            tasks.push(spawn(Box::pin(async move {
                for i in 0..100 {
                    assert_eq!(news.recv().await, Ok(i));
                }
                assert_eq!(news.recv().await, Err(broadcast::RecvError::Closed));
                assert_eq!(*level.wait_for(|level| *level == 99).await.unwrap(), 99);
            })));
        }
        for i in 0..100 {
            assert_eq!(news.send(i), Ok(3));
            level.send(i).unwrap();
            yield_now().await;
        }
        drop(news);
        for task in tasks {
            task.await;
        }
    });
}
