//! The list of the cases; `full` is the size of the definition, the others trade precision for time.

use super::heap::{ALONE, ARC_AND_EPOCH, BOX_AND_ARC, JUST_ARC, JUST_BOX, JUST_EPOCH};
use super::local::EXECUTORS;
use super::{Case, Family, Figure, Sizes};

const fn sizes(full: u64, normal: u64, quick: u64, tiny: u64) -> Sizes {
    Sizes {
        full,
        normal,
        quick,
        tiny,
    }
}

/// A case ranked by wall time, without sockets or timers, that Go knows too.
const fn plain(
    name: &'static str,
    family: Family,
    sizes: Sizes,
    quick: bool,
    summary: &'static str,
) -> Case {
    Case {
        name,
        family,
        main: Figure::NsPerOp,
        sizes,
        reactor: false,
        quick,
        go: true,
        contestants: &[],
        summary,
    }
}

/// A case with sockets or timers.
const fn driven(
    name: &'static str,
    family: Family,
    main: Figure,
    sizes: Sizes,
    quick: bool,
    summary: &'static str,
) -> Case {
    Case {
        name,
        family,
        main,
        sizes,
        reactor: true,
        quick,
        go: true,
        contestants: &[],
        summary,
    }
}

/// A case of heaps, that Go knows too.
const fn heap(
    name: &'static str,
    heaps: &'static [&'static str],
    sizes: Sizes,
    quick: bool,
    summary: &'static str,
) -> Case {
    Case {
        contestants: heaps,
        ..plain(name, Family::Heap, sizes, quick, summary)
    }
}

/// A case of executors of one thread, of which Go has none.
const fn local(name: &'static str, sizes: Sizes, summary: &'static str) -> Case {
    Case {
        contestants: EXECUTORS,
        go: false,
        ..plain(name, Family::Local, sizes, false, summary)
    }
}

