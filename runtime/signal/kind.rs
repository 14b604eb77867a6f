//! The names of signals.

use std::ffi::c_int;

/// A signal of the operating system.
///
/// `signal as i32` is its number on this system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(i32)]
pub enum Signal {
    /// `SIGHUP`: the terminal was closed, or a service shall read its configuration again.
    Hup = libc::SIGHUP,
    /// `SIGINT`: Ctrl-C.
    Int = libc::SIGINT,
    /// `SIGQUIT`: Ctrl-\, the request for a core dump.
    Quit = libc::SIGQUIT,
    /// `SIGILL`: a broken instruction. Cannot be watched.
    Ill = libc::SIGILL,
    /// `SIGTRAP`: a breakpoint.
    Trap = libc::SIGTRAP,
    /// `SIGABRT`: the process aborts.
    Abort = libc::SIGABRT,
    /// `SIGBUS`: a bad access to memory.
    Bus = libc::SIGBUS,
    /// `SIGFPE`: a fault of arithmetic. Cannot be watched.
    Fpe = libc::SIGFPE,
    /// `SIGKILL`: the process is killed. Cannot be watched.
    Kill = libc::SIGKILL,
    /// `SIGUSR1`: what the program makes of it.
    Usr1 = libc::SIGUSR1,
    /// `SIGSEGV`: a bad access to memory. Cannot be watched.
    Segv = libc::SIGSEGV,
    /// `SIGUSR2`: what the program makes of it.
    Usr2 = libc::SIGUSR2,
    /// `SIGPIPE`: a write to a pipe that nobody reads.
    Pipe = libc::SIGPIPE,
    /// `SIGALRM`: the alarm clock.
    Alarm = libc::SIGALRM,
    /// `SIGTERM`: the polite request to end.
    Term = libc::SIGTERM,
    /// `SIGCHLD`: a child process ended or stopped.
    Child = libc::SIGCHLD,
    /// `SIGCONT`: the process goes on after a stop.
    Cont = libc::SIGCONT,
    /// `SIGSTOP`: the process is stopped. Cannot be watched.
    Stop = libc::SIGSTOP,
    /// `SIGTSTP`: Ctrl-Z.
    Tstp = libc::SIGTSTP,
    /// `SIGTTIN`: a read from the terminal in the background.
    Ttin = libc::SIGTTIN,
    /// `SIGTTOU`: a write to the terminal in the background.
    Ttou = libc::SIGTTOU,
    /// `SIGURG`: urgent data on a socket.
    Urg = libc::SIGURG,
    /// `SIGXCPU`: the limit of CPU time is reached.
    Xcpu = libc::SIGXCPU,
    /// `SIGXFSZ`: the limit of a file's size is reached.
    Xfsz = libc::SIGXFSZ,
    /// `SIGVTALRM`: the alarm clock of CPU time.
    Vtalarm = libc::SIGVTALRM,
    /// `SIGPROF`: the alarm clock of a profiler.
    Prof = libc::SIGPROF,
    /// `SIGWINCH`: the size of the terminal changed.
    Winch = libc::SIGWINCH,
    /// `SIGIO`: a descriptor is ready.
    Io = libc::SIGIO,
    /// `SIGSYS`: a bad system call.
    Sys = libc::SIGSYS,
}

impl Signal {
    /// Every signal that has a name here.
    pub(super) const ALL: &[Self] = &[
        Self::Hup,
        Self::Int,
        Self::Quit,
        Self::Ill,
        Self::Trap,
        Self::Abort,
        Self::Bus,
        Self::Fpe,
        Self::Kill,
        Self::Usr1,
        Self::Segv,
        Self::Usr2,
        Self::Pipe,
        Self::Alarm,
        Self::Term,
        Self::Child,
        Self::Cont,
        Self::Stop,
        Self::Tstp,
        Self::Ttin,
        Self::Ttou,
        Self::Urg,
        Self::Xcpu,
        Self::Xfsz,
        Self::Vtalarm,
        Self::Prof,
        Self::Winch,
        Self::Io,
        Self::Sys,
    ];

    /// Returns the number of the signal on this system.
    #[must_use]
    pub fn number(self) -> c_int {
        self as c_int
    }

    /// Where it stands in [`ALL`](Self::ALL).
    pub(super) fn index(self) -> usize {
        let at = Self::ALL.iter().position(|signal| *signal == self);
        at.expect("all of them are in the list")
    }
}
