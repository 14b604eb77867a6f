//! Threads that do nothing but help to mark.
//!
//! A quarter of the CPUs marks, as in Go: the collector's thread, and a worker for each four CPUs beyond the first four. So
//! there is none with less than eight, where idle threads of an executor and [assists](crate::marker) have to do; and
//! `GORT_GCWORKERS` says something else if it is set. They are made when a cycle first marks, and sleep when there is nothing
//! to trace. In a child of `fork` they are not there.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::grey::CHUNK;
use crate::marker::POOL;
use crate::settings;

/// How many CPUs there are for each thread that marks. From Go.
const CPUS: usize = 4;

/// How often a worker looks for something to trace before it sleeps. Thin air: some 10 us.
const LOOKS: usize = 30;

/// How many there are. Changed by the collector's thread.
static WORKERS: AtomicUsize = AtomicUsize::new(0);

/// How many threads mark.
pub(crate) fn marking() -> usize {
    // Relaxed: a number on its own.
    1 + WORKERS.load(Ordering::Relaxed)
}

/// Makes those that are missing, and that the system has threads for. Only the collector's thread does this.
pub(crate) fn start() {
    while marking() < wanted() {
        let builder = thread::Builder::new().name("gort-gc-mark".to_owned());
        if builder.spawn(run).is_err() {
            return;
        }
        // Relaxed: as in `marking`.
        WORKERS.fetch_add(1, Ordering::Relaxed);
    }
}

/// How many threads should mark.
fn wanted() -> usize {
    settings::workers().unwrap_or_else(|| {
        static CPUS_HERE: std::sync::OnceLock<usize> = std::sync::OnceLock::new();
        let cpus = || thread::available_parallelism().map_or(1, usize::from);
        CPUS_HERE.get_or_init(cpus) / CPUS
    })
}

/// A worker.
fn run() {
    loop {
        let mut active = POOL.enter_when_filled();
        loop {
            active.trace(CHUNK);
            if !active.refill() {
                break;
            }
        }
        drop(active);
        wait_a_moment();
    }
}

/// Looks for something to trace, which costs the others less than to wake this thread.
fn wait_a_moment() {
    for _ in 0..LOOKS {
        if POOL.has_some() {
            return;
        }
        thread::yield_now();
    }
}
