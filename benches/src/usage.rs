//! What the operating system knows about this process: CPU, context switches, memory, descriptors.
//!
//! On systems other than Unix every figure is zero, and the cases that need it skip themselves.

use std::time::Duration;

/// Returns the number of threads of this process, or 0 if the system does not tell.
pub(crate) fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count)
}

/// CPU time and context switches of the whole process, all threads, dead ones included.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Usage {
    /// User and system time.
    pub(crate) cpu: Duration,
    /// Context switches because a thread had to wait.
    pub(crate) voluntary: u64,
    /// Context switches because the kernel took the CPU away.
    pub(crate) involuntary: u64,
    /// The largest resident set so far, in KiB.
    pub(crate) max_rss_kib: u64,
}

impl Usage {
    /// Returns the usage up to now.
    #[cfg(unix)]
    pub(crate) fn now() -> Usage {
        // SAFETY: `rusage` is a struct of integers, for which zeroes are a value.
        let mut raw: libc::rusage = unsafe { std::mem::zeroed() };
        // SAFETY: `raw` is a live `rusage` that the call may write to.
        let failed = unsafe { libc::getrusage(libc::RUSAGE_SELF, &mut raw) };
        assert_eq!(failed, 0, "getrusage(RUSAGE_SELF) has no way to fail");
        Usage {
            cpu: duration(raw.ru_utime) + duration(raw.ru_stime),
            voluntary: raw.ru_nvcsw as u64,
            involuntary: raw.ru_nivcsw as u64,
            // macOS counts bytes where the others count KiB.
            max_rss_kib: raw.ru_maxrss as u64 / if cfg!(target_os = "macos") { 1024 } else { 1 },
        }
    }

    /// Returns zeroes: this system is not measured.
    #[cfg(not(unix))]
    pub(crate) fn now() -> Usage {
        Usage::default()
    }
}

#[cfg(unix)]
fn duration(time: libc::timeval) -> Duration {
    Duration::new(time.tv_sec as u64, time.tv_usec as u32 * 1000)
}

/// Returns the resident set of this process in bytes, or `None` where `/proc/self/statm` is missing.
pub(crate) fn resident_bytes() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * page_size())
}

#[cfg(unix)]
fn page_size() -> u64 {
    rustix::param::page_size() as u64
}

#[cfg(not(unix))]
fn page_size() -> u64 {
    4096
}

/// Raises the limit of open descriptors as far as the system allows and returns it.
///
/// `None` means that there is no limit, or none that this system knows of.
#[cfg(unix)]
pub(crate) fn raise_descriptor_limit() -> Option<u64> {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // A refusal leaves the old limit in place, and that is what is read and returned.
    let _ = setrlimit(Resource::Nofile, limit);
    getrlimit(Resource::Nofile).current
}

/// Returns `None`: this system has no such limit.
#[cfg(not(unix))]
pub(crate) fn raise_descriptor_limit() -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(unix)]
    fn cpu_time_grows_with_work() {
        let before = Usage::now();
        while Usage::now().cpu <= before.cpu {
            std::hint::black_box(fastrandish(1000));
        }
    }

    #[cfg(unix)]
    fn fastrandish(rounds: u64) -> u64 {
        (0..rounds).fold(1, |hash: u64, step| {
            hash.wrapping_mul(31).wrapping_add(step)
        })
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn touched_memory_is_resident() {
        let before = resident_bytes().unwrap();
        let block = std::hint::black_box(vec![1u8; 32 << 20]);
        assert!(resident_bytes().unwrap() >= before + (24 << 20));
        drop(block);
    }
}
