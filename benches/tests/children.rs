//! Every case does its work on every Rust runtime, and the program is strict about its command line.
//!
//! A child checks its own sums and says so; here each is run at the tiny scale.

use std::process::{Command, Output};
use std::sync::Mutex;
use std::thread;

fn bench(arguments: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_gort-bench");
    let output = Command::new(program).args(arguments).output();
    output.expect("gort-bench can be started")
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Returns the names of all cases and of the Rust runtimes, from `--list`.
fn names() -> (Vec<String>, Vec<String>) {
    let list = stdout(&bench(&["--list"]));
    let (cases, rest) = list
        .split_once("\n\n")
        .expect("a blank line ends the cases");
    let cases = cases.lines().skip(1).filter_map(|line| {
        line.trim_start_matches(['*', ' '])
            .split_whitespace()
            .next()
            .map(String::from)
    });
    let runtimes = rest
        .lines()
        .find_map(|line| line.strip_prefix("runtimes: "));
    let runtimes = runtimes
        .expect("the list names the runtimes")
        .split(", ")
        .map(String::from);
    (
        cases.collect(),
        runtimes.filter(|runtime| runtime != "go").collect(),
    )
}

/// Runs one tiny child and returns what is wrong with it.
fn complaint(case: &str, runtime: &str, procs: &str) -> Option<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_gort-bench"))
        .args(["--child", case, runtime, procs, "tiny", "0"])
        .env("SMOL_THREADS", procs)
        .env("GORT_BENCH_LOAD", "builtin")
        .output()
        .expect("a child can be started");
    let line = stdout(&output);
    // A machine without /proc or with few descriptors may skip; it must say so.
    let fine = line.starts_with("gort-bench ok ") || line.starts_with("gort-bench skip ");
    let wrong = || {
        format!(
            "{case} on {runtime} at {procs} procs: {line}{}",
            stderr(&output)
        )
    };
    (!fine || !output.status.success()).then(wrong)
}

#[test]
fn every_case_does_its_work_on_every_runtime() {
    let (cases, runtimes) = names();
    assert!(cases.len() >= 27, "{cases:?}");
    assert!(runtimes.len() >= 3, "{runtimes:?}");
    let mut orders = Vec::new();
    for (index, case) in cases.iter().enumerate() {
        for runtime in &runtimes {
            let procs = if index % 2 == 0 { "2" } else { "1" };
            orders.push((case.as_str(), runtime.as_str(), procs));
        }
    }
    let orders = Mutex::new(orders);
    let complaints = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let order = orders.lock().unwrap().pop();
                    let Some((case, runtime, procs)) = order else {
                        return;
                    };
                    complaints
                        .lock()
                        .unwrap()
                        .extend(complaint(case, runtime, procs));
                }
            });
        }
    });
    let complaints = complaints.into_inner().unwrap();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn a_comparison_in_json_prints_objects_and_nothing_else() {
    let arguments = [
        "fib",
        "--scale",
        "tiny",
        "--runs",
        "1",
        "--peers",
        "tokio,smol",
        "--procs",
        "1",
        "--json",
    ];
    let output = bench(&arguments);
    assert!(output.status.success(), "{}", stderr(&output));
    let lines = stdout(&output);
    assert!(
        lines
            .lines()
            .all(|line| line.starts_with('{') && line.ends_with('}')),
        "{lines}"
    );
    let main = lines.lines().filter(|line| line.contains("\"main\":true"));
    assert_eq!(main.count(), 2, "one main figure for each runtime: {lines}");
}

#[test]
fn a_mistake_on_the_command_line_ends_with_status_2() {
    for arguments in [
        &["no_such_case"][..],
        &["--peers", "rayon"],
        &["--no-such-option"],
    ] {
        let output = bench(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(stderr(&output).contains("unknown"), "{}", stderr(&output));
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn a_child_that_fails_is_named_and_fails_the_run() {
    let output = bench(&["--child", "fib", "rayon", "1", "tiny", "0"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stdout(&output).starts_with("gort-bench wrong "),
        "{}",
        stdout(&output)
    );
}
