//! Signals: none is lost, and each listener hears of all.

#![cfg(unix)]

use std::io;
use std::pin::pin;
use std::sync::{Mutex, MutexGuard};

use futures_lite::{StreamExt, future};
use gort::signal::{Signal, Signals};
use rustix::process::{getpid, kill_process};

/// Signals come to the whole process: one test at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(|poison| poison.into_inner())
}

/// Sends a signal to this thread, so that the handler has run when this returns.
fn raise(signal: Signal) {
    // SAFETY: the signal is watched by the test.
    let outcome = unsafe { libc::raise(signal.number()) };
    assert_eq!(outcome, 0);
}

fn watch(signals: &[Signal]) -> Signals {
    Signals::new(signals).expect("they can be watched")
}

async fn next(signals: &mut Signals) -> Signal {
    let item = signals.next().await;
    item.expect("it has no end").expect("the socket works")
}

#[test]
fn a_signal_wakes_who_waits_for_it() {
    let _alone = alone();
    let mut signals = watch(&[Signal::Usr1]);
    let waits = gort::go(async move { next(&mut signals).await });
    let pid = getpid();
    kill_process(pid, rustix::process::Signal::USR1).expect("it is this process");
    assert_eq!(gort::block_on(waits).expect("no panic"), Signal::Usr1);
}

#[test]
fn every_signal_is_told_as_often_as_it_came() {
    let _alone = alone();
    let mut signals = watch(&[Signal::Usr1, Signal::Usr2]);
    // More than fit into the socket.
    for _ in 0..5_000 {
        raise(Signal::Usr1);
    }
    raise(Signal::Usr2);
    let (mut first, mut second) = (0, 0);
    gort::block_on(async {
        for _ in 0..5_001 {
            match next(&mut signals).await {
                Signal::Usr1 => first += 1,
                Signal::Usr2 => second += 1,
                other => panic!("{other:?}"),
            }
        }
        assert!(future::poll_once(pin!(signals.next())).await.is_none());
    });
    assert_eq!((first, second), (5_000, 1));
}

#[test]
fn a_storm_of_one_signal_does_not_hide_another() {
    let _alone = alone();
    let mut signals = watch(&[Signal::Hup, Signal::Usr2]);
    for _ in 0..100 {
        raise(Signal::Hup);
    }
    raise(Signal::Usr2);
    gort::block_on(async {
        let two = [next(&mut signals).await, next(&mut signals).await];
        assert!(two.contains(&Signal::Usr2), "{two:?}");
    });
}

#[test]
fn each_stream_hears_of_its_signals() {
    let _alone = alone();
    let (mut one, mut other) = (watch(&[Signal::Usr1]), watch(&[Signal::Usr1]));
    let mut third = watch(&[Signal::Usr2]);
    raise(Signal::Usr1);
    gort::block_on(async {
        assert_eq!(next(&mut one).await, Signal::Usr1);
        assert_eq!(next(&mut other).await, Signal::Usr1);
        assert!(future::poll_once(pin!(third.next())).await.is_none());
    });
}

#[test]
fn signals_can_be_added_and_removed() {
    let _alone = alone();
    // So that the signal has no other effect while the stream does not watch it.
    let _other = watch(&[Signal::Usr1]);
    let mut signals = watch(&[Signal::Usr1, Signal::Usr1]);
    signals
        .add_signals([Signal::Usr2])
        .expect("it can be watched");
    signals
        .remove_signals([Signal::Usr1])
        .expect("it is watched");
    raise(Signal::Usr1);
    raise(Signal::Usr2);
    gort::block_on(async {
        assert_eq!(next(&mut signals).await, Signal::Usr2);
        assert!(future::poll_once(pin!(signals.next())).await.is_none());
    });
}

#[test]
fn what_cannot_be_watched_is_a_clear_error() {
    for signal in [Signal::Kill, Signal::Stop, Signal::Segv] {
        let error = Signals::new([signal]).expect_err("it is forbidden");
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert!(error.to_string().contains("cannot be watched"), "{error}");
    }
}

#[test]
fn ctrl_c_is_heard_once_by_each_call() {
    let _alone = alone();
    let (first, second) = (gort::ctrl_c(), gort::ctrl_c());
    raise(Signal::Int);
    gort::block_on(async {
        first.await.expect("it can be watched");
        second.await.expect("it can be watched");
        let mut third = pin!(gort::ctrl_c());
        assert!(future::poll_once(&mut third).await.is_none());
        raise(Signal::Int);
        third.await.expect("it can be watched");
    });
}
