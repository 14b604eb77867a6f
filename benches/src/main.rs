//! gort-bench: the same cases on gort and on other runtimes.
//!
//! ```text
//! cargo run --release -p gort-bench -- [case or family ...] [--peers A,B] [--procs N,M] [--quick]
//! ```
//!
//! One program plays three parts. The *parent* reads the command line, starts children and prints the
//! result. A *child* (`--child`) runs one case on one runtime in a fresh process, checks that the work
//! was done, and prints one line. The *load generator* (`--load`) drives the `http` case from outside.
//! The Go program in `go/` plays the child for Go.
//!
//! Rejected: criterion, which repeats a case inside one process, so that allocator, threads and CPU
//! placement of one run decide all its samples; and runtimes in turn instead of in rounds, which
//! gives the drift of the machine to whoever comes last.

use std::io::Write;
use std::process::ExitCode;

use args::Request;
use compare::{Comparison, Peers, Runner};
use progress::Progress;

mod adapters;
mod alloc;
mod args;
mod cases;
mod child;
mod compare;
mod figures;
mod go;
mod load;
mod pin;
mod progress;
mod report;
mod stats;
mod usage;

#[global_allocator]
static ALLOCATOR: alloc::Counting = alloc::Counting;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.split_first() {
        Some((first, rest)) if first == child::ARGUMENT => child::main(rest),
        Some((first, rest)) if first == load::ARGUMENT => match load::main(rest) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&error, 1),
        },
        _ => match args::parse(&arguments) {
            Ok(Request::Help) => say(args::HELP),
            Ok(Request::List) => say(&list()),
            Ok(Request::Compare(args)) => compare(&args),
            Err(error) => fail(&error, 2),
        },
    }
}

/// Compares, prints, and fails if any case did.
fn compare(args: &args::Args) -> ExitCode {
    let mut progress = Progress::start();
    let peers = match Peers::find(args.peers.as_deref(), &mut progress) {
        Ok(peers) => peers,
        Err(error) => return fail(&error, 2),
    };
    let mut runner = Runner::new(args, &peers, &mut progress);
    let results = runner.run(|comparison| {
        let text = match args.json {
            true => report::json_lines(comparison),
            false => report::table(comparison) + "\n",
        };
        say(&text);
    });
    if !args.json {
        say(&report::overview(&results));
    }
    let failed: Vec<&Comparison> = results.iter().filter(|r| !r.failures.is_empty()).collect();
    for comparison in &failed {
        let (name, procs) = (comparison.case.name, comparison.procs);
        eprintln!(
            "gort-bench: {name} at {procs} procs failed: {}",
            comparison.failures.join("; ")
        );
    }
    if failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Prints to standard output; a reader who has gone away is no error.
fn say(text: &str) -> ExitCode {
    let mut stdout = std::io::stdout();
    let _ = stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush());
    ExitCode::SUCCESS
}

fn fail(error: &str, status: u8) -> ExitCode {
    eprintln!("gort-bench: {error}");
    ExitCode::from(status)
}

/// Returns the text of `--list`.
fn list() -> String {
    let mut text = String::from("cases (* = in --quick):\n");
    for case in cases::CASES {
        let star = if case.quick { '*' } else { ' ' };
        let (name, family, summary) = (case.name, case.family.name(), case.summary);
        text.push_str(&format!("{star} {name:<15} {family:<10} {summary}\n"));
    }
    let families: Vec<_> = cases::Family::ALL
        .iter()
        .map(|family| family.name())
        .collect();
    text.push_str(&format!("\nfamilies: {}\n", families.join(", ")));
    text.push_str(&format!("runtimes: {}\n", args::peer_names().join(", ")));
    let heaps = [cases::heap::GORT].iter().chain(cases::heap::NAMES);
    let heaps: Vec<_> = heaps.copied().chain([go::NAME]).collect();
    text.push_str(&format!("heaps: {}\n", heaps.join(", ")));
    let executors = cases::local::EXECUTORS.join(", ");
    text.push_str(&format!("executors of one thread: {executors}\n"));
    text
}
