//! A process that is stopped and continued, or that its control group throttles, does not take its own absence for goroutines that
//! block.
//!
//! Two belts hold: a round of the monitor that comes late observes nothing, and a thread that could run but did not is no reason for
//! anything. (Tried: with neither, 12 stops lead to 5 to 11 hand-offs and as many stall reports; with either, to none or one;
//! 12 throttled periods lead to 20 to 60 with neither.)
//!
//! What is claimed is bounded by the number of stops, and not nothing at all: on a machine that is short of memory or CPUs a thread
//! may well be stuck for its own reasons now and then. A monitor that believed what it sees after a stop would do so after each.

#![cfg(target_os = "linux")]

use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use gort::{Builder, task, time};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use support::within_patience;

#[path = "stopped/cgroup.rs"]
mod cgroup;
mod support;

const PROCS: usize = 2;
const STOPS: u64 = 12;

/// Longer than the threshold for stall reports, and than anything after which a P is taken away.
const STOPPED_FOR: Duration = Duration::from_millis(120);

/// Ticks of a millisecond after which the monitor has looked several times.
const SOME_TICKS: u64 = 20;

/// What the child tells of itself.
#[derive(Clone, Copy, Debug)]
struct Counts {
    threads: u64,
    handoffs: u64,
    stalls: u64,
    ticks: u64,
}

#[test]
fn a_process_that_was_stopped_blames_no_goroutine() {
    if support::is_child() {
        return be_stopped();
    }
    within_patience(|| {
        let mut child = Stoppable::start("a_process_that_was_stopped_blames_no_goroutine");
        let before = child.after_ticks(SOME_TICKS);
        let mut after = before;
        for _ in 0..STOPS {
            child.stop();
            thread::sleep(STOPPED_FOR);
            child.go_on();
            after = child.after_ticks(after.ticks + SOME_TICKS);
        }
        blames_few(before, after);
    });
}

#[test]
fn a_process_that_is_throttled_blames_no_goroutine() {
    if support::is_child() {
        return be_stopped();
    }
    let throttle = match cgroup::Throttle::new() {
        Ok(throttle) => throttle,
        Err(error) => return eprintln!("not tested: no control group can be made here: {error}"),
    };
    within_patience(move || {
        let mut child = Stoppable::start("a_process_that_is_throttled_blames_no_goroutine");
        let before = child.after_ticks(SOME_TICKS);
        throttle.take(child.pid).expect("it is ours");
        while throttle.times().expect("it is counted") < STOPS {
            thread::sleep(STOPPED_FOR);
        }
        let after = child.counts();
        drop(child);
        blames_few(before, after);
    });
}

/// Fails if more happened than a short machine explains.
fn blames_few(before: Counts, after: Counts) {
    let few = STOPS / 4;
    let seen = format!("{before:?} {after:?}");
    assert!(after.handoffs - before.handoffs <= few, "{seen}");
    assert!(after.stalls - before.stalls <= few, "{seen}");
    assert!(after.threads <= PROCS as u64 + few, "{seen}");
}

/// The child: goroutines in polls of a few microseconds, more than there are Ps, so that there is work behind each of them.
fn be_stopped() {
    let rt = Builder::new().procs(PROCS).build().expect("threads");
    let ticks = Arc::new(AtomicU64::new(0));
    for _ in 0..4 * PROCS {
        rt.go(async {
            loop {
                for _ in 0..100 {
                    std::hint::spin_loop();
                }
                task::yield_now().await;
            }
        });
    }
    rt.go({
        let ticks = ticks.clone();
        async move {
            loop {
                time::sleep(Duration::from_millis(1)).await;
                ticks.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    // Until the other end is closed.
    for line in std::io::stdin().lines() {
        line.expect("it can be read");
        let handle = rt.handle();
        let (threads, handoffs, stalls) = (handle.threads(), handle.handoffs(), handle.stalls());
        let ticks = ticks.load(Ordering::Relaxed);
        println!("\ncounts {threads} {handoffs} {stalls} {ticks}");
    }
}

/// A child process. Ends with its value.
struct Stoppable {
    process: Child,
    pid: Pid,
    asks: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Stoppable {
    /// The child that `test` is, when it finds itself to be one.
    fn start(test: &str) -> Self {
        let mut command = support::child(test);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().expect("it starts");
        Self {
            pid: Pid::from_child(&process),
            asks: process.stdin.take().expect("a pipe"),
            answers: BufReader::new(process.stdout.take().expect("a pipe")).lines(),
            process,
        }
    }

    /// Returns once no thread of the child runs.
    fn stop(&self) {
        kill_process(self.pid, Signal::STOP).expect("it runs");
        let waited = waitpid(Some(self.pid), WaitOptions::UNTRACED).expect("it is ours");
        assert!(waited.is_some_and(|(_, status)| status.stopped()));
    }

    fn go_on(&self) {
        kill_process(self.pid, Signal::CONT).expect("it is stopped");
    }

    /// What the child tells when its ticker has come so far.
    fn after_ticks(&mut self, ticks: u64) -> Counts {
        loop {
            let counts = self.counts();
            if counts.ticks >= ticks {
                return counts;
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn counts(&mut self) -> Counts {
        writeln!(self.asks).expect("it reads");
        let mut answers = self
            .answers
            .by_ref()
            .map(|line| line.expect("it can be read"));
        let line = answers
            .find(|line| line.starts_with("counts "))
            .expect("it answers");
        let mut numbers = line
            .split(' ')
            .skip(1)
            .map(|n| n.parse().expect("a number"));
        let mut next = || numbers.next().expect("four of them");
        Counts {
            threads: next(),
            handoffs: next(),
            stalls: next(),
            ticks: next(),
        }
    }
}

impl Drop for Stoppable {
    fn drop(&mut self) {
        // It may be stopped, if the test has failed.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
