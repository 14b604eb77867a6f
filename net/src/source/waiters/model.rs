//! Models of the readiness word and the lists. The kernel is a counter of bytes; a lost wake-up is a deadlock, which loom reports.

use std::future::poll_fn;
use std::io;
use std::task::{Poll, Waker};

use gort_primitives::sync::{Arc, Condvar, Mutex};
use gort_primitives::thread;
use loom::future::block_on;

use super::*;

const READ: Direction = Direction::Read;

/// A stream socket.
#[derive(Debug, Default)]
struct Kernel {
    state: Mutex<State>,
    fired: Condvar,
}

#[derive(Debug, Default)]
struct State {
    bytes: usize,
    end: bool,
    armed: bool,
    /// Events that no wait has collected yet; oneshot only.
    events: usize,
    finished: bool,
}

impl Kernel {
    /// Takes up to `wanted` bytes.
    fn read(&self, wanted: usize) -> io::Result<usize> {
        let mut state = self.state.lock().unwrap();
        match state.bytes.min(wanted) {
            0 if state.end => Ok(0),
            0 => Err(io::ErrorKind::WouldBlock.into()),
            count => {
                state.bytes -= count;
                Ok(count)
            }
        }
    }

    fn push(&self, bytes: usize) {
        let mut state = self.state.lock().unwrap();
        state.bytes += bytes;
        self.fire_if_armed(state);
    }

    fn end(&self) {
        self.state.lock().unwrap().end = true;
    }

    fn is_ready(&self) -> bool {
        let state = self.state.lock().unwrap();
        state.bytes > 0 || state.end
    }

    /// Oneshot: looks at the state, and reports it once.
    fn arm(&self, interest: Interest) -> io::Result<()> {
        let mut state = self.state.lock().unwrap();
        state.armed = interest.read;
        self.fire_if_armed(state);
        Ok(())
    }

    fn fire_if_armed(&self, mut state: MutexGuard<'_, State>) {
        if state.armed && state.bytes > 0 {
            state.armed = false;
            state.events += 1;
            self.fired.notify_one();
        }
    }

    /// Ends the driver.
    fn finish(&self) {
        self.state.lock().unwrap().finished = true;
        self.fired.notify_one();
    }

    /// The driver's wait: whether there is an event.
    fn collect(&self) -> bool {
        let mut state = self.state.lock().unwrap();
        while state.events == 0 && !state.finished {
            state = self.fired.wait(state).unwrap();
        }
        std::mem::take(&mut state.events) > 0
    }
}

#[derive(Debug)]
struct Socket {
    kernel: Kernel,
    waiters: Waiters,
}

impl Socket {
    fn new(ready: bool) -> Arc<Self> {
        Arc::new(Self {
            kernel: Kernel::default(),
            waiters: Waiters::new(ready),
        })
    }

    /// The driver with one edge.
    fn edge(&self, broken: bool) {
        let event = Event {
            read: true,
            write: false,
            broken,
        };
        let mut wakers = Vec::new();
        let never = None::<fn(Interest) -> io::Result<()>>;
        self.waiters.deliver(event, &mut wakers, never);
        wakers.into_iter().for_each(Waker::wake);
    }

    fn poll_read(&self, wanted: usize, waker: &Waker, place: Place<'_>) -> Poll<io::Result<usize>> {
        let call = |_| self.kernel.read(wanted);
        self.waiters.poll_call(READ, waker, place, |_| Ok(()), call)
    }

    fn read(&self, wanted: usize) -> usize {
        let mut ticket = Ticket::default();
        let read = poll_fn(|cx| self.poll_read(wanted, cx.waker(), Place::Ticket(&mut ticket)));
        block_on(read).unwrap()
    }

    /// A stream's read: a short one clears the word, as `Attempt::transferred` does.
    fn read_stream(&self, wanted: usize) -> usize {
        let read = poll_fn(|cx| {
            let call = |seen: Seen| {
                let done = self.kernel.read(wanted)?;
                if done != 0 && done < wanted && !seen.is_broken() {
                    let _ = self.waiters.clear(READ, seen);
                }
                Ok(done)
            };
            self.waiters
                .poll_call(READ, cx.waker(), Place::Slot, |_| Ok(()), call)
        });
        block_on(read).unwrap()
    }
}

fn check(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(model);
}

