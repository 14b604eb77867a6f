//! Memory instead of tasks: objects on gort's collected heap, on Go's, and what else Rust has for the purpose.
//!
//! Here the columns are heaps, and the workers are plain threads, the *mutators*; gort's collector has a thread of its own,
//! and Go's shares the Ps. So CPU time and the largest resident set stand beside wall time. Both collectors keep their default
//! of 100 per cent (`GOGC`, `GORT_GC`), and all verify what they have built.
//!
//! | heap | what a user would write |
//! |---|---|
//! | gort | `Gc`, `Edge`, `Root`; guards are short: a few thousand allocations at most |
//! | go | pointers |
//! | box | `Box`; one owner, no sharing between threads |
//! | arc | `Arc`, with `RwLock` where a pointer changes; `Weak` to break cycles |
//! | epoch | crossbeam-epoch, with `unsafe` |

use std::sync::Barrier;
use std::time::Instant;

use super::{Case, Cx, Failure, Verdict};
use crate::figures::{Figure, Figures, Measured, Meter};
use crate::stats::Histogram;

mod cycles;
mod fifo;
mod handshake;
mod latency;
mod pins;
mod slots;
mod stack;
mod table;
mod trees;

pub(crate) const GORT: &str = "gort";
const BOX: &str = "box";
const ARC: &str = "arc";
const EPOCH: &str = "epoch";

/// The heaps of this program beside gort's, in the order of the tables.
pub(crate) const NAMES: &[&str] = &[BOX, ARC, EPOCH];

/// The heaps that run each case, in the order of the catalogue.
pub(super) const BOX_AND_ARC: &[&str] = &[GORT, BOX, ARC];
pub(super) const ARC_AND_EPOCH: &[&str] = &[GORT, ARC, EPOCH];
pub(super) const JUST_EPOCH: &[&str] = &[GORT, EPOCH];
pub(super) const JUST_ARC: &[&str] = &[GORT, ARC];
pub(super) const JUST_BOX: &[&str] = &[GORT, BOX];
pub(super) const ALONE: &[&str] = &[GORT];

/// Runs a case on a heap.
///
/// # Panics
///
/// If no case has that name, or a mutator panics.
pub(crate) fn run(case: &Case, heap: &str, cx: Cx) -> Verdict {
    match (case.name, heap) {
        (name, _) if !case.contestants.contains(&heap) => {
            Err(Failure::Skip(format!("`{heap}` has no form of {name}")))
        }
        ("gc_bintrees", BOX) => trees::boxed(cx),
        ("gc_bintrees", ARC) => trees::counted(cx),
        ("gc_bintrees", _) => trees::collected(cx),
        ("gc_fifo", BOX) => fifo::boxed(cx),
        ("gc_fifo", ARC) => fifo::counted(cx),
        ("gc_fifo", _) => fifo::collected(cx),
        ("gc_slots", BOX) => slots::boxed(cx),
        ("gc_slots", ARC) => slots::counted(cx),
        ("gc_slots", _) => slots::collected(cx),
        ("gc_table", ARC) => table::counted(cx),
        ("gc_table", EPOCH) => table::epochs(cx),
        ("gc_table", _) => table::collected(cx),
        ("gc_stack", EPOCH) => stack::epochs(cx),
        ("gc_stack", _) => stack::collected(cx),
        ("gc_cycles", ARC) => cycles::counted(cx),
        ("gc_cycles", _) => cycles::collected(cx),
        ("gc_pin", EPOCH) => pins::epochs(cx),
        ("gc_pin", _) => pins::pins(cx),
        ("gc_root", ARC) => pins::counted(cx),
        ("gc_root", _) => pins::roots(cx),
        ("gc_latency", BOX) => latency::boxed(cx),
        ("gc_latency", _) => latency::collected(cx),
        ("gc_handshake", _) => handshake::handshakes(cx),
        (other, _) => panic!("the catalogue names `{other}`, which has no body"),
    }
}

/// Lets each mutator prepare, waits for all, and measures what they do then. What they have prepared is dropped later.
fn measure<S, T: Send>(
    cx: Cx,
    prepare: impl Fn(u64) -> S + Sync,
    work: impl Fn(&mut S) -> T + Sync,
) -> (Measured, Vec<T>) {
    let (prepared, finished) = (Barrier::new(cx.procs + 1), Barrier::new(cx.procs + 1));
    let mutator = |number| {
        let mut state = prepare(number);
        prepared.wait();
        let result = work(&mut state);
        finished.wait();
        result
    };
    std::thread::scope(|scope| {
        let mutators: Vec<_> = (0..cx.procs as u64)
            .map(|number| scope.spawn(move || mutator(number)))
            .collect();
        prepared.wait();
        let meter = Meter::start();
        finished.wait();
        let measured = meter.stop();
        let results = mutators.into_iter().map(|mutator| mutator.join());
        let results = results.map(|result| result.expect("a mutator does not panic"));
        (measured, results.collect())
    })
}

/// Times `operation` over and over: the end of one is the beginning of the next.
fn timed(operations: u64, mut operation: impl FnMut(u64)) -> Histogram {
    let mut times = Histogram::new();
    let mut last = Instant::now();
    for number in 0..operations {
        operation(number);
        let now = Instant::now();
        times.add((now - last).as_nanos() as u64);
        last = now;
    }
    times
}

/// The figures of a case whose operations were timed one by one.
fn with_times(measured: Measured, times: &[Histogram]) -> Figures {
    let mut all = Histogram::new();
    times.iter().for_each(|times| all.merge(times));
    let us = |ns: u64| ns as f64 / 1e3;
    measured
        .per_op(all.len())
        .with(Figure::P999Us, us(all.percentile(99.9)))
        .with(Figure::P9999Us, us(all.percentile(99.99)))
        .with(Figure::WorstUs, us(all.percentile(100.0)))
        .with(Figure::Over100Us, all.above(100_000) as f64)
}

/// A generator of numbers that are random enough, and the same on every heap (Marsaglia's xorshift).
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self((seed + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    /// Returns a number below `n`.
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % n
    }
}
