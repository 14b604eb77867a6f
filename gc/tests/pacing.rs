//! When the collector runs, and what it says about it.
//!
//! Settings are the process's. Tests that need some from the environment start this program again, with one test in it.

use std::panic::Location;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use child::{in_child, stderr};
use gort_gc::{
    External, Report, Root, Stats, collect, pin, set_gc_percent, set_memory_limit, set_report_hook,
    stats, with,
};

mod child;

const MIB: usize = 1 << 20;

/// Far more than anything takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// Tests change settings that all share.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Allocates what nobody needs, in short pins.
fn litter(bytes: usize) {
    for _ in 0..bytes / 1024 {
        with(|g| {
            g.alloc([0_u8; 1024]);
        });
    }
}

fn wait_until(mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "it does not come");
        thread::sleep(Duration::from_millis(1));
    }
}

fn reports() -> Receiver<Report> {
    let (sender, receiver) = channel();
    // Another test's process has no receiver any more.
    set_report_hook(move |report| drop(sender.send(report.clone())));
    receiver
}

#[test]
fn a_setting_that_means_nothing_stops_the_program_where_it_uses_the_heap() {
    let test = "a_setting_that_means_nothing_stops_the_program_where_it_uses_the_heap";
    for (name, value) in [
        ("GORT_GC", "often"),
        ("GORT_MEMLIMIT", "2GB"),
        ("GORT_GCWORKERS", "0"),
        ("GORT_GCTRACE", "2"),
    ] {
        let Some(output) = in_child(test, &[(name, value)]) else {
            drop(pin());
            return;
        };
        assert!(!output.status.success());
        let text = stderr(&output);
        assert!(
            text.contains(&format!("{name} is {value:?}, but must be")),
            "{text}"
        );
    }
}

#[test]
fn the_trace_prints_a_line_for_each_cycle() {
    let test = "the_trace_prints_a_line_for_each_cycle";
    let Some(output) = in_child(test, &[("GORT_GCTRACE", "1")]) else {
        collect();
        collect();
        return;
    };
    assert!(output.status.success());
    let text = stderr(&output);
    for line in ["gc 1 @", "gc 2 @"] {
        assert!(text.contains(line), "{text}");
    }
}

#[test]
fn the_collector_can_be_turned_off() {
    let test = "the_collector_can_be_turned_off";
    let Some(output) = in_child(test, &[("GORT_GC", "off")]) else {
        litter(32 * MIB);
        assert_eq!((stats().cycles, stats().naps), (0, 0));
        assert_eq!(stats().goal_bytes, usize::MAX);
        assert_eq!(collect().cycles, 1);
        return;
    };
    assert!(output.status.success(), "{}", stderr(&output));
}

#[test]
fn a_limit_alone_lets_the_collector_run() {
    let test = "a_limit_alone_lets_the_collector_run";
    let variables = [("GORT_GC", "off"), ("GORT_MEMLIMIT", "8MiB")];
    let Some(output) = in_child(test, &variables) else {
        assert!(stats().goal_bytes == 8 * MIB && stats().limited);
        wait_until(|| {
            litter(MIB);
            stats().cycles >= 3
        });
        return;
    };
    assert!(output.status.success(), "{}", stderr(&output));
}

#[test]
fn settings_are_returned_when_they_are_changed() {
    let _alone = alone();
    let (percent, limit) = (set_gc_percent(Some(300)), set_memory_limit(Some(64 * MIB)));
    assert_eq!(set_gc_percent(None), Some(300));
    assert_eq!(stats().goal_bytes, 64 * MIB);
    assert_eq!(set_memory_limit(None), Some(64 * MIB));
    assert_eq!(stats().goal_bytes, usize::MAX);
    assert_eq!(set_memory_limit(limit), None);
    assert_eq!(set_gc_percent(percent), None);
}

#[test]
fn external_bytes_begin_a_cycle() {
    let _alone = alone();
    let cycles = collect().cycles;
    let mut external = External::new(100 * MIB);
    assert!(stats().external_bytes >= 100 * MIB);
    assert_eq!(external.bytes(), 100 * MIB);
    wait_until(|| stats().cycles > cycles);
    external.set(1);
    assert!(stats().external_bytes < 100 * MIB);
}

#[test]
fn a_guard_that_does_not_end_is_reported_with_its_site_and_thread() {
    let _alone = alone();
    let reports = reports();
    let (end, ended) = channel::<()>();
    let (pinned, is_pinned) = channel();
    let line = Location::caller().line() + 3;
    let holder = thread::Builder::new().name("holder".to_owned());
    let hold = move || {
        let g = pin();
        pinned.send(()).expect("the test waits");
        let _ = ended.recv();
        drop(g);
    };
    let holder = holder.spawn(hold).expect("a thread can be created");
    is_pinned.recv().expect("the thread is there");
    let collecting = thread::spawn(collect);
    loop {
        let report = reports.recv_timeout(PATIENCE).expect("there is a report");
        if let Report::StalledGuard {
            thread,
            site,
            waited,
        } = report
            && thread.as_deref() == Some("holder")
        {
            let site = site.expect("the site is known");
            assert_eq!((site.file(), site.line()), (file!(), line));
            assert!(waited >= Duration::from_millis(100));
            break;
        }
    }
    assert!(!collecting.is_finished());
    drop(end);
    let stats: Stats = collecting.join().expect("the cycle goes on");
    assert!(stats.first_wait + stats.second_wait > Duration::ZERO);
    holder.join().expect("the guard has ended");
}

#[test]
fn who_allocates_while_the_collector_is_held_up_is_slowed_down() {
    let _alone = alone();
    let naps = stats().naps;
    let g = pin();
    let others = thread::spawn(|| {
        // Beyond 1.1 times of the goal, whatever it is.
        let bytes = 2 * stats().goal_bytes.max(4 * MIB);
        litter(bytes);
    });
    others.join().expect("it is slowed down, not stopped");
    assert!(stats().naps > naps);
    // Never inside a pin.
    let naps = stats().naps;
    for _ in 0..2 * MIB / 1024 {
        g.alloc([0_u8; 1024]);
    }
    assert_eq!(stats().naps, naps);
}

#[test]
fn a_limit_below_what_is_alive_is_reported_and_stops_nobody() {
    let _alone = alone();
    let reports = reports();
    let alive: Vec<Root<[u8; 1024]>> = (0..4 * 1024)
        .map(|_| with(|g| g.alloc([7_u8; 1024]).root(g)))
        .collect();
    // A cycle that has swept before all of them were there would report the limit with less.
    collect();
    let before = set_memory_limit(Some(MIB));
    collect();
    loop {
        let report = reports.recv_timeout(PATIENCE).expect("there is a report");
        if let Report::OverLimit { live, limit } = report {
            // A cycle that had begun before may not have counted all of them.
            assert!(live > limit && limit == MIB);
            break;
        }
    }
    litter(MIB);
    assert_eq!(set_memory_limit(before), Some(MIB));
    with(|g| assert!(alive.iter().all(|root| root.get(g)[1023] == 7)));
}
