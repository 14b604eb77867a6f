//! Timers fire in a process without a runtime, whoever drives the reactor. Each test has a process of its own: a runtime, or another
//! test's `block_on`, would hide what it looks for.

use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use futures_lite::future;
use gort::Async;
use gort::time::sleep;

/// Long enough for anything but a hang.
const PATIENCE: Duration = Duration::from_secs(60);

/// Set in a process that has one test to run.
const ALONE_VAR: &str = "GORT_TEST_ALONE";

/// Runs the test `name` in a process of its own.
fn alone(name: &str, body: impl FnOnce() + Send + 'static) {
    if std::env::var_os(ALONE_VAR).is_none() {
        let this = std::env::current_exe().expect("it runs");
        let mut again = Command::new(this);
        again.env(ALONE_VAR, "1").args(["--exact", name]);
        let output = again.output().expect("it starts");
        assert!(output.status.success(), "{output:?}");
        return;
    }
    let (done, told) = mpsc::channel();
    thread::spawn(move || {
        body();
        done.send(()).expect("the test waits");
    });
    told.recv_timeout(PATIENCE).expect("the timers fire");
}

#[test]
fn a_timer_fires_while_the_thread_of_last_resort_drives() {
    alone(
        "a_timer_fires_while_the_thread_of_last_resort_drives",
        || {
            // The thread is there for the socket, and knows no timers.
            let _source =
                Async::<std::net::TcpListener>::bind(([127, 0, 0, 1], 0)).expect("a port");
            for _ in 0..10 {
                // Long enough for the monitor to fall asleep.
                future::block_on(sleep(Duration::from_millis(50)));
            }
        },
    );
}

#[test]
fn a_timer_fires_although_the_driver_that_watched_it_left() {
    alone(
        "a_timer_fires_although_the_driver_that_watched_it_left",
        || {
            for _ in 0..10 {
                let driver = thread::spawn(|| gort::block_on(sleep(Duration::from_millis(50))));
                let other = thread::spawn(|| future::block_on(sleep(Duration::from_millis(100))));
                driver.join().expect("no panic");
                other.join().expect("no panic");
            }
        },
    );
}

#[test]
fn a_timer_fires_although_the_runtime_that_watched_it_ended() {
    alone(
        "a_timer_fires_although_the_runtime_that_watched_it_ended",
        || {
            for _ in 0..5 {
                let rt = gort::Runtime::new().expect("threads start");
                let other = thread::spawn(|| future::block_on(sleep(Duration::from_millis(100))));
                // Long enough for everything else to fall asleep.
                thread::sleep(Duration::from_millis(50));
                drop(rt);
                other.join().expect("no panic");
            }
        },
    );
}

#[test]
fn a_timer_fires_although_the_driver_that_watched_it_blocks() {
    alone(
        "a_timer_fires_although_the_driver_that_watched_it_blocks",
        || {
            for _ in 0..3 {
                let (fired, others) = mpsc::channel();
                let driver = thread::spawn(move || {
                    gort::block_on(async {
                        sleep(Duration::from_millis(50)).await;
                        others
                            .recv_timeout(PATIENCE)
                            .expect("the other's timer fires");
                    });
                });
                future::block_on(sleep(Duration::from_millis(100)));
                fired.send(()).expect("the driver waits");
                driver.join().expect("no panic");
            }
        },
    );
}
