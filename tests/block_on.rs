//! `block_on` polls its future when that was woken, and else not.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use futures_lite::future;
use gort::{Timer, block_on};

#[test]
fn a_wake_of_one_future_does_not_poll_the_next() {
    block_on(future::poll_fn(|cx| {
        cx.waker().wake_by_ref();
        Poll::Ready(())
    }));
    polls_when_woken();
}

#[test]
fn events_of_others_do_not_poll() {
    // This thread wakes them, if it drives.
    let others: Vec<_> = (0..20)
        .map(|i| thread::spawn(move || block_on(Timer::after(Duration::from_millis(i)))))
        .collect();
    polls_when_woken();
    for other in others {
        other.join().expect("no panic");
    }
}

/// Runs a future that fails when it is polled before its wake.
fn polls_when_woken() {
    let woken = Arc::new(AtomicBool::new(false));
    let mut first = true;
    block_on(future::poll_fn(|cx| {
        if !std::mem::take(&mut first) {
            assert!(woken.load(Ordering::SeqCst), "polled without a reason");
            return Poll::Ready(());
        }
        let (woken, waker) = (woken.clone(), cx.waker().clone());
        thread::spawn(move || {
            thread::sleep(Duration::from_millis(20));
            woken.store(true, Ordering::SeqCst);
            waker.wake();
        });
        Poll::Pending
    }));
}
