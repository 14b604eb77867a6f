//! CPUs: are two really there, and which threads run on which?
//!
//! The kernel of a virtual machine may stack two runnable threads on one CPU while the other idles, and
//! its host may give two virtual CPUs the time of one. So the parent probes before every child, and
//! pins the two busiest threads of the child to different CPUs from outside: no runtime knows, and all
//! are treated alike. Affinity exists on Linux only; elsewhere nothing is pinned or probed.

use std::time::Duration;

/// How often, and how long after the start of a child, its threads are looked at: first during its
/// warm-up, then once it works.
pub(crate) const LOOKS: [Duration; 6] = [
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(140),
    Duration::from_millis(220),
    Duration::from_millis(400),
    Duration::from_millis(800),
];

#[cfg(target_os = "linux")]
pub(crate) use linux::{Pinner, Prober, unpin_this_thread};

#[cfg(not(target_os = "linux"))]
pub(crate) use elsewhere::{Pinner, Prober, unpin_this_thread};

#[cfg(target_os = "linux")]
mod linux {
    use std::collections::HashMap;
    use std::fs;
    use std::hint::black_box;
    use std::sync::Barrier;
    use std::thread;
    use std::time::{Duration, Instant};

    use rustix::process::Pid;
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

    /// Two spinners together must do this much more than one alone; hosts give 1.3 to 2.0.
    const ENOUGH: f64 = 1.7;

    /// How long one measurement of the probe lasts.
    const PROBE: Duration = Duration::from_millis(10);

    /// Returns the CPUs that this process may use.
    fn allowed() -> Vec<usize> {
        let set = sched_getaffinity(None).unwrap_or_else(|_| CpuSet::new());
        (0..CpuSet::MAX_CPU)
            .filter(|&cpu| set.is_set(cpu))
            .collect()
    }

    fn only(cpu: usize) -> CpuSet {
        let mut set = CpuSet::new();
        set.set(cpu);
        set
    }

    /// Lets the calling thread run on every CPU, whatever it inherited.
    pub(crate) fn unpin_this_thread() {
        let mut all = CpuSet::new();
        (0..CpuSet::MAX_CPU).for_each(|cpu| all.set(cpu));
        // The kernel cuts the set down to what the process may use; a refusal leaves things as they are.
        let _ = sched_setaffinity(None, &all);
    }

    /// Finds out how many CPUs are really there.
    #[derive(Default)]
    pub(crate) struct Prober {
        /// The most that one spinner has ever done. One alone is measured anew each time, but may
        /// be disturbed by other programs, and then two would seem to do more than twice its work.
        alone: f64,
    }

    impl Prober {
        /// Waits until two CPUs are there, for at most `patience`, and returns how many the last
        /// look found: the work of two pinned spinners over that of one.
        pub(crate) fn probe(&mut self, patience: Duration) -> Option<f64> {
            let &[first, second, ..] = allowed().as_slice() else {
                return Some(1.0);
            };
            let deadline = Instant::now() + patience;
            loop {
                self.alone = self.alone.max(spin_on(&[first])).max(spin_on(&[second]));
                let found = spin_on(&[first, second]) / self.alone;
                if found >= ENOUGH || Instant::now() >= deadline {
                    return Some(found);
                }
                thread::sleep(Duration::from_millis(50));
            }
        }
    }

    /// Spins on each of the CPUs at once and returns the rounds of all.
    fn spin_on(cpus: &[usize]) -> f64 {
        let start = Barrier::new(cpus.len());
        thread::scope(|scope| {
            let spinners: Vec<_> = cpus
                .iter()
                .map(|&cpu| {
                    let start = &start;
                    scope.spawn(move || {
                        // A refusal shows as a low ratio.
                        let _ = sched_setaffinity(None, &only(cpu));
                        start.wait();
                        spin()
                    })
                })
                .collect();
            spinners
                .into_iter()
                .map(|spinner| spinner.join().unwrap_or(0.0))
                .sum()
        })
    }

    fn spin() -> f64 {
        let end = Instant::now() + PROBE;
        let mut rounds = 0u64;
        while Instant::now() < end {
            for _ in 0..1_000 {
                rounds = black_box(rounds + 1);
            }
        }
        rounds as f64
    }

