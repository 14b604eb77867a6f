//! Random programs of sends, receives, selects, cancellations and closings, polled by hand: whatever they do, every value is
//! somewhere exactly once, and each sender's values keep their order.

use std::collections::VecDeque;
use std::env;
use std::future::Future;
use std::pin::Pin;

use gort_sync::chan::{Receiver, Recv, Send, Sender, bounded, unbounded, unbuffered};
use gort_sync::{Selecting, Selector};

use super::support::Polled;

/// The number of the sender, and that of the value among his.
type Value = (usize, u32);

enum Op<'a> {
    Send(Polled<Send<'a, Value>>, Value),
    Recv(Polled<Recv<'a, Value>>),
    RecvMany(Polled<Pin<Box<dyn Future<Output = Vec<Value>> + 'a>>>),
    /// Receives from the first or sends to the second.
    Select(Polled<Selecting<'a, Selected>>, Value),
}

enum Selected {
    Received(Option<Value>),
    Sent(bool),
}

struct World<'a> {
    channels: &'a [(Sender<Value>, Receiver<Value>)],
    rng: fastrand::Rng,
    /// In the order in which they began.
    ops: Vec<Op<'a>>,
    /// The next value of each sender.
    next: Vec<u32>,
    sent: Vec<Value>,
    received: Vec<Value>,
    cancels: bool,
}

impl<'a> World<'a> {
    fn value(&mut self) -> Value {
        let sender = self.rng.usize(..self.next.len());
        let value = (sender, self.next[sender]);
        self.next[sender] += 1;
        value
    }

    fn step(&mut self) {
        let channels = self.channels;
        let some = self.rng.usize(..channels.len());
        let (sender, receiver) = &channels[some];
        match self.rng.u32(..12) {
            0..3 => {
                let value = self.value();
                self.ops
                    .push(Op::Send(Polled::new(sender.send(value)), value));
            }
            // It keeps the order of what it receives, but not that among those who wait with it.
            3 if self.cancels => {
                let limit = self.rng.usize(..4);
                self.ops.push(Op::RecvMany(Polled::new(Box::pin(async move {
                    let mut values = Vec::new();
                    let many = receiver.recv_many(&mut values, limit).await;
                    assert_eq!(many.unwrap_or(0), values.len());
                    assert!(in_order(&values), "{values:?} were received together");
                    values
                }))));
            }
            3..6 => self.ops.push(Op::Recv(Polled::new(receiver.recv()))),
            6..8 => {
                let value = self.value();
                let (to, _) = &channels[self.rng.usize(..channels.len())];
                let select = Selector::new()
                    .recv(receiver, |received| Selected::Received(received.ok()))
                    .send(to, value, |sent| Selected::Sent(sent.is_ok()));
                self.ops
                    .push(Op::Select(Polled::new(select.select()), value));
            }
            8 => {
                let value = self.value();
                if sender.try_send(value).is_ok() {
                    self.sent.push(value);
                }
            }
            9 if self.rng.bool() => self.received.extend(receiver.try_recv().ok()),
            9 => {
                let limit = self.rng.usize(..4);
                let many = receiver.try_recv_many(&mut self.received, limit);
                assert!(many.unwrap_or(0) <= limit);
            }
            10 if self.cancels && !self.ops.is_empty() => {
                let one = self.rng.usize(..self.ops.len());
                self.cancel(one);
            }
            _ => {}
        }
        self.poll_all();
    }

    /// A send that is cancelled may have been taken already.
    fn cancel(&mut self, one: usize) {
        match self.ops.remove(one) {
            Op::Send(mut send, value) => {
                if send.poll() == std::task::Poll::Ready(Ok(())) {
                    self.sent.push(value);
                }
            }
            Op::Recv(recv) => drop(recv),
            Op::RecvMany(many) => drop(many),
            Op::Select(mut select, value) => match select.poll() {
                std::task::Poll::Ready(outcome) => self.selected(outcome, value),
                std::task::Poll::Pending => {}
            },
        }
    }

    fn selected(&mut self, outcome: Selected, value: Value) {
        match outcome {
            Selected::Received(received) => self.received.extend(received),
            Selected::Sent(true) => self.sent.push(value),
            Selected::Sent(false) => {}
        }
    }

    /// Polls all in the order in which they began.
    fn poll_all(&mut self) {
        for mut op in std::mem::take(&mut self.ops) {
            use std::task::Poll::{Pending, Ready};
            match &mut op {
                Op::Send(send, value) => match send.poll() {
                    Ready(Ok(())) => self.sent.push(*value),
                    Ready(Err(_)) => {}
                    Pending => self.ops.push(op),
                },
                Op::Recv(recv) => match recv.poll() {
                    Ready(received) => self.received.extend(received.ok()),
                    Pending => self.ops.push(op),
                },
                Op::RecvMany(many) => match many.poll() {
                    Ready(received) => self.received.extend(received),
                    Pending => self.ops.push(op),
                },
                Op::Select(select, value) => match select.poll() {
                    Ready(outcome) => {
                        let value = *value;
                        self.selected(outcome, value);
                    }
                    Pending => self.ops.push(op),
                },
            }
        }
    }
}

fn run(seed: u64, cancels: bool) {
    let mut rng = fastrand::Rng::with_seed(seed);
    let channels: Vec<_> = (0..rng.usize(1..4))
        .map(|_| match rng.u32(..3) {
            0 => unbuffered(),
            1 => bounded(rng.usize(1..4)),
            _ => unbounded(),
        })
        .collect();
    let steps = rng.u32(1..80);
    let mut world = World {
        channels: &channels,
        rng,
        ops: Vec::new(),
        next: vec![0; 3],
        sent: Vec::new(),
        received: Vec::new(),
        cancels,
    };
    (0..steps).for_each(|_| world.step());
    for (sender, _) in &channels {
        sender.close();
    }
    world.poll_all();
    assert!(
        world.ops.is_empty(),
        "seed {seed}: nobody waits in a closed channel"
    );
    let World {
        mut sent,
        mut received,
        ..
    } = world;
    let one_channel = channels.len() == 1;
    for (_, receiver) in &channels {
        let rest: Vec<_> = receiver.try_iter().collect();
        assert!(in_order(&rest), "seed {seed}: {rest:?} lay in a channel");
        received.extend(rest);
    }
    if one_channel && !cancels {
        assert!(
            in_order(&received),
            "seed {seed}: {received:?} were received"
        );
    }
    sent.sort_unstable();
    received.sort_unstable();
    assert_eq!(sent, received, "seed {seed}");
}

/// Whether the values of each sender are in order.
fn in_order(values: &[Value]) -> bool {
    let mut last = [None; 3];
    values
        .iter()
        .all(|&(sender, number)| last[sender].replace(number) < Some(number))
}

fn worlds() -> u64 {
    let factor = env::var("GORT_STRESS").ok();
    4_000 * factor.map_or(1, |f| f.parse().expect("GORT_STRESS is a whole number"))
}

#[test]
fn every_value_is_received_once_and_in_order() {
    (0..worlds()).for_each(|seed| run(seed, false));
}

#[test]
fn every_value_is_received_once_although_operations_are_cancelled() {
    (0..worlds()).for_each(|seed| run(seed, true));
}

/// A receiver is a queue: what goes in comes out, whatever gives back in between.
#[test]
fn what_is_given_back_keeps_its_place() {
    for seed in 0..worlds() {
        let mut rng = fastrand::Rng::with_seed(seed);
        let (sender, receiver) = unbounded();
        let mut model = VecDeque::new();
        for value in 0..rng.u32(1..40) {
            let waiting: Vec<_> = (0..rng.usize(..4))
                .map(|_| Polled::new(receiver.recv()))
                .collect();
            let mut waiting = VecDeque::from(waiting);
            waiting.retain_mut(|recv| match recv.poll() {
                std::task::Poll::Ready(value) => {
                    assert_eq!(value.ok(), model.pop_front(), "seed {seed}");
                    false
                }
                std::task::Poll::Pending => true,
            });
            sender.try_send(value).unwrap();
            model.push_back(value);
            // In any order.
            while !waiting.is_empty() {
                drop(waiting.remove(rng.usize(..waiting.len())));
            }
            assert_eq!(receiver.len(), model.len(), "seed {seed}");
        }
        assert!(receiver.try_iter().eq(model), "seed {seed}");
    }
}
