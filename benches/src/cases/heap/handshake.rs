//! How long a cycle waits for guards that are held for up to 100 us, one after the other.

use std::hint;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use gort::gc;

use super::{Cx, Random, Verdict};
use crate::cases::check;
use crate::figures::{Figure, Meter};
use crate::stats::Histogram;

/// The longest that a guard is held, unless the thread loses its CPU.
const GUARD_NS: u64 = 100_000;

/// Cycles, one after the other, beside one mutator for each worker but one: the collector needs a CPU of its own, or the
/// kernel's time slices are what is measured.
pub(super) fn handshakes(cx: Cx) -> Verdict {
    let ended = AtomicBool::new(false);
    let mutators = cx.procs.saturating_sub(1).max(1) as u64;
    thread::scope(|scope| {
        for number in 0..mutators {
            let ended = &ended;
            scope.spawn(move || hold_guards(number, ended));
        }
        let meter = Meter::start();
        let mut waits = Histogram::new();
        let mut cycles = 0;
        for _ in 0..cx.size {
            let stats = gc::collect();
            cycles = stats.cycles;
            waits.add(stats.first_wait.as_nanos() as u64);
            waits.add(stats.second_wait.as_nanos() as u64);
        }
        let measured = meter.stop();
        ended.store(true, Ordering::Relaxed);
        check("cycles", cycles, cx.size)?;
        let us = |percentile| waits.percentile(percentile) as f64 / 1e3;
        Ok(measured
            .per_op(cx.size)
            .with(Figure::P50Us, us(50.0))
            .with(Figure::P99Us, us(99.0))
            .with(Figure::P999Us, us(99.9))
            .with(Figure::WorstUs, us(100.0)))
    })
}

fn hold_guards(number: u64, ended: &AtomicBool) {
    let mut random = Random::new(number);
    while !ended.load(Ordering::Relaxed) {
        let end = Instant::now() + Duration::from_nanos(random.below(GUARD_NS));
        gc::with(|g| {
            while Instant::now() < end {
                hint::black_box(g.alloc(random.below(GUARD_NS)));
            }
        });
    }
}
