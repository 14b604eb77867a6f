//! A control group that lets its processes run for a part of the time, where the kernel and our rights allow one.

use std::path::{Path, PathBuf};
use std::{fs, io};

use rustix::process::Pid;

/// How long a process may run in each [`PERIOD_US`], on all CPUs together.
const QUOTA_US: u32 = 10_000;
const PERIOD_US: u32 = 100_000;

/// Removes the group with its value, when no process is in it.
#[derive(Debug)]
pub(crate) struct Throttle {
    group: PathBuf,
}

impl Throttle {
    /// Makes a group, by the first version's `cpu` controller or by the second version's.
    pub(crate) fn new() -> io::Result<Self> {
        let root = Path::new("/sys/fs/cgroup");
        let (parent, limits) =
            if root.join("cpu/cpu.cfs_quota_us").exists() || root.join("cpu/cpu.shares").exists() {
                let quota = ("cpu.cfs_quota_us", QUOTA_US.to_string());
                (
                    root.join("cpu"),
                    vec![("cpu.cfs_period_us", PERIOD_US.to_string()), quota],
                )
            } else {
                (
                    root.into(),
                    vec![("cpu.max", format!("{QUOTA_US} {PERIOD_US}"))],
                )
            };
        let group = parent.join(format!("gort-test-{}", std::process::id()));
        fs::create_dir(&group)?;
        let throttle = Self { group };
        for (file, value) in limits {
            fs::write(throttle.group.join(file), value)?;
        }
        throttle.times()?;
        Ok(throttle)
    }

    /// Puts a process into the group, with all its threads.
    pub(crate) fn take(&self, process: Pid) -> io::Result<()> {
        let pid = process.as_raw_nonzero().to_string();
        fs::write(self.group.join("cgroup.procs"), pid)
    }

    /// Returns how often the group had used up its time.
    pub(crate) fn times(&self) -> io::Result<u64> {
        let stat = fs::read_to_string(self.group.join("cpu.stat"))?;
        let times = stat
            .lines()
            .find_map(|line| line.strip_prefix("nr_throttled "));
        times
            .and_then(|times| times.parse().ok())
            .ok_or_else(|| io::Error::other("the kernel does not count"))
    }
}

impl Drop for Throttle {
    fn drop(&mut self) {
        // A process that has just ended may still be in it.
        for _ in 0..100 {
            match fs::remove_dir(&self.group) {
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                    std::thread::sleep(std::time::Duration::from_millis(10));
                }
                _ => return,
            }
        }
    }
}
