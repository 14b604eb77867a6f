//! A kernel that does not tell what a stuck thread does: its clock, or its state, is refused, as some sandboxes do.
//!
//! Everything then counts as computing: a P is taken away later, and nobody stalls.

#![cfg(target_os = "linux")]

use std::io::{self, PipeWriter, Read};
use std::sync::mpsc;
use std::time::Duration;

use gort::{Builder, Runtime, Stall, StallKind};
use support::{progress, run, within_patience};

mod support;

const PROCS: usize = 2;

/// The instructions of a filter of system calls; see `seccomp(2)` and the kernel's `filter.rst`.
mod filter {
    use libc::sock_filter;

    /// Where a call's number is in what the filter looks at.
    pub(crate) const NUMBER: u32 = 0;
    /// Where the lower half of its first argument is.
    pub(crate) const FIRST: u32 = if cfg!(target_endian = "little") {
        16
    } else {
        20
    };

    const fn statement(code: u32, k: u32, jt: u8, jf: u8) -> sock_filter {
        let code = code as u16;
        sock_filter { code, jt, jf, k }
    }

    pub(crate) const fn load(at: u32) -> sock_filter {
        statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, at, 0, 0)
    }

    /// Goes on if the number is `k`, else skips so many.
    pub(crate) const fn unless_equal_skip(k: u32, skip: u8) -> sock_filter {
        statement(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, k, 0, skip)
    }

    /// Goes on if any of the bits is set, else skips so many.
    pub(crate) const fn unless_bits_skip(k: u32, skip: u8) -> sock_filter {
        statement(libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K, k, 0, skip)
    }

    pub(crate) const fn refuse() -> sock_filter {
        let refusal = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
        statement(libc::BPF_RET | libc::BPF_K, refusal, 0, 0)
    }

    pub(crate) const fn allow() -> sock_filter {
        statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW, 0, 0)
    }
}

/// Refuses calls to all threads that this one starts from here on, for ever.
fn install(mut filter: Vec<libc::sock_filter>) -> io::Result<()> {
    let program = libc::sock_fprog {
        len: filter.len().try_into().expect("a few"),
        filter: filter.as_mut_ptr(),
    };
    let checked = |outcome| match outcome {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    };
    // SAFETY: a call without pointers.
    checked(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) })?;
    // SAFETY: the program and its instructions are there while the kernel copies them.
    checked(unsafe {
        libc::prctl(
            libc::PR_SET_SECCOMP,
            libc::SECCOMP_MODE_FILTER,
            &raw const program,
        )
    })
}

/// The clocks of threads have negative names; those of the system go on.
fn refuse_clocks() -> io::Result<()> {
    install(vec![
        filter::load(filter::NUMBER),
        filter::unless_equal_skip(libc::SYS_clock_gettime as u32, 3),
        filter::load(filter::FIRST),
        filter::unless_bits_skip(1 << 31, 1),
        filter::refuse(),
        filter::allow(),
    ])
}

/// The monitor reads the state of threads at a position, and nobody else here does.
fn refuse_states() -> io::Result<()> {
    install(vec![
        filter::load(filter::NUMBER),
        filter::unless_equal_skip(libc::SYS_pread64 as u32, 1),
        filter::refuse(),
        filter::allow(),
    ])
}

/// Goroutines that block in a read, one per P, and the pipes that set them free.
fn block_all(rt: &Runtime) -> Vec<PipeWriter> {
    let block = |_| {
        let (mut reader, writer) = io::pipe().expect("descriptors");
        rt.go(async move { reader.read(&mut [0]) });
        writer
    };
    (0..PROCS).map(block).collect()
}

/// Blocks all there is, and asks the monitor what it takes it for, in a process of its own: a filter is for ever.
fn nobody_stalls(test: &str, refuse: fn() -> io::Result<()>) {
    if !support::is_child() {
        let status = support::child(test).status().expect("it starts");
        assert!(status.success(), "{status}");
        return;
    }
    if let Err(error) = refuse() {
        eprintln!("not tested: no filter can be installed here: {error}");
        return;
    }
    within_patience(|| {
        let (tell, told) = mpsc::channel::<Stall>();
        let rt = Builder::new()
            .procs(PROCS)
            .stall_threshold(Duration::from_millis(20))
            .on_stall(move |stall| drop(tell.send(stall.clone())))
            .build()
            .expect("threads");
        let pipes = block_all(&rt);
        for _ in 0..PROCS {
            let stall = told.recv().expect("the monitor looks");
            assert_eq!(stall.kind(), StallKind::Computing, "{stall}");
        }
        run(&rt, progress());
        assert!(rt.handle().handoffs() >= 1, "nobody could have gone on");
        drop(pipes);
    });
}

#[test]
fn nobody_stalls_where_the_clocks_of_threads_are_refused() {
    nobody_stalls(
        "nobody_stalls_where_the_clocks_of_threads_are_refused",
        refuse_clocks,
    );
}

#[test]
fn nobody_stalls_where_the_states_of_threads_are_refused() {
    nobody_stalls(
        "nobody_stalls_where_the_states_of_threads_are_refused",
        refuse_states,
    );
}
