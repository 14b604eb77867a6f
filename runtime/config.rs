//! How many Ps a process gets.
//!
//! The rule of Go 1.25: the number of CPUs that the process may run on, or the CPU quota of its cgroup if that is lower. A
//! quota is rounded up and counts as at least 2: with one P a quota of 1.5 CPUs would leave a third of it unused, and one
//! busy goroutine would stop all others.

use std::io;
use std::path::Path;

use crate::lease::MAX_PROCS;

/// The variable that overrides the rule.
const VARIABLE: &str = "GORT_PROCS";

/// Returns how many Ps a runtime gets by default on this machine: the CPUs this process may use, by its affinity and by the quota of its
/// cgroup.
///
/// `GORT_PROCS` is not looked at.
///
/// # Examples
///
/// ```
/// assert!(gort::available_procs() >= 1);
/// ```
#[must_use]
pub fn available_procs() -> usize {
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    // The standard library rounds a quota down; undo that by asking for the affinity alone.
    let cpus = affinity().unwrap_or(cpus);
    match quota(Path::new("/proc/self/cgroup"), Path::new("/sys/fs/cgroup")) {
        Some(quota) => cpus.min(quota_procs(quota)),
        None => cpus,
    }
    .clamp(1, MAX_PROCS)
}

/// What `GORT_PROCS` says, if it is set.
pub(crate) fn procs_by_environment() -> io::Result<Option<usize>> {
    let value = std::env::var_os(VARIABLE);
    let procs = value.map(|value| parse(&value.to_string_lossy()));
    procs
        .transpose()
        .map_err(|text| io::Error::new(io::ErrorKind::InvalidInput, text))
}

fn parse(value: &str) -> Result<usize, String> {
    match value.trim().parse() {
        Ok(procs) if (1..=MAX_PROCS).contains(&procs) => Ok(procs),
        _ => Err(format!(
            "{VARIABLE} is {value:?}, but must be a number from 1 to {MAX_PROCS}; \
             unset it to use the CPUs there are"
        )),
    }
}

fn quota_procs(cpus: f64) -> usize {
    (cpus.ceil() as usize).max(2)
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn affinity() -> Option<usize> {
    let set = rustix::thread::sched_getaffinity(None).ok()?;
    Some(set.count() as usize).filter(|&n| n > 0)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn affinity() -> Option<usize> {
    None
}

/// The lowest CPU quota of the cgroup that `proc` names and its ancestors below `root`, in CPUs.
fn quota(proc: &Path, root: &Path) -> Option<f64> {
    let groups = std::fs::read_to_string(proc).ok()?;
    let v2 = groups.lines().find_map(|line| line.strip_prefix("0::"));
    let v1 = groups.lines().find_map(|line| {
        let (_, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        controllers.split(',').any(|c| c == "cpu").then_some(path)
    });
    let v2 = v2.and_then(|path| lowest(root, path, quota_v2));
    let v1 = v1.and_then(|path| lowest(&root.join("cpu"), path, quota_v1));
    match (v1, v2) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

fn lowest(root: &Path, path: &str, read: fn(&Path) -> Option<f64>) -> Option<f64> {
    // In a container the path may lie outside of what is mounted; its own root then holds the limits.
    let mut lowest = read(root);
    let mut at = root.to_path_buf();
    for part in path
        .split('/')
        .filter(|part| !part.is_empty() && *part != "..")
    {
        at.push(part);
        let here = read(&at);
        lowest = match (lowest, here) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }
    lowest
}

fn quota_v2(group: &Path) -> Option<f64> {
    let text = std::fs::read_to_string(group.join("cpu.max")).ok()?;
    let (quota, period) = text.trim().split_once(' ')?;
    ratio(quota, period)
}

fn quota_v1(group: &Path) -> Option<f64> {
    let quota = std::fs::read_to_string(group.join("cpu.cfs_quota_us")).ok()?;
    let period = std::fs::read_to_string(group.join("cpu.cfs_period_us")).ok()?;
    ratio(quota.trim(), period.trim())
}

/// A quota of `max` or -1 is none.
fn ratio(quota: &str, period: &str) -> Option<f64> {
    let quota: u64 = quota.parse().ok()?;
    let period: u64 = period.parse().ok().filter(|&period| period > 0)?;
    Some(quota as f64 / period as f64)
}

#[cfg(all(test, not(gort_loom)))]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_quota_is_rounded_up_and_counts_as_two_at_least() {
        assert_eq!(quota_procs(0.5), 2);
        assert_eq!(quota_procs(2.0), 2);
        assert_eq!(quota_procs(2.1), 3);
    }

    #[test]
    fn an_invalid_variable_is_named_with_the_values_it_takes() {
        assert_eq!(parse(" 3 "), Ok(3));
        for bad in ["0", "-1", "two", "", "65536"] {
            let error = parse(bad).expect_err(bad);
            assert!(
                error.contains("GORT_PROCS") && error.contains("1 to 65535"),
                "{error}"
            );
        }
    }

    #[test]
    fn the_lowest_quota_of_the_groups_above_counts() {
        let dir = std::env::temp_dir().join(format!("gort-cgroup-{}", std::process::id()));
        let (proc, root) = (dir.join("proc"), dir.join("sys"));
        fs::create_dir_all(root.join("a/b")).expect("temporary directory");
        fs::create_dir_all(root.join("cpu/c")).expect("temporary directory");
        let write = |path: &str, text: &str| {
            fs::write(dir.join(path), text).expect("temporary file");
        };
        write("proc", "0::/a/b\n");
        assert_eq!(quota(&proc, &root), None);
        write("sys/a/cpu.max", "150000 100000\n");
        write("sys/a/b/cpu.max", "max 100000\n");
        assert_eq!(quota(&proc, &root), Some(1.5));
        write("sys/a/b/cpu.max", "50000 100000\n");
        assert_eq!(quota(&proc, &root), Some(0.5));
        write("proc", "4:cpu,cpuacct:/c\n2:memory:/c\n");
        write("sys/cpu/c/cpu.cfs_quota_us", "-1\n");
        write("sys/cpu/c/cpu.cfs_period_us", "100000\n");
        assert_eq!(quota(&proc, &root), None);
        write("sys/cpu/c/cpu.cfs_quota_us", "300000\n");
        assert_eq!(quota(&proc, &root), Some(3.0));
        fs::remove_dir_all(dir).expect("temporary directory");
    }
}
