//! Claims about the reactor, each on a reactor of its own.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use futures_lite::future::block_on;

use super::*;
use crate::Async;
use selector::Mode;

const MODES: [Mode; 2] = [Mode::Edge, Mode::Oneshot];
/// Nothing here takes as long, unless it hangs.
const LONG: Duration = Duration::from_secs(60);

fn reactor(mode: Mode) -> &'static Reactor {
    Box::leak(Box::new(Reactor::new(Some(mode)).unwrap()))
}

/// A reactor without a `gort-net` thread.
fn adopted(mode: Mode) -> &'static Reactor {
    let reactor = reactor(mode);
    reactor.adopt();
    reactor
}

fn register(reactor: &'static Reactor, io: UnixStream) -> Async<UnixStream> {
    io.set_nonblocking(true).unwrap();
    Async::register_with(reactor, io, true, Location::caller()).unwrap()
}

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Drives until something is collected.
fn collect(reactor: &Reactor) -> Vec<Waker> {
    let mut wakers = Vec::new();
    let deadline = Instant::now() + LONG;
    while wakers.is_empty() {
        assert!(Instant::now() < deadline, "no waker came");
        let mut driver = reactor.try_driver().expect("nobody else drives");
        driver.wait(Some(LONG), &mut wakers).unwrap();
    }
    wakers
}

#[test]
fn a_wait_collects_wakers_and_calls_none() {
    for mode in MODES {
        let reactor = adopted(mode);
        let (mut one, two) = UnixStream::pair().unwrap();
        let two = register(reactor, two);
        assert_eq!(reactor.sources(), 1);
        let count = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&count));
        let mut cx = Context::from_waker(&waker);
        assert!(two.poll_readable(&mut cx).is_pending());
        one.write_all(b"x").unwrap();
        let wakers = collect(reactor);
        assert_eq!(wakers.len(), 1);
        assert_eq!(count.0.load(Ordering::Relaxed), 0);
        wakers.into_iter().for_each(Waker::wake);
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        assert!(matches!(two.poll_readable(&mut cx), Poll::Ready(Ok(()))));
        drop(two);
        assert_eq!(reactor.sources(), 0);
    }
}

#[test]
fn a_wait_of_zero_never_blocks_and_leaves_the_bell_alone() {
    for mode in MODES {
        let reactor = adopted(mode);
        let mut wakers = Vec::new();
        reactor.notify();
        let mut driver = reactor.try_driver().unwrap();
        assert_eq!(driver.wait(Some(Duration::ZERO), &mut wakers).unwrap(), 0);
        // The ring is still there for the wait that would block.
        assert_eq!(driver.wait(None, &mut wakers).unwrap(), 0);
    }
}

#[test]
fn there_is_one_driver_and_every_turn_counts() {
    let reactor = adopted(Mode::Edge);
    let turns = reactor.turns();
    let driver = reactor.try_driver().unwrap();
    assert!(reactor.is_driven() && reactor.try_driver().is_none());
    assert_ne!(reactor.turns(), turns);
    drop(driver);
    assert!(!reactor.is_driven());
    assert!(reactor.try_driver().is_some());
}

#[test]
fn a_notification_ends_a_wait_without_end() {
    for mode in MODES {
        let reactor = adopted(mode);
        for _ in 0..200 {
            let waiter = thread::spawn(move || {
                let mut driver = reactor.try_driver().expect("free");
                driver.wait(None, &mut Vec::new()).unwrap()
            });
            reactor.notify();
            reactor.notify();
            assert_eq!(waiter.join().unwrap(), 0);
        }
    }
}

#[test]
fn a_source_registered_during_a_wait_is_heard() {
    for mode in MODES {
        let reactor = adopted(mode);
        let (collected, wakers) = mpsc::channel();
        let driver = thread::spawn(move || collected.send(collect(reactor)).unwrap());
        while !reactor.is_driven() {
            thread::yield_now();
        }
        let (mut one, two) = UnixStream::pair().unwrap();
        let two = register(reactor, two);
        let mut cx = Context::from_waker(Waker::noop());
        assert!(two.poll_readable(&mut cx).is_pending());
        one.write_all(b"x").unwrap();
        assert_eq!(wakers.recv_timeout(LONG).unwrap().len(), 1);
        driver.join().unwrap();
    }
}

#[test]
fn without_a_runtime_the_backstop_drives() {
    for mode in MODES {
        let reactor = reactor(mode);
        for _ in 0..3 {
            let (mut one, two) = UnixStream::pair().unwrap();
            let two = register(reactor, two);
            let writer = thread::spawn(move || one.write_all(b"x").map(|()| one));
            let read = two.read_with(|mut stream| stream.read(&mut [0; 8]));
            assert_eq!(block_on(read).unwrap(), 1);
            writer.join().unwrap().unwrap();
        }
    }
}

#[test]
fn events_that_nobody_waits_for_do_not_hide_others() {
    for mode in MODES {
        let reactor = reactor(mode);
        let (one, two) = UnixStream::pair().unwrap();
        let two = register(reactor, two);
        for _ in 0..3 {
            for _ in 0..100 {
                (&one).write_all(b"x").unwrap();
                while two.get_ref().read(&mut [0; 8]).is_err() {}
            }
            let mut other = one.try_clone().unwrap();
            let writer = thread::spawn(move || other.write_all(b"x"));
            let read = two.read_with(|mut stream| stream.read(&mut [0; 8]));
            assert_eq!(block_on(read).unwrap(), 1);
            writer.join().unwrap().unwrap();
        }
    }
}

