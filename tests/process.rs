//! Child processes: none is lost, none is left behind, and both ways to see the end of one do the same.

#![cfg(unix)]

use std::io;
use std::os::unix::process::{CommandExt as _, ExitStatusExt};
use std::thread;
use std::time::{Duration, Instant};

use futures_lite::{AsyncReadExt, AsyncWriteExt, future};
use gort::process::unix::CommandExt as _;
use gort::process::{Child, Command, Stdio, driver};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, getpid, kill_process, waitid};

mod support;

/// Long enough for anything but a hang.
const PATIENCE: Duration = Duration::from_secs(120);

/// A shell that runs `script`.
fn sh(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.arg("-c").arg(script);
    command
}

/// A child that ends when it is killed, or its standard input is closed.
fn cat() -> Command {
    let mut command = Command::new("cat");
    command.stdin(Stdio::piped()).stdout(Stdio::null());
    command
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(child.id().try_into().expect("a number of the system")).expect("not zero")
}

/// Whether the child has ended and waits for somebody to ask for its status, or None if it is reaped.
fn is_zombie(pid: Pid) -> Option<bool> {
    let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    match waitid(WaitId::Pid(pid), look) {
        Ok(ended) => Some(ended.is_some()),
        Err(Errno::CHILD) => None,
        Err(error) => panic!("waitid: {error}"),
    }
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < PATIENCE, "{what}");
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_thousand_quick_children_all_tell_their_status() {
    const TASKS: usize = 8;
    let each = support::rounds(125);
    let all = (0..TASKS).map(|task| {
        gort::go(async move {
            for round in 0..each {
                let code = (task * each + round) % 256;
                let status = sh("exit $0").arg(code.to_string()).status().await?;
                assert_eq!(status.code(), i32::try_from(code).ok());
            }
            io::Result::Ok(())
        })
    });
    for task in all.collect::<Vec<_>>() {
        gort::block_on(task).expect("no panic").expect("a status");
    }
}

#[test]
fn children_that_run_at_once_all_tell_their_status() {
    let children: Vec<_> = (0..50)
        .map(|code| {
            sh("read line; exit $0")
                .arg(code.to_string())
                .stdin(Stdio::piped())
                .spawn()
        })
        .collect::<Result<_, _>>()
        .expect("they start");
    gort::block_on(async {
        // Closing the standard input ends each of them.
        let waits: Vec<_> = children
            .into_iter()
            .map(|mut child| gort::go(child.status()))
            .collect();
        for (code, wait) in (0..).zip(waits) {
            let status = wait.await.expect("no panic").expect("a status");
            assert_eq!(status.code(), Some(code));
        }
    });
}

#[test]
fn a_child_killed_during_its_spawn_tells_so() {
    let mut std = std::process::Command::new("true");
    // SAFETY: one system call, which is allowed between fork and exec.
    unsafe { std.pre_exec(|| Ok(kill_process(getpid(), Signal::KILL)?)) };
    gort::block_on(async {
        let mut child = Command::from(std)
            .spawn()
            .expect("it is not the exec that fails");
        let status = child.status().await.expect("a status");
        assert_eq!(status.signal(), Some(Signal::KILL.as_raw()));
    });
}

#[test]
fn all_who_wait_for_one_child_are_told() {
    gort::block_on(async {
        let mut child = cat().spawn().expect("it starts");
        let input = child.stdin.take();
        let waits = [child.status(), child.status(), child.status()].map(gort::go);
        drop(input);
        for wait in waits {
            let status = wait.await.expect("no panic").expect("a status");
            assert!(status.success());
        }
        // And so is who comes late.
        assert!(child.status().await.expect("a status").success());
        assert!(child.try_status().expect("a status").is_some());
    });
}

#[test]
fn a_cancelled_wait_loses_nothing() {
    gort::block_on(async {
        let mut child = cat().spawn().expect("it starts");
        let input = child.stdin.take();
        assert!(future::poll_once(child.status()).await.is_none());
        drop(input);
        assert!(child.status().await.expect("a status").success());
    });
}

#[test]
fn a_child_that_nobody_waits_for_is_reaped() {
    let mut child = cat().spawn().expect("it starts");
    let (pid, input) = (pid(&child), child.stdin.take());
    drop(child);
    assert_eq!(is_zombie(pid), Some(false));
    drop(input);
    wait_until("the child is not reaped", || is_zombie(pid).is_none());
}

#[test]
fn a_child_is_not_reaped_if_that_is_not_wanted() {
    let mut child = cat().reap_on_drop(false).spawn().expect("it starts");
    let pid = pid(&child);
    let input = child.stdin.take();
    drop(child);
    drop(input);
    wait_until("the child does not end", || {
        is_zombie(pid).expect("nobody reaps it")
    });
    let ours = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED).expect("it is our child");
    assert_eq!(ours.and_then(|status| status.exit_status()), Some(0));
}

#[test]
fn a_child_is_killed_on_drop_if_that_is_wanted() {
    let mut child = cat().kill_on_drop(true).spawn().expect("it starts");
    let (pid, input) = (pid(&child), child.stdin.take());
    drop(child);
    wait_until("the child is not reaped", || is_zombie(pid).is_none());
    drop(input);
}

