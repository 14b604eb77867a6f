//! Whoever drove the reactor and does not any more leaves it to a runtime whose threads had found it driven.
//!
//! Each test is a process of its own: what matters is who drove before the process had a runtime with threads. The pauses give the
//! threads the time to fall asleep; with shorter ones a test sees less, and does not fail.

#![cfg(unix)]

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use futures_lite::AsyncReadExt;
use gort::{Async, Builder, Runtime};

mod support;

/// Longer than the monitor is awake while nothing happens.
const PAUSE: Duration = Duration::from_millis(150);

/// Runs a test in a child process.
fn alone(test: &str, body: fn()) {
    if support::is_child() {
        return support::within_patience(body);
    }
    let status = support::child(test).status().expect("it starts");
    assert!(status.success(), "{status}");
}

fn pair() -> (UnixStream, Async<UnixStream>) {
    let (ours, theirs) = UnixStream::pair().expect("a pair");
    (ours, Async::new(theirs).expect("it can be registered"))
}

async fn read(stream: &mut Async<UnixStream>) {
    let mut byte = [0];
    stream.read_exact(&mut byte).await.expect("it is open");
}

/// A runtime whose thread has found the reactor driven, and sleeps elsewhere; and the monitor sleeps too.
fn idle_runtime() -> Runtime {
    let rt = Builder::new().procs(1).build().expect("a thread");
    thread::sleep(PAUSE);
    rt
}

/// A thread that drives, as there is no runtime yet.
fn driver(future: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
    let driver = thread::spawn(|| gort::block_on(future));
    thread::sleep(PAUSE);
    driver
}

/// Waits for an event that happens when all threads sleep.
fn wait_for_an_event() {
    let (mut ours, mut theirs) = pair();
    let writer = thread::spawn(move || {
        thread::sleep(PAUSE);
        ours.write_all(&[1]).expect("it is open");
        ours
    });
    gort::block_on(read(&mut theirs));
    writer.join().expect("no panic");
}

#[test]
fn a_thread_that_ends_leaves_the_reactor_to_the_runtime() {
    alone(
        "a_thread_that_ends_leaves_the_reactor_to_the_runtime",
        || {
            let (mut ours, mut theirs) = pair();
            let driver = driver(async move { read(&mut theirs).await });
            let _rt = idle_runtime();
            ours.write_all(&[1]).expect("it is open");
            driver.join().expect("no panic");
            thread::sleep(PAUSE);
            wait_for_an_event();
        },
    );
}

#[test]
fn a_thread_that_goes_on_leaves_the_reactor_to_the_runtime() {
    alone(
        "a_thread_that_goes_on_leaves_the_reactor_to_the_runtime",
        || {
            let (mut ours, mut theirs) = pair();
            let driver = driver(async move {
                read(&mut theirs).await;
                read(&mut theirs).await;
            });
            let _rt = idle_runtime();
            ours.write_all(&[1]).expect("it is open");
            thread::sleep(PAUSE);
            ours.write_all(&[2]).expect("it is open");
            driver.join().expect("no panic");
            wait_for_an_event();
        },
    );
}

#[test]
fn a_reactor_without_sources_is_driven_too() {
    alone("a_reactor_without_sources_is_driven_too", || {
        let (tell, told) = gort::sync::oneshot::channel();
        let driver = driver(async move { told.await.expect("it is told") });
        let _rt = idle_runtime();
        tell.send(()).expect("it listens");
        driver.join().expect("no panic");
        thread::sleep(PAUSE);
        wait_for_an_event();
    });
}

#[test]
fn the_thread_of_last_resort_leaves_the_reactor_to_the_runtime() {
    alone(
        "the_thread_of_last_resort_leaves_the_reactor_to_the_runtime",
        || {
            let (mut ours, mut theirs) = pair();
            // Under an executor that knows no reactor, so that `gort-net` drives.
            let waiter = thread::spawn(move || futures_lite::future::block_on(read(&mut theirs)));
            thread::sleep(PAUSE);
            let _rt = idle_runtime();
            ours.write_all(&[1]).expect("it is open");
            waiter.join().expect("no panic");
            wait_for_an_event();
        },
    );
}