    /// Keeps the two busiest threads of a process on CPUs of their own, and the others free.
    pub(crate) struct Pinner {
        process: u32,
        cpus: Vec<usize>,
        /// Where each known thread may run: on one CPU, or on any.
        placed: HashMap<Pid, Option<usize>>,
    }

    impl Pinner {
        /// Makes a pinner for a child process.
        pub(crate) fn new(process: u32) -> Pinner {
            Pinner {
                process,
                cpus: allowed(),
                placed: HashMap::new(),
            }
        }

        /// Pins the threads that are the busiest now, and releases all others: those that were the
        /// busiest before, and those that inherited the CPU of the pinned thread that started them.
        pub(crate) fn look(&mut self) {
            let &[first, second, ..] = self.cpus.as_slice() else {
                return;
            };
            let threads = threads_by_cpu_time(self.process);
            let [one, other, rest @ ..] = threads.as_slice() else {
                return;
            };
            // Two that stay the busiest stay where they are, whichever of them leads now.
            let swapped = self.placed.get(one) == Some(&Some(second));
            let (one, other) = if swapped { (other, one) } else { (one, other) };
            self.place(*one, Some(first));
            self.place(*other, Some(second));
            rest.iter().for_each(|&thread| self.place(thread, None));
        }

        fn place(&mut self, thread: Pid, cpu: Option<usize>) {
            if self.placed.insert(thread, cpu) == Some(cpu) {
                return;
            }
            let mut set = CpuSet::new();
            match cpu {
                Some(cpu) => set.set(cpu),
                None => self.cpus.iter().for_each(|&cpu| set.set(cpu)),
            }
            // A thread that has ended cannot be placed, and need not be.
            let _ = sched_setaffinity(Some(thread), &set);
        }
    }

    /// Returns the threads of a process, the one with the most CPU time first.
    fn threads_by_cpu_time(process: u32) -> Vec<Pid> {
        let Ok(tasks) = fs::read_dir(format!("/proc/{process}/task")) else {
            return Vec::new();
        };
        let mut threads: Vec<(u64, Pid)> = tasks
            .flatten()
            .filter_map(|task| {
                let id = task.file_name().to_str()?.parse().ok()?;
                let stat = fs::read_to_string(task.path().join("stat")).ok()?;
                Some((cpu_ticks(&stat)?, Pid::from_raw(id)?))
            })
            .collect();
        threads.sort_by_key(|&(ticks, _)| std::cmp::Reverse(ticks));
        threads.into_iter().map(|(_, thread)| thread).collect()
    }

    /// Reads user plus system time out of a line of `/proc/<pid>/task/<tid>/stat`.
    pub(super) fn cpu_ticks(stat: &str) -> Option<u64> {
        // The name in parentheses may hold spaces and parentheses; what follows the last one may not.
        let (_, fields) = stat.rsplit_once(')')?;
        let mut times = fields.split_whitespace().skip(11);
        let user: u64 = times.next()?.parse().ok()?;
        let system: u64 = times.next()?.parse().ok()?;
        Some(user + system)
    }
}

#[cfg(not(target_os = "linux"))]
mod elsewhere {
    use std::time::Duration;

    /// Does nothing: threads are not pinned on this system.
    pub(crate) fn unpin_this_thread() {}

    /// Stands where Linux probes CPUs.
    #[derive(Default)]
    pub(crate) struct Prober;

    impl Prober {
        /// Returns `None`: CPUs are not probed on this system.
        pub(crate) fn probe(&mut self, _patience: Duration) -> Option<f64> {
            None
        }
    }

    /// Stands where Linux pins threads.
    pub(crate) struct Pinner;

    impl Pinner {
        /// Makes a pinner that does nothing.
        pub(crate) fn new(_process: u32) -> Pinner {
            Pinner
        }

        /// Does nothing.
        pub(crate) fn look(&mut self) {}
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::linux::cpu_ticks;

    #[test]
    fn a_thread_name_with_spaces_and_parentheses_does_not_shift_the_times() {
        let stat = "7 (a) b (c) R 1 7 7 0 -1 4194304 98 0 0 0 30 12 0 0 20 0 1 0";
        assert_eq!(cpu_ticks(stat), Some(42));
        assert_eq!(cpu_ticks("7 (x) R 1"), None);
    }
}