#[test]
fn a_wait_puts_the_kill_on_drop_off() {
    gort::block_on(async {
        let child = sh("exit 3").kill_on_drop(true).spawn().expect("it starts");
        let output = child.output().await.expect("a status");
        assert_eq!(output.status.code(), Some(3));
    });
}

#[test]
fn the_pipes_carry_more_than_they_hold() {
    const BYTES: usize = 1 << 20;
    gort::block_on(async {
        let mut child = cat().stdout(Stdio::piped()).spawn().expect("it starts");
        let mut input = child.stdin.take().expect("it is piped");
        let write = gort::go(async move { input.write_all(&vec![7; BYTES]).await });
        let mut back = Vec::new();
        let mut output = child.stdout.take().expect("it is piped");
        output.read_to_end(&mut back).await.expect("it is read");
        write.await.expect("no panic").expect("it is written");
        assert_eq!(back.len(), BYTES);
        assert!(child.status().await.expect("a status").success());
    });
}

#[test]
fn both_streams_of_a_child_are_read_at_once() {
    // More than a pipe holds in each, in alternation: who reads one after the other waits for ever.
    let script = "for i in $(seq 2000); do echo out-0123456789-0123456789-0123456789-0123456789;\
                  echo err-0123456789-0123456789-0123456789-0123456789 >&2; done";
    let output = gort::block_on(sh(script).output()).expect("it runs");
    assert!(output.status.success());
    assert_eq!(output.stdout.len(), 2000 * 48);
    assert_eq!(output.stderr.len(), 2000 * 48);
}

#[test]
fn what_cannot_be_started_is_an_error_and_no_wait() {
    let mut command = Command::new("/no/such/program");
    let status = gort::block_on(command.status()).expect_err("there is none");
    assert_eq!(status.kind(), io::ErrorKind::NotFound);
    let output = gort::block_on(command.output()).expect_err("there is none");
    assert_eq!(output.kind(), io::ErrorKind::NotFound);
}

#[test]
fn a_killed_child_may_be_killed_again() {
    gort::block_on(async {
        let mut child = cat().spawn().expect("it starts");
        child.kill().expect("it runs");
        let status = child.status().await.expect("a status");
        assert_eq!(status.signal(), Some(Signal::KILL.as_raw()));
        child.kill().expect("it is left alone");
    });
}

#[test]
fn a_goroutine_tells_that_it_waits_for_a_child() {
    gort::block_on(async {
        let mut child = cat().spawn().expect("it starts");
        let input = child.stdin.take();
        let wait = gort::task::Builder::new()
            .name("waits for a child")
            .go(child.status());
        let waits = || {
            let all = gort::Handle::default_runtime().goroutines();
            let it = all
                .into_iter()
                .find(|g| g.name() == Some("waits for a child"));
            it.is_some_and(|g| g.wait_reason() == gort::task::WaitReason::Process)
        };
        wait_until("the goroutine does not tell", waits);
        drop(input);
        assert!(wait.await.expect("no panic").expect("a status").success());
    });
}

#[test]
fn a_driver_beside_changes_nothing() {
    let wait = future::or(
        async {
            driver().await;
            unreachable!("it has no end")
        },
        sh("exit 4").status(),
    );
    assert_eq!(gort::block_on(wait).expect("a status").code(), Some(4));
}

#[test]
fn a_command_says_what_it_will_do() {
    let mut command = Command::new("printenv");
    command
        .arg("WORD")
        .env("WORD", "here")
        .env_remove("OTHER")
        .current_dir("/")
        .arg0("name");
    assert_eq!(command.get_program(), "printenv");
    assert_eq!(command.get_args().collect::<Vec<_>>(), ["WORD"]);
    assert_eq!(command.get_envs().count(), 2);
    assert_eq!(command.get_current_dir(), Some("/".as_ref()));
    let output = gort::block_on(command.output()).expect("it runs");
    assert_eq!(output.stdout, b"here\n");
}

/// How this test program is told which way to see the end of a child.
const MODE_VAR: &str = "GORT_PROCESS_MODE";

/// Runs this test program once more, with another way to see the end of a child.
fn again(mode: &str, arguments: &[&str]) -> std::process::Output {
    let this = std::env::current_exe().expect("it runs");
    let mut again = std::process::Command::new(this);
    again.env(MODE_VAR, mode).args(arguments);
    again.output().expect("it starts")
}

#[test]
fn all_of_this_holds_on_signals_too() {
    if std::env::var_os(MODE_VAR).is_none() {
        let output = again("sigchld", &["--skip", "again_"]);
        assert!(output.status.success(), "{output:?}");
    }
}

#[test]
fn an_unknown_mode_is_a_clear_error() {
    if std::env::var_os(MODE_VAR).is_some_and(|mode| mode == "telepathy") {
        let error = sh("exit 0").spawn().expect_err("the mode is unknown");
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert!(
            error.to_string().contains("`pidfd` or `sigchld`"),
            "{error}"
        );
    } else {
        let output = again(
            "telepathy",
            &["--exact", "an_unknown_mode_is_a_clear_error"],
        );
        assert!(output.status.success(), "{output:?}");
    }
}