/// Every case, in the order of the tables.
#[rustfmt::skip] // One case, one line: this is a table.
pub(crate) const CASES: &[Case] = &[
    plain("spawn_join", Family::Scheduler, sizes(2_000_000, 1_500_000, 400_000, 1_000), true, "spawn in batches of 10,000 and await the handles in order"),
    plain("spawn_detach", Family::Scheduler, sizes(2_000_000, 1_000_000, 300_000, 1_000), true, "spawn detached tasks that count down"),
    plain("chained_spawn", Family::Scheduler, sizes(4_000_000, 2_000_000, 500_000, 1_000), true, "each task spawns the next"),
    plain("yield_200", Family::Scheduler, sizes(5_000_000, 4_000_000, 1_000_000, 2_000), true, "200 tasks that yield"),
    plain("yield_10k", Family::Scheduler, sizes(5_000_000, 4_000_000, 1_000_000, 20_000), true, "10,000 tasks that yield"),
    plain("skynet", Family::Scheduler, sizes(1_000_000, 1_000_000, 100_000, 1_000), true, "a tree of tasks with fan-out 10, results by channels"),
    // The size is the argument of fib.
    plain("fib", Family::Scheduler, sizes(27, 27, 23, 10), true, "fork-join Fibonacci: spawn one branch, run the other"),
    driven("timeout_cancel", Family::Scheduler, Figure::NsPerOp, sizes(1_000_000, 1_000_000, 250_000, 1_000), true, "a timeout of 10 s around a future that yields once"),
    plain("ping_pong1", Family::Sync, sizes(3_000_000, 2_000_000, 500_000, 1_000), true, "one pair of tasks, two channels of capacity 1"),
    plain("ping_pong", Family::Sync, sizes(4_000_000, 3_000_000, 600_000, 4_000), true, "1,000 pairs of tasks, two channels of capacity 1 each"),
    plain("oneshot_pp", Family::Sync, sizes(600_000, 300_000, 100_000, 1_000), false, "1,000 tasks that spawn a partner and exchange two one-shots"),
    plain("mpmc_4x4", Family::Sync, sizes(3_000_000, 3_000_000, 600_000, 1_000), true, "4 producers, 4 consumers, one channel of capacity 128"),
    plain("spsc_1", Family::Sync, sizes(2_000_000, 2_000_000, 500_000, 1_000), false, "one producer, one consumer, capacity 1"),
    plain("spsc_128", Family::Sync, sizes(8_000_000, 6_000_000, 1_000_000, 1_000), false, "one producer, one consumer, capacity 128"),
    plain("mutex", Family::Sync, sizes(5_000_000, 4_000_000, 800_000, 1_024), false, "64 tasks lock, add 1, unlock"),
    plain("mutex_hold", Family::Sync, sizes(2_000_000, 1_000_000, 300_000, 1_024), false, "64 tasks lock, add 1, yield, unlock"),
    plain("select4", Family::Sync, sizes(4_000_000, 2_000_000, 500_000, 1_000), false, "4 producers, one task selects over 4 receivers"),
    // An OS thread that a goroutine wakes with a futex does not exist in Go.
    Case { go: false, ..plain("wake_ext", Family::Sync, sizes(100_000, 60_000, 20_000, 100), false, "an OS thread sends to a task and waits for its reply") },
    driven("timers", Family::Time, Figure::CpuS, sizes(200_000, 200_000, 100_000, 500), true, "200,000 tasks, one sleep of up to 1 s each"),
    driven("timers1m", Family::Time, Figure::CpuS, sizes(1_000_000, 1_000_000, 400_000, 500), false, "1,000,000 tasks, one sleep of up to 1 s each"),
    // The size is the time in ms.
    driven("idle", Family::Time, Figure::CpuUsPerS, sizes(3_000, 3_000, 1_000, 30), false, "1,000 idle connections and 1,000 sleeping tasks"),
    driven("periodic", Family::Time, Figure::CpuUsPerWake, sizes(3_000, 3_000, 1_000, 200), false, "1,000 tasks, each sleeping 100 ms over and over"),
    plain_memory("mem_parked", false, "tasks parked on a future that registered its waker"),
    plain_memory("mem_sleep", true, "tasks that sleep for an hour"),
    driven("echo_100", Family::Net, Figure::NsPerOp, sizes(200_000, 150_000, 50_000, 200), true, "TCP echo, 100 connections, 64 bytes"),
    driven("echo_5000", Family::Net, Figure::NsPerOp, sizes(200_000, 150_000, 50_000, 200), false, "the same beside 4,900 idle connections"),
    // The size is the time in ms.
    driven("http", Family::Net, Figure::NsPerOp, sizes(5_000, 3_000, 1_000, 50), true, "hyper hello, 64 keep-alive connections from another process"),
    // The size is the time in ms.
    driven("block_echo", Family::HandOff, Figure::OpsPerS, sizes(3_000, 3_000, 1_000, 50), true, "8 echo connections while every worker sleeps 50 ms per poll"),
    driven("block_tick", Family::HandOff, Figure::LateP99Us, sizes(3_000, 3_000, 1_000, 50), false, "a 1 ms ticker while every worker sleeps 50 ms per poll"),
    driven("hog_echo", Family::HandOff, Figure::OpsPerS, sizes(3_000, 3_000, 1_000, 50), false, "8 echo connections while every worker computes 50 ms per poll"),
    driven("hog_tick", Family::HandOff, Figure::LateP99Us, sizes(3_000, 3_000, 1_000, 50), true, "a 1 ms ticker while every worker computes 50 ms per poll"),
    Case { go: false, ..plain("unblock", Family::HandOff, sizes(100_000, 100_000, 30_000, 1_000), true, "empty calls on the threads for blocking ones, 1,000 in flight") },
    Case { go: false, ..plain("unblock_seq", Family::HandOff, sizes(30_000, 30_000, 10_000, 100), false, "the same, one after the other") },
    local("local_spawn", sizes(10_000_000, 6_000_000, 1_000_000, 1_000), "spawn in batches of 1,000 on one thread and await the handles in order"),
    local("local_yield", sizes(20_000_000, 10_000_000, 2_000_000, 2_000), "200 tasks that yield, on one thread"),
    local("local_chan", sizes(6_000_000, 4_000_000, 800_000, 4_000), "200 pairs of tasks on one thread, two channels of capacity 1 each"),
    local("local_chan_foreign", sizes(6_000_000, 4_000_000, 800_000, 4_000), "the same with the channels of async-channel for all"),
    // The size is the depth of the greatest tree.
    heap("gc_bintrees", BOX_AND_ARC, sizes(18, 18, 14, 6), true, "binary trees of depth 4, 8, ..., while one of the greatest depth is alive"),
    heap("gc_fifo", BOX_AND_ARC, sizes(20_000_000, 6_000_000, 1_000_000, 2_000), true, "a queue of 1,000,000 nodes per mutator: push one, pop one"),
    heap("gc_slots", BOX_AND_ARC, sizes(10_000_000, 4_000_000, 500_000, 2_000), false, "random replacement in a graph of 1,000,000 objects per mutator"),
    heap("gc_table", ARC_AND_EPOCH, sizes(100_000_000, 40_000_000, 8_000_000, 10_000), true, "a table of 65,536 values that is read nine times, then changed"),
    heap("gc_stack", JUST_EPOCH, sizes(20_000_000, 10_000_000, 2_000_000, 2_000), false, "a lock-free stack: push one, pop one"),
    heap("gc_cycles", JUST_ARC, sizes(50_000_000, 20_000_000, 4_000_000, 2_000), false, "rings of ten nodes, made and dropped"),
    // What these measure does not exist in Go.
    Case { go: false, ..heap("gc_pin", JUST_EPOCH, sizes(200_000_000, 100_000_000, 20_000_000, 2_000), true, "pin and unpin") },
    Case { go: false, ..heap("gc_root", JUST_ARC, sizes(100_000_000, 30_000_000, 5_000_000, 2_000), false, "clone and drop a root of one object that all share") },
    Case { main: Figure::Over100Us, ..heap("gc_latency", JUST_BOX, sizes(10_000_000, 3_000_000, 500_000, 2_000), false, "a ring of 200,000 messages of 1 KiB, one mutator") },
    // Go stops the world instead.
    Case { main: Figure::P99Us, go: false, ..heap("gc_handshake", ALONE, sizes(5_000, 2_000, 1_000, 20), false, "how long a cycle waits for guards of up to 100 us") },
];

const fn plain_memory(name: &'static str, reactor: bool, summary: &'static str) -> Case {
    Case {
        name,
        family: Family::Memory,
        main: Figure::BytesPerTask,
        sizes: sizes(1_000_000, 1_000_000, 200_000, 1_000),
        reactor,
        quick: !reactor,
        go: true,
        contestants: &[],
        summary,
    }
}

/// Returns the case of that name.
pub(crate) fn find(name: &str) -> Option<&'static Case> {
    CASES.iter().find(|case| case.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_stands_for_one_case() {
        for case in CASES {
            assert_eq!(
                CASES.iter().filter(|other| other.name == case.name).count(),
                1
            );
            assert!(Family::ALL.iter().all(|family| family.name() != case.name));
        }
    }

    #[test]
    fn a_smaller_scale_is_not_more_work() {
        for Case { name, sizes, .. } in CASES {
            let Sizes {
                full,
                normal,
                quick,
                tiny,
            } = *sizes;
            assert!(
                full >= normal && normal >= quick && quick >= tiny && tiny > 0,
                "{name}"
            );
        }
    }
}