#[test]
fn model_no_edge_is_lost_between_the_call_and_the_clear() {
    check(|| {
        let socket = Socket::new(true);
        let peer = Arc::clone(&socket);
        let driver = thread::spawn(move || {
            for _ in 0..2 {
                peer.kernel.push(1);
                peer.edge(false);
            }
        });
        assert_eq!(socket.read(1) + socket.read(1), 2);
        driver.join().unwrap();
    });
}

#[test]
fn model_a_short_read_may_clear_and_the_end_of_the_stream_is_seen() {
    check(|| {
        let socket = Socket::new(true);
        let peer = Arc::clone(&socket);
        let driver = thread::spawn(move || {
            peer.kernel.push(1);
            peer.edge(false);
            // The kernel merges what comes before the wait: one event for the byte and the end.
            peer.kernel.push(1);
            peer.kernel.end();
            peer.edge(true);
        });
        let mut total = 0;
        loop {
            match socket.read_stream(8) {
                0 => break,
                done => total += done,
            }
        }
        assert_eq!(total, 2);
        driver.join().unwrap();
    });
}

#[test]
fn model_two_readers_are_both_woken() {
    check(|| {
        let socket = Socket::new(false);
        let (one, two) = (Arc::clone(&socket), Arc::clone(&socket));
        let one = thread::spawn(move || one.read(1));
        let two = thread::spawn(move || two.read(1));
        socket.kernel.push(2);
        socket.edge(false);
        assert_eq!(one.join().unwrap() + two.join().unwrap(), 2);
    });
}

#[test]
fn model_a_dropped_reader_takes_no_wake_with_it() {
    check(|| {
        let socket = Socket::new(false);
        let (quitter, stayer) = (Arc::clone(&socket), Arc::clone(&socket));
        let quitter = thread::spawn(move || {
            let mut ticket = Ticket::default();
            let polled = quitter.poll_read(1, Waker::noop(), Place::Ticket(&mut ticket));
            quitter.waiters.cancel(READ, &mut ticket);
            polled.is_ready()
        });
        let stayer = thread::spawn(move || stayer.read(1));
        socket.kernel.push(2);
        socket.edge(false);
        let _ = quitter.join().unwrap();
        assert_eq!(stayer.join().unwrap(), 1);
    });
}

#[test]
fn model_readable_reports_the_state_and_misses_no_change() {
    check(|| {
        let socket = Socket::new(true);
        let peer = Arc::clone(&socket);
        let driver = thread::spawn(move || {
            peer.kernel.push(1);
            peer.edge(false);
            peer.kernel.push(1);
            peer.edge(false);
        });
        for _ in 0..2 {
            let ready = poll_fn(|cx| {
                let is_ready = || Ok(socket.kernel.is_ready());
                let (waker, place) = (cx.waker(), Place::Slot);
                socket
                    .waiters
                    .poll_ready(READ, waker, place, |_| Ok(()), is_ready)
            });
            block_on(ready).unwrap();
            // Straight from the descriptor, and the only reader: the report must be true.
            assert_eq!(socket.kernel.read(1).unwrap(), 1);
        }
        driver.join().unwrap();
    });
}

#[test]
fn model_a_oneshot_registration_is_armed_for_every_wait() {
    check(|| {
        let socket = Socket::new(true);
        let peer = Arc::clone(&socket);
        let reader = thread::spawn(move || {
            for _ in 0..2 {
                let read = poll_fn(|cx| {
                    let arm = |interest| peer.kernel.arm(interest);
                    let call = |_| peer.kernel.read(1);
                    peer.waiters
                        .poll_call(READ, cx.waker(), Place::Slot, arm, call)
                });
                assert_eq!(block_on(read).unwrap(), 1);
            }
            peer.kernel.finish();
        });
        let peer = Arc::clone(&socket);
        let sender = thread::spawn(move || {
            peer.kernel.push(1);
            peer.kernel.push(1);
        });
        while socket.kernel.collect() {
            let event = Event {
                read: true,
                write: false,
                broken: false,
            };
            let mut wakers = Vec::new();
            let rearm = |interest| socket.kernel.arm(interest);
            socket.waiters.deliver(event, &mut wakers, Some(rearm));
            wakers.into_iter().for_each(Waker::wake);
        }
        reader.join().unwrap();
        sender.join().unwrap();
    });
}
