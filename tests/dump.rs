//! A dump tells of all goroutines, threads and futures of `block_on`, whatever hangs.

use std::future::poll_fn;
use std::io::{Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::task::Poll;
use std::thread;
use std::time::Duration;

use futures_lite::StreamExt;
use gort::signal::{Signal, Signals, dump_on_quit};
use gort::sync::chan;
use gort::task::{self, WaitReason};
use gort::{Builder, Executor, Runtime, dump};

mod support;
use support::within_patience;

fn runtime() -> Runtime {
    let builder = Builder::new().procs(1).on_stall(|_| {});
    builder.build().expect("a runtime")
}

/// Takes dumps until `found` finds something in the lines of one.
fn dump_until<T>(found: impl Fn(&[&str]) -> Option<T>) -> T {
    loop {
        let text = dump().to_string();
        if let Some(found) = found(&text.lines().collect::<Vec<_>>()) {
            return found;
        }
        thread::yield_now();
    }
}

fn line_with(parts: &[&str]) -> String {
    dump_until(|lines| {
        let mut lines = lines.iter();
        let line = lines.find(|line| parts.iter().all(|part| line.contains(part)));
        line.map(|line| String::from(*line))
    })
}

#[test]
fn a_future_of_block_on_tells_what_it_waits_for_until_it_ends() {
    within_patience(|| {
        let (sender, receiver) = chan::bounded::<u8>(1);
        let called = line!() + 2;
        let thread = thread::Builder::new().name("of-block-on".into());
        let root = thread.spawn(move || gort::block_on(receiver.recv()));
        let at = format!("in block_on at tests/dump.rs:{called}:");
        let line = line_with(&["of-block-on", "[chan receive, ", &at]);
        assert!(line.starts_with("thread "), "{line}");
        sender.try_send(7).expect("there is room");
        assert_eq!(root.expect("a thread").join().expect("no panic"), Ok(7));
        assert!(!dump().to_string().contains("of-block-on"));
    });
}

#[test]
fn nested_futures_of_block_on_are_told_of_singly() {
    within_patience(|| {
        let (sender, receiver) = chan::bounded::<u8>(1);
        let thread = thread::Builder::new().name("nested".into());
        let root = thread.spawn(move || gort::block_on(async { gort::block_on(receiver.recv()) }));
        line_with(&["nested", "[chan receive, "]);
        line_with(&["nested", "[running, "]);
        drop(sender);
        assert!(root.expect("a thread").join().expect("no panic").is_err());
    });
}

#[test]
fn the_root_of_a_local_runtime_is_told_of_and_not_mistaken_for_its_goroutines() {
    within_patience(|| {
        let (sender, receiver) = chan::bounded::<u8>(1);
        let thread = thread::Builder::new().name("local-root".into());
        let root = thread.spawn(move || {
            let rt = Builder::new().local().build().expect("a runtime");
            gort::block_on(async {
                rt.block_on(async {
                    let sleeps = rt.go(gort::time::sleep(Duration::from_secs(3600)));
                    let received = receiver.recv().await;
                    sleeps.abort();
                    received
                })
            })
        });
        line_with(&["local-root", "[chan receive, "]);
        line_with(&["goroutine", "[sleep, "]);
        line_with(&["local-root", "[running, "]);
        drop(sender);
        assert!(root.expect("a thread").join().expect("no panic").is_err());
    });
}

#[test]
fn an_executor_waits_for_what_the_future_in_its_run_waits_for() {
    within_patience(|| {
        let (sender, receiver) = chan::bounded::<u8>(1);
        let thread = thread::Builder::new().name("executor".into());
        let root = thread.spawn(move || {
            let ex = Executor::new();
            let sleeps = ex.spawn(gort::time::sleep(Duration::from_secs(3600)));
            assert!(gort::block_on(ex.run(receiver.recv())).is_err());
            gort::block_on(ex.run(sleeps));
        });
        line_with(&["executor", "[chan receive, "]);
        drop(sender);
        line_with(&["executor", "[executor, idle, "]);
        drop(root);
    });
}

#[test]
fn a_thread_that_blocks_in_a_poll_is_shown_with_its_goroutine_and_system_call() {
    within_patience(|| {
        let rt = runtime();
        let (release, held) = mpsc::channel::<()>();
        let mut held = Some(held);
        let spawn = poll_fn(|_| {
            let builder = task::Builder::new().name("blocks");
            let held = held.take().expect("polled once");
            Poll::Ready(builder.go(async move { held.recv().is_err() }))
        });
        let blocks = rt.block_on(spawn);
        let parts = ["goroutine", "\"blocks\"", "in one poll for", "blocked"];
        dump_until(|lines| {
            let mut lines = lines.iter();
            let line = lines.find(|line| parts.iter().all(|part| line.contains(part)))?;
            // Some kernels do not tell.
            let told = line.contains("system call");
            (!told || line.contains("blocked in futex (system call")).then_some(())
        });
        line_with(&["goroutine", "\"blocks\" [running]"]);
        drop(release);
        assert!(rt.block_on(blocks).expect("no panic"));
    });
}

#[test]
fn many_that_do_the_same_share_a_line_but_for_the_long_form() {
    const MANY: usize = 50;
    within_patience(|| {
        let rt = runtime();
        let alike: Vec<_> = (0..MANY)
            .map(|_| rt.go(gort::time::sleep(Duration::from_secs(3600))))
            .collect();
        let here = format!("spawned at tests/dump.rs:{}:", line!() - 2);
        let others = format!("    and {} others like it, the last for ", MANY - 1);
        dump_until(|lines| {
            let first = lines.iter().position(|line| line.contains(&here))?;
            lines.get(first + 1)?.starts_with(&others).then_some(())
        });
        let long = format!("{:#}", dump());
        let lines = long.lines().filter(|line| line.contains(&here));
        assert_eq!(lines.count(), MANY);
        alike.iter().for_each(gort::JoinHandle::abort);
    });
}

#[test]
fn ages_grow_while_everything_sleeps() {
    within_patience(|| {
        let rt = runtime();
        let waits = rt.go(std::future::pending::<()>());
        let age = || {
            let dump = dump();
            let mut all = dump.goroutines().iter();
            all.find(|g| g.id() == waits.id())
                .map(task::Info::waiting_for)
        };
        while age().is_none_or(|age| age < Duration::from_millis(300)) {
            thread::sleep(Duration::from_millis(10));
        }
        let all = rt.handle().goroutines();
        let same = all.iter().find(|g| g.id() == waits.id());
        let same = same.expect("it waits for ever");
        assert!(same.waiting_for() >= Duration::from_millis(300));
        assert_eq!(same.wait_reason(), WaitReason::Other);
        waits.abort();
    });
}

/// Undoes what the parent process may have arranged, and leaves no core file behind.
fn quit_by_default() {
    let none = rustix::process::Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    // A limit that cannot be set is low already.
    let _ = rustix::process::setrlimit(rustix::process::Resource::Core, none);
    // SAFETY: the default action, in a process where nobody else deals with this signal.
    unsafe { libc::signal(libc::SIGQUIT, libc::SIG_DFL) };
}

fn raise_quit() {
    // SAFETY: the signal exists, and its handler makes only calls that are safe in one.
    unsafe { libc::raise(libc::SIGQUIT) };
}

/// In one test, because there is one action for a process.
#[test]
fn a_dump_on_quit_stands_back_for_others_and_is_not_inherited() {
    quit_by_default();
    dump_on_quit().expect("a pipe and a thread");
    dump_on_quit().expect("it is there already");

    let mut child = Command::new("true");
    // SAFETY: raising a signal is safe between fork and exec.
    unsafe {
        child.pre_exec(|| {
            raise_quit();
            Ok(())
        })
    };
    let status = child.status().expect("a process");
    assert_eq!(
        status.signal(),
        Some(libc::SIGQUIT),
        "it has no thread that dumps"
    );

    let mut quits = Signals::new([Signal::Quit]).expect("a socket pair");
    // More than one: the handler must not take the second for an impatient one.
    for _ in 0..3 {
        raise_quit();
    }
    for _ in 0..3 {
        let quit = gort::block_on(quits.next()).expect("no end");
        let quit = quit.expect("no error");
        assert_eq!(quit, Signal::Quit, "and this process goes on");
    }
}

/// Starts the example; it hangs when this returns.
fn hang(stderr: Stdio) -> Child {
    let mut hang = support::example("hang");
    hang.stdout(Stdio::piped()).stderr(stderr);
    // SAFETY: the call is safe between fork and exec.
    unsafe {
        hang.pre_exec(|| {
            quit_by_default();
            Ok(())
        })
    };
    let mut hang = hang.spawn().expect("it starts");
    let mut out = hang.stdout.take().expect("piped");
    out.read_exact(&mut [0]).expect("it says that it hangs");
    hang
}

fn send_quit(to: &Child) {
    let pid = rustix::process::Pid::from_child(to);
    rustix::process::kill_process(pid, rustix::process::Signal::QUIT).expect("it runs");
}

#[test]
fn a_program_that_hangs_tells_why_on_quit_and_ends() {
    let hang = hang(Stdio::piped());
    send_quit(&hang);
    let ended = hang.wait_with_output().expect("it ends");
    assert_eq!(ended.status.signal(), Some(libc::SIGQUIT));
    let text = String::from_utf8(ended.stderr).expect("text");
    let has = |parts: &[&str]| {
        let found = text
            .lines()
            .any(|line| parts.iter().all(|part| line.contains(part)));
        assert!(found, "{parts:?} in {text}");
    };
    has(&["gort: SIGQUIT: 2 goroutines, 1 runtime, 1 block_on"]);
    // It may not have come to its wait for the two.
    has(&["\"hang\"", "in block_on at examples/hang.rs:"]);
    for name in ["\"there\"", "\"back\""] {
        has(&[
            "goroutine",
            name,
            "[sync.Mutex.Lock, ",
            "at examples/hang.rs:",
        ]);
    }
}

#[test]
fn a_second_quit_waits_for_nobody_who_does_not_read() {
    let (_unread, mut full) = std::io::pipe().expect("a pipe");
    rustix::io::ioctl_fionbio(&full, true).expect("a pipe");
    while full.write(&[0; 4096]).is_ok() {}
    rustix::io::ioctl_fionbio(&full, false).expect("a pipe");
    let mut hang = hang(full.into());
    // Two that come together are one.
    let status = loop {
        send_quit(&hang);
        match hang.try_wait().expect("a child") {
            Some(status) => break status,
            None => thread::sleep(Duration::from_millis(1)),
        }
    };
    assert_eq!(status.signal(), Some(libc::SIGQUIT));
}
