//! Many tasks and threads: nothing is lost and nothing is doubled.

use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::thread;

use futures_lite::{StreamExt, future};
use gort_sync::channel::{Receiver, RecvError, bounded, unbounded};

use super::support::{on_each_executor, yield_now};

const EACH: usize = 300;

/// Receives until the end, in one of several manners.
async fn receive_all(mut receiver: Receiver<usize>, manner: usize) -> Vec<usize> {
    let mut got = Vec::new();
    match manner {
        0 => {
            while let Ok(value) = receiver.recv().await {
                got.push(value);
            }
        }
        1 => got = receiver.collect().await,
        // One that gives up now and then, and looks again in another manner.
        _ => loop {
            if let Some(Ok(value)) = future::poll_once(receiver.recv()).await {
                got.push(value);
            }
            if let Ok(value) = receiver.try_recv() {
                got.push(value);
            }
            yield_now().await;
            match receiver.next().await {
                Some(value) => got.push(value),
                None => break,
            }
        },
    }
    got
}

#[test]
fn tasks_of_any_executor_lose_and_double_nothing() {
    on_each_executor(|spawn| async move {
        for capacity in [1, 3, usize::MAX] {
            let (sender, receiver) = bounded(capacity);
            let (results, all) = unbounded();
            let mut tasks = Vec::new();
            for t in 0..3 {
                let sender = sender.clone();
                tasks.push(spawn(Box::pin(async move {
                    for i in 0..EACH {
                        // One that is dropped before it is ready has sent nothing.
                        let value = t * EACH + i;
                        if future::poll_once(sender.send(value)).await.is_none() {
                            sender.send(value).await.expect("it is open");
                        }
                    }
                })));
                let (receiver, results) = (receiver.clone(), results.clone());
                tasks.push(spawn(Box::pin(async move {
                    let got = receive_all(receiver, t).await;
                    results.send(got).await.expect("it is open");
                })));
            }
            drop((sender, receiver, results));
            for task in tasks {
                task.await;
            }
            let mut got: Vec<_> = all.collect::<Vec<_>>().await.concat();
            got.sort_unstable();
            assert!(got.into_iter().eq(0..3 * EACH));
        }
    });
}

#[test]
fn threads_that_block_and_give_up_lose_and_double_nothing() {
    let (sender, receiver) = bounded(2);
    let sending: Vec<_> = (0..3)
        .map(|t| {
            let sender = sender.clone();
            thread::spawn(move || {
                (0..EACH).for_each(|i| sender.send_blocking(t * EACH + i).unwrap());
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
                    let mut cx = Context::from_waker(Waker::noop());
                    // Dropped after a poll, now and then when it was told of a value.
                    if let Poll::Ready(Ok(value)) = pin!(receiver.recv()).poll(&mut cx) {
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
        thread.join().expect("no panic");
    }
    let received = receiving
        .into_iter()
        .flat_map(|thread| thread.join().expect("no panic"));
    let mut all: Vec<_> = received.collect();
    all.sort_unstable();
    assert!(all.into_iter().eq(0..3 * EACH));
}

#[test]
fn the_end_reaches_whoever_waits_for_it_on_another_thread() {
    for _ in 0..200 {
        let (sender, receiver) = bounded::<u8>(1);
        let weak = sender.downgrade();
        let thread = thread::spawn(move || drop(receiver));
        future::block_on(sender.closed());
        assert!(weak.upgrade().is_none());
        thread.join().expect("no panic");
    }
}