#[test]
fn the_backstop_gives_way_to_an_intent_and_comes_back() {
    for mode in MODES {
        let reactor = reactor(mode);
        let (mut one, two) = UnixStream::pair().unwrap();
        let two = register(reactor, two);
        let mut round = || {
            let read = two.read_with(|mut stream| stream.read(&mut [0; 8]));
            one.write_all(b"x").unwrap();
            assert_eq!(block_on(read).unwrap(), 1);
        };
        for _ in 0..20 {
            round();
            while !reactor.is_driven() {
                thread::yield_now();
            }
            let intent = reactor.enter_driver();
            let deadline = Instant::now() + LONG;
            while reactor.is_driven() {
                assert!(Instant::now() < deadline, "the backstop stays");
                thread::yield_now();
            }
            // This thread does not drive, in spite of its intent: the rare look must do.
            round();
            drop(intent);
        }
    }
}

#[test]
fn an_adopted_reactor_has_no_backstop_until_it_is_disowned() {
    let reactor = reactor(Mode::Edge);
    reactor.adopt();
    let (mut one, two) = UnixStream::pair().unwrap();
    let two = register(reactor, two);
    assert!(!reactor.is_driven());
    reactor.disown();
    one.write_all(b"x").unwrap();
    block_on(two.readable()).unwrap();
}

#[test]
fn a_waker_that_panics_does_not_end_the_backstop() {
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            // Not `panic!`: the hook would print it.
            std::panic::resume_unwind(Box::new("a foreign waker"));
        }
    }
    let reactor = reactor(Mode::Edge);
    let (mut one, two) = UnixStream::pair().unwrap();
    let two = register(reactor, two);
    let waker = Waker::from(Arc::new(Panics));
    let mut cx = Context::from_waker(&waker);
    assert!(two.poll_readable(&mut cx).is_pending());
    let (mut three, four) = UnixStream::pair().unwrap();
    let four = register(reactor, four);
    one.write_all(b"x").unwrap();
    three.write_all(b"x").unwrap();
    block_on(four.readable()).unwrap();
    while two.get_ref().read(&mut [0; 8]).is_err() {}
    one.write_all(b"x").unwrap();
    block_on(two.readable()).unwrap();
}

#[test]
fn an_event_of_an_old_key_reaches_nobody() {
    let reactor = adopted(Mode::Edge);
    let (_one, two) = UnixStream::pair().unwrap();
    let two = register(reactor, two);
    let stale = two.source().key() ^ 1 << INDEX_BITS;
    assert_ne!(stale, two.source().key());
    assert!(reactor.registry().get(stale & INDEX).is_some());
    let (_three, four) = UnixStream::pair().unwrap();
    let old_key = {
        let four = register(reactor, four);
        four.source().key()
    };
    let (_five, six) = UnixStream::pair().unwrap();
    let six = register(reactor, six);
    assert_eq!(six.source().key() & INDEX, old_key & INDEX);
    assert_ne!(six.source().key(), old_key);
}

#[test]
fn eager_drivers_and_registrations_do_not_disturb_each_other() {
    // Threads that drive when they have nothing to do, as a scheduler's do, and no backstop.
    for mode in MODES {
        let reactor = adopted(mode);
        let threads: Vec<_> = (0..3)
            .map(|_| thread::spawn(move || (0..200).try_for_each(|_| ping_pong(reactor))))
            .collect();
        for thread in threads {
            thread.join().unwrap().unwrap();
        }
        assert_eq!(reactor.sources(), 0);
    }
}

fn ping_pong(reactor: &'static Reactor) -> io::Result<()> {
    let (one, two) = UnixStream::pair()?;
    let (one, two) = (register(reactor, one), register(reactor, two));
    for _ in 0..3 {
        drive_until(reactor, one.write_with(|mut io| io.write(b"ping")))?;
        drive_until(reactor, two.read_with(|mut io| io.read(&mut [0; 4])))?;
        drive_until(reactor, two.write_with(|mut io| io.write(b"pong")))?;
        drive_until(reactor, one.read_with(|mut io| io.read(&mut [0; 4])))?;
    }
    Ok(())
}

/// Polls; parks in the reactor, or on the thread if somebody else drives.
fn drive_until<T>(
    reactor: &'static Reactor,
    future: impl Future<Output = io::Result<T>>,
) -> io::Result<T> {
    struct Unpark(thread::Thread, &'static Reactor);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
            self.1.notify();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current(), reactor)));
    let mut cx = Context::from_waker(&waker);
    let mut future = std::pin::pin!(future);
    loop {
        if let Poll::Ready(out) = future.as_mut().poll(&mut cx) {
            return out;
        }
        let mut wakers = Vec::new();
        match reactor.try_driver() {
            Some(mut driver) => {
                driver.wait(Some(Duration::from_millis(100)), &mut wakers)?;
            }
            // Whoever drives may leave without a successor: look again soon.
            None => thread::park_timeout(Duration::from_millis(1)),
        }
        wakers.into_iter().for_each(Waker::wake);
    }
}

#[test]
fn an_unknown_mode_is_an_error_that_names_it() {
    // In a child process, because the environment is the process's.
    const CHILD: &str = "GORT_NET_TEST_CHILD";
    if std::env::var_os(CHILD).is_some() {
        let error = Reactor::get().expect_err("the mode is unknown");
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        let text = error.to_string();
        assert!(text.contains("GORT_NET_MODE") && text.contains("sometimes"));
        assert!(Reactor::existing().is_none());
        return;
    }
    let status = std::process::Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "reactor::tests::an_unknown_mode_is_an_error_that_names_it",
        ])
        .env("GORT_NET_MODE", "sometimes")
        .env(CHILD, "1")
        .status()
        .unwrap();
    assert!(status.success());
}
