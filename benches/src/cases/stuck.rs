//! What others get while tasks block, or compute, in their polls.
//!
//! As many tasks as workers do so for 50 ms per poll and then yield; beside them eight connections exchange messages, or one
//! task sleeps for a millisecond over and over.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::echo::{self, MESSAGE};
use super::timers::{sleep_and_compare, with_lateness};
use super::{Cx, Failure, Verdict, check};
use crate::adapters::{Runtime, Stream};
use crate::figures::{Figure, Figures, Measured, Meter};
use crate::usage::threads;

const POLL: Duration = Duration::from_millis(50);
const TICK: Duration = Duration::from_millis(1);
const CLIENTS: u64 = 8;

/// How a task keeps its worker.
#[derive(Clone, Copy)]
pub(super) enum Stuck {
    /// It sleeps, in a system call.
    Blocked,
    /// It computes.
    Hogging,
}

impl Stuck {
    fn poll(self) {
        match self {
            Stuck::Blocked => std::thread::sleep(POLL),
            Stuck::Hogging => {
                let start = Instant::now();
                while start.elapsed() < POLL {
                    std::hint::spin_loop();
                }
            }
        }
    }
}

/// The tasks that keep the workers.
struct Load<R: Runtime> {
    stop: Arc<AtomicBool>,
    tasks: Vec<R::Join<u64>>,
}

impl<R: Runtime> Load<R> {
    async fn start(how: Stuck, procs: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let tasks = (0..procs)
            .map(|_| {
                let stop = Arc::clone(&stop);
                R::spawn(async move {
                    let mut polls = 0;
                    // Relaxed: a request that is seen some time.
                    while !stop.load(Ordering::Relaxed) {
                        how.poll();
                        polls += 1;
                        R::yield_now().await;
                    }
                    polls
                })
            })
            .collect();
        // Each has kept its worker once before anything is measured.
        R::sleep(2 * POLL).await;
        Self { stop, tasks }
    }

    async fn end(self) -> Result<(), Failure> {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            check("tasks that never ran", u64::from(task.await == 0), 0)?;
        }
        Ok(())
    }
}

fn common(measured: Measured, ops: u64) -> Figures {
    measured
        .common(ops.max(1))
        .with(Figure::Threads, threads() as f64)
}

/// Round trips per second of eight echo connections.
pub(super) async fn echo<R: Runtime>(cx: Cx, how: Stuck) -> Verdict {
    let server = echo::serve::<R>(CLIENTS).await?;
    let clients = echo::connect::<R>(server.address, CLIENTS).await?;
    let load = Load::<R>::start(how, cx.procs).await;
    let end = Instant::now() + cx.duration();
    let meter = Meter::start();
    let tasks: Vec<_> = clients
        .into_iter()
        .map(|stream| R::spawn(converse::<R>(stream, end)))
        .collect();
    let mut trips = 0;
    for task in tasks {
        trips += task.await?;
    }
    let measured = meter.stop();
    load.end().await?;
    let rate = trips as f64 / measured.wall.as_secs_f64();
    Ok(common(measured, trips).with(Figure::OpsPerS, rate))
}

async fn converse<R: Runtime>(mut stream: R::Stream, end: Instant) -> Result<u64, Failure> {
    let mut reply = [0; MESSAGE];
    let mut trips = 0;
    while Instant::now() < end {
        let message = [trips as u8; MESSAGE];
        stream.write_all(&message).await?;
        stream.read_exact(&mut reply).await?;
        trips += 1;
        if reply != message {
            return Err(Failure::Wrong("an echo differs from its message".into()));
        }
    }
    Ok(trips)
}

/// Lateness of a task that sleeps for a millisecond over and over.
pub(super) async fn tick<R: Runtime>(cx: Cx, how: Stuck) -> Verdict {
    let load = Load::<R>::start(how, cx.procs).await;
    let end = Instant::now() + cx.duration();
    let meter = Meter::start();
    let ticker = R::spawn(async move {
        let mut late = Vec::new();
        while Instant::now() < end {
            late.push(sleep_and_compare::<R>(TICK).await);
        }
        late
    });
    let late = ticker.await;
    let measured = meter.stop();
    load.end().await?;
    let ticks = late.len() as u64;
    let mut late = late
        .into_iter()
        .collect::<Option<Vec<u32>>>()
        .ok_or_else(|| Failure::Wrong("a sleep ended early".into()))?;
    Ok(with_lateness(common(measured, ticks), &mut late))
}
