//! What a thread that does not end its poll is doing: is it blocked, does it compute, or is it kept from running?
//!
//! Two questions to the kernel tell: how much CPU time the thread used since it was seen last (140 ns), and, if that was little, what state it is in
//! (`/proc/self/task/TID/stat`, about 1 us on a descriptor that stays open). Where the kernel does not answer, in some sandboxes
//! and on other systems, everything counts as computing: then a P is taken away late and rarely instead of early.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::os::unix::fs::FileExt;

/// What a stuck thread does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doing {
    /// It waits in the kernel: its CPU is free.
    Blocked,
    /// It uses a CPU.
    Computing,
    /// It could run, but the kernel gives it no CPU. Another thread would only make that worse.
    Descheduled,
}

/// The state of a thread, as the kernel tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheduled {
    Running,
    Waiting,
}

/// The kernel's name of the calling thread, or 0 where it is not known.
#[cfg(target_os = "linux")]
pub(crate) fn current_tid() -> u32 {
    rustix::thread::gettid()
        .as_raw_nonzero()
        .get()
        .cast_unsigned()
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn current_tid() -> u32 {
    0
}

/// A thread of this process in words: its number, and its name if the kernel tells it.
pub(crate) struct Named(pub(crate) u32);

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(tid) = self;
        if *tid == 0 {
            return f.write_str("thread");
        }
        match std::fs::read_to_string(format!("/proc/self/task/{tid}/comm")) {
            Ok(name) => write!(f, "thread {tid} {:?}", name.trim_end()),
            Err(_) => write!(f, "thread {tid}"),
        }
    }
}

/// The CPU time that a thread of this process has used, in nanoseconds.
#[cfg(target_os = "linux")]
pub(super) fn cpu_time(tid: u32) -> Option<u64> {
    // The kernel's encoding of "the scheduler's clock of one thread"; see `clock_getcpuclockid(3)`.
    let clock = !tid.cast_signed() << 3 | 0b110;
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the pointer is to a timespec of ours, and an unknown clock is an error.
    let outcome = unsafe { libc::clock_gettime(clock, &raw mut time) };
    (outcome == 0)
        .then(|| time.tv_sec.cast_unsigned() * 1_000_000_000 + time.tv_nsec.cast_unsigned())
}

#[cfg(not(target_os = "linux"))]
pub(super) fn cpu_time(_: u32) -> Option<u64> {
    None
}

/// Judges a thread that used `cpu` of the last `wall` nanoseconds.
fn judge(cpu: Option<u64>, wall: u64, state: impl FnOnce() -> Option<Scheduled>) -> Doing {
    let Some(cpu) = cpu else {
        return Doing::Computing;
    };
    if cpu >= wall / 2 {
        return Doing::Computing;
    }
    match state() {
        Some(Scheduled::Waiting) => Doing::Blocked,
        // It shares its CPU with others, but gets on.
        Some(Scheduled::Running) if cpu >= wall / 16 => Doing::Computing,
        Some(Scheduled::Running) => Doing::Descheduled,
        None => Doing::Computing,
    }
}

/// The kernel's files about our threads, kept open.
#[derive(Debug, Default)]
pub(super) struct Threads {
    stats: HashMap<u32, File>,
}

/// More open files than this are closed and opened anew: threads come and go.
const MOST_FILES: usize = 64;

impl Threads {
    /// What a thread does that has used `cpu` of the last `wall` nanoseconds; None if the kernel does not tell.
    pub(super) fn doing(&mut self, tid: u32, cpu: Option<u64>, wall: u64) -> Doing {
        judge(cpu, wall, || self.state(tid))
    }

    fn state(&mut self, tid: u32) -> Option<Scheduled> {
        if self.stats.len() > MOST_FILES {
            self.stats.clear();
        }
        let read = |file: &File| {
            let mut line = [0; 512];
            let n = file.read_at(&mut line, 0).ok()?;
            parse_state(&line[..n])
        };
        if let Some(state) = self.stats.get(&tid).and_then(read) {
            return Some(state);
        }
        // Not open yet, or of a thread that had the same name and has ended.
        let file = File::open(format!("/proc/self/task/{tid}/stat")).ok()?;
        let state = read(&file);
        self.stats.insert(tid, file);
        state
    }

    /// The number of the system call that a thread is in, if the kernel tells.
    pub(super) fn system_call(tid: u32) -> Option<u32> {
        let line = std::fs::read_to_string(format!("/proc/self/task/{tid}/syscall")).ok()?;
        line.split_whitespace().next()?.parse().ok()
    }
}

/// The third field of `proc_pid_stat(5)`: it follows the name, which is in parentheses and may contain any.
fn parse_state(line: &[u8]) -> Option<Scheduled> {
    let end = line.iter().rposition(|&byte| byte == b')')?;
    match line.get(end + 2)? {
        b'R' => Some(Scheduled::Running),
        b'S' | b'D' => Some(Scheduled::Waiting),
        _ => None,
    }
}

#[cfg(all(test, not(gort_loom)))]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn a_kernel_that_does_not_tell_means_computing() {
        assert_eq!(judge(None, 1_000, || unreachable!()), Doing::Computing);
        assert_eq!(judge(Some(0), 1_000, || None), Doing::Computing);
    }

    #[test]
    fn a_thread_is_judged_by_its_time_and_its_state() {
        let judge = |cpu, state| judge(Some(cpu), 1_000, || Some(state));
        assert_eq!(judge(900, Scheduled::Waiting), Doing::Computing);
        assert_eq!(judge(10, Scheduled::Waiting), Doing::Blocked);
        assert_eq!(judge(300, Scheduled::Running), Doing::Computing);
        assert_eq!(judge(10, Scheduled::Running), Doing::Descheduled);
    }

    #[test]
    fn a_name_with_parentheses_hides_no_state() {
        assert_eq!(parse_state(b"7 (a) R (b) S 1 2"), Some(Scheduled::Waiting));
        assert_eq!(parse_state(b"7 (gort-0) R 1 2"), Some(Scheduled::Running));
        assert_eq!(parse_state(b"7 (gort-0) Z 1 2"), None);
        assert_eq!(parse_state(b""), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_thread_that_waits_is_seen_to_wait() {
        let (tell_tid, tid) = mpsc::channel();
        let (end, wait) = mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            tell_tid.send(current_tid()).unwrap();
            let _ = wait.recv();
        });
        let tid = tid.recv().unwrap();
        let mut threads = Threads::default();
        // It may be on its way.
        while threads.state(tid) != Some(Scheduled::Waiting) {
            std::thread::yield_now();
        }
        assert!(cpu_time(tid).is_some());
        assert_eq!(threads.state(current_tid()), Some(Scheduled::Running));
        drop(end);
        thread.join().unwrap();
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn computing_takes_cpu_time() {
        let me = current_tid();
        let before = cpu_time(me).unwrap();
        while cpu_time(me).unwrap() == before {
            std::hint::spin_loop();
        }
    }
}
