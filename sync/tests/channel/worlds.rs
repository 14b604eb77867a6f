//! Random programs of tasks that are polled only when they were woken: none of them waits for what is there, and every value is
//! somewhere exactly once.

use std::env;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures_core::Stream;
use gort_sync::channel::{Closed, Receiver, Recv, Send, Sender, bounded, unbounded};

use super::support::Polled;

enum Op<'a> {
    Send(Polled<Send<'a, u32>>, u32),
    Recv(Polled<Recv<'a, u32>>),
    Stream(Receiver<u32>),
    Closed(Polled<Closed<'a, u32>>),
}

/// An operation, and whether it was woken since it was polled.
struct Task<'a> {
    op: Op<'a>,
    woken: Arc<Woken>,
}

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

struct World<'a> {
    sender: &'a Sender<u32>,
    receiver: &'a Receiver<u32>,
    rng: fastrand::Rng,
    tasks: Vec<Task<'a>>,
    next: u32,
    sent: Vec<u32>,
    received: Vec<u32>,
    /// Values that came back, or were dropped with a send that had not ended.
    kept: usize,
}

impl<'a> World<'a> {
    fn value(&mut self) -> u32 {
        self.next += 1;
        self.next
    }

    fn start(&mut self, op: Op<'a>) {
        let woken = Arc::new(Woken::default());
        woken.0.store(true, Ordering::SeqCst);
        self.tasks.push(Task { op, woken });
    }

    fn step(&mut self) {
        let (sender, receiver) = (self.sender, self.receiver);
        match self.rng.u32(..14) {
            0..3 => {
                let value = self.value();
                self.start(Op::Send(Polled::new(sender.send(value)), value));
            }
            3..6 => self.start(Op::Recv(Polled::new(receiver.recv()))),
            6 => self.start(Op::Stream(receiver.clone())),
            7 if self.rng.u32(..8) == 0 => self.start(Op::Closed(Polled::new(sender.closed()))),
            8 => {
                let value = self.value();
                match sender.try_send(value) {
                    Ok(()) => self.sent.push(value),
                    Err(error) => self.kept += usize::from(error.into_inner() == value),
                }
            }
            9 => self.received.extend(receiver.try_recv().ok()),
            10 if self.rng.u32(..4) == 0 => {
                let value = self.value();
                match sender.force_send(value) {
                    Ok(displaced) => {
                        self.sent.push(value);
                        self.received.extend(displaced);
                    }
                    Err(error) => self.kept += usize::from(error.into_inner() == value),
                }
            }
            11 if !self.tasks.is_empty() => {
                // Woken or not.
                let one = self.rng.usize(..self.tasks.len());
                let task = self.tasks.swap_remove(one);
                self.kept += usize::from(matches!(task.op, Op::Send(..)));
            }
            _ => {
                self.run_one();
            }
        }
    }

    /// Polls one of those who were woken.
    fn run_one(&mut self) -> bool {
        let woken = |task: &Task<'_>| task.woken.0.load(Ordering::SeqCst);
        let ready: Vec<_> = (0..self.tasks.len())
            .filter(|&i| woken(&self.tasks[i]))
            .collect();
        let Some(&one) = self.rng.choice(&ready) else {
            return false;
        };
        let task = &mut self.tasks[one];
        task.woken.0.store(false, Ordering::SeqCst);
        // Now and then another waker.
        if self.rng.u32(..4) == 0 {
            task.woken = Arc::new(Woken::default());
        }
        let waker = Waker::from(task.woken.clone());
        let ended = match &mut task.op {
            Op::Send(send, value) => send.poll_with(&waker).map(|sent| match sent {
                Ok(()) => self.sent.push(*value),
                Err(error) => self.kept += usize::from(error.into_inner() == *value),
            }),
            Op::Recv(recv) => {
                let poll = recv.poll_with(&waker);
                poll.map(|received| self.received.extend(received.ok()))
            }
            Op::Stream(stream) => {
                let poll = Pin::new(stream).poll_next(&mut Context::from_waker(&waker));
                poll.map(|received| self.received.extend(received))
            }
            Op::Closed(closed) => closed.poll_with(&waker),
        };
        if ended == Poll::Ready(()) {
            self.tasks.swap_remove(one);
        }
        true
    }

    /// Nobody was woken: then nobody waits for what is there.
    fn check(&self, seed: u64) {
        let (values, room) = (self.receiver.len(), !self.sender.is_full());
        let closed = self.sender.is_closed();
        for task in &self.tasks {
            let must_wait = match &task.op {
                Op::Send(..) => !room,
                Op::Recv(_) | Op::Stream(_) => values == 0,
                Op::Closed(_) => true,
            };
            assert!(
                must_wait && !closed,
                "seed {seed}: one waits for what is there"
            );
        }
    }
}

fn run(seed: u64) {
    let mut rng = fastrand::Rng::with_seed(seed);
    let (sender, receiver) = match rng.usize(..5) {
        0 => unbounded(),
        capacity => bounded(capacity),
    };
    let steps = rng.u32(1..80);
    let mut world = World {
        sender: &sender,
        receiver: &receiver,
        rng,
        tasks: Vec::new(),
        next: 0,
        sent: Vec::new(),
        received: Vec::new(),
        kept: 0,
    };
    for _ in 0..steps {
        world.step();
        if world.rng.u32(..10) == 0 {
            while world.run_one() {}
            world.check(seed);
        }
    }
    world.sender.close();
    while world.run_one() {}
    world.check(seed);
    world
        .received
        .extend(std::iter::from_fn(|| receiver.try_recv().ok()));
    assert_eq!(
        world.next as usize,
        world.sent.len() + world.kept,
        "seed {seed}"
    );
    world.sent.sort_unstable();
    world.received.sort_unstable();
    assert_eq!(world.sent, world.received, "seed {seed}");
}

#[test]
fn nobody_waits_for_what_is_there_and_every_value_is_received_once() {
    let factor = env::var("GORT_STRESS").ok();
    let factor = factor.map_or(1, |f| f.parse().expect("GORT_STRESS is a whole number"));
    (0..4_000 * factor).for_each(run);
}
