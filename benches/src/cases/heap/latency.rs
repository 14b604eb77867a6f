//! A ring of messages, each of which is touched once: Will Sewell's experiment on the latency of collectors.

use gort::gc::{Edge, Root, Trace, with};

use super::{Cx, Verdict, measure, timed, with_times};
use crate::cases::check;

/// Messages that are alive.
const LIVE: u64 = 200_000;

/// Bytes of a message.
const BYTES: usize = 1024;

#[derive(Trace)]
struct Message([u8; BYTES]);

impl Message {
    fn new(number: u64) -> Self {
        Self([number as u8; BYTES])
    }
}

/// Messages in a ring.
trait Ring {
    fn new(slots: u64) -> Self;
    fn put(&mut self, slot: u64, number: u64);
    /// Returns the sum of the last byte of each.
    fn sum(&self) -> u64;
}

struct Boxed(Vec<Option<Box<Message>>>);

impl Ring for Boxed {
    fn new(slots: u64) -> Self {
        Self((0..slots).map(|_| None).collect())
    }

    fn put(&mut self, slot: u64, number: u64) {
        self.0[slot as usize] = Some(Box::new(Message::new(number)));
    }

    fn sum(&self) -> u64 {
        let messages = self.0.iter().flatten();
        messages
            .map(|message| u64::from(message.0[BYTES - 1]))
            .sum()
    }
}

type Slots<'g> = Vec<Edge<'g, Message>>;

impl Ring for Root<Slots<'static>> {
    fn new(slots: u64) -> Self {
        Root::new(|_| (0..slots).map(|_| Edge::null()).collect())
    }

    fn put(&mut self, slot: u64, number: u64) {
        with(|g| self.get(g)[slot as usize].store(g, Some(g.alloc(Message::new(number)))));
    }

    fn sum(&self) -> u64 {
        let last = |edge: &Edge<'_, Message>| {
            edge.load()
                .map_or(0, |message| u64::from(message.0[BYTES - 1]))
        };
        with(|g| self.get(g).iter().map(last).sum())
    }
}

pub(super) fn boxed(cx: Cx) -> Verdict {
    latency::<Boxed>(cx)
}

pub(super) fn collected(cx: Cx) -> Verdict {
    latency::<Root<Slots<'static>>>(cx)
}

/// One mutator, whatever the number of workers, puts messages into the ring.
fn latency<R: Ring>(cx: Cx) -> Verdict {
    let (live, messages) = (cx.up_to(LIVE), cx.size);
    let one = Cx { procs: 1, ..cx };
    let work = |ring: &mut R| {
        let times = timed(messages, |number| ring.put(number % live, number));
        (ring.sum(), times)
    };
    let (measured, mut results) = measure(one, |_| R::new(live), work);
    let (sum, times) = results.pop().expect("there is one mutator");
    let first = messages.saturating_sub(live);
    check(
        "sum of the messages",
        sum,
        (first..messages).map(|number| number & 255).sum(),
    )?;
    Ok(with_times(measured, &[times]))
}
