//! Judged by other people's tests: runs the published tests, doctests, examples and benchmarks' builds of the crates whose
//! interface gort offers, on gort.
//!
//! ```text
//! cargo run -p peer-suites [--quick] [suite ...]
//! ```
//!
//! Nothing of theirs is in this repository. Cargo downloads the exact version; a workspace is generated under
//! `target/peer-suites`, with their tests and with the name of their crate standing for gort; what it holds and what may fail
//! is in `expected.txt`. The last line is `N passed, N failed, N skipped`. `--quick` leaves out the benchmarks.
//!
//! To add a suite, add its lines there and, if its manifest needs more than another name for gort, a case to `graft.rs`.

mod expected;
mod graft;
mod run;

use std::process::ExitCode;

use expected::{Counts, Expected, Suite};
use run::Outcome;

fn main() -> ExitCode {
    let (flags, names): (Vec<_>, Vec<_>) = std::env::args()
        .skip(1)
        .partition(|argument| argument.starts_with("--"));
    let quick = flags.iter().any(|flag| flag == "--quick");
    if let Some(unknown) = flags.iter().find(|flag| *flag != "--quick") {
        eprintln!("{unknown}: not an option; there is --quick");
        return ExitCode::from(2);
    }
    let expected = Expected::read();
    if let Some(unknown) = names.iter().find(|name| expected.suite(name).is_none()) {
        let known: Vec<_> = expected.suites.iter().map(|suite| &suite.name).collect();
        eprintln!("{unknown}: no such suite; there are {known:?}");
        return ExitCode::from(2);
    }
    let mut total = Total::default();
    for suite in &expected.suites {
        if names.is_empty() || names.contains(&suite.name) {
            total.add(suite, &suite_outcomes(suite, quick), quick);
        }
    }
    println!(
        "{} passed, {} failed, {} skipped",
        total.passed, total.failed, total.skipped
    );
    ExitCode::from(u8::from(total.failed != 0))
}

/// Everything that one suite found, or None if it cannot even be built.
fn suite_outcomes(suite: &Suite, quick: bool) -> Option<Found> {
    let built = graft::graft(suite)?;
    Some(Found {
        tests: run::tests(&built)?,
        doctests: run::doctests(&built)?,
        examples: run::examples(&built),
        benches: match quick {
            true => Vec::new(),
            false => run::benches(&built),
        },
    })
}

struct Found {
    tests: Vec<(String, Outcome)>,
    doctests: Vec<(String, Outcome)>,
    examples: Vec<(String, Outcome)>,
    benches: Vec<(String, Outcome)>,
}

#[derive(Default)]
struct Total {
    passed: usize,
    failed: usize,
    skipped: usize,
}

impl Total {
    fn add(&mut self, suite: &Suite, found: &Option<Found>, quick: bool) {
        let Some(found) = found else {
            println!("{}: cannot be built or run", suite.name);
            self.failed += 1;
            return;
        };
        let counts = Counts {
            tests: found.tests.len(),
            doctests: found.doctests.len(),
            examples: found.examples.len(),
            benches: match quick {
                true => suite.counts.benches,
                false => found.benches.len(),
            },
        };
        if counts != suite.counts {
            println!(
                "{}: found {counts:?}, expected {:?}",
                suite.name, suite.counts
            );
            self.failed += 1;
        }
        let all = [
            &found.tests,
            &found.doctests,
            &found.examples,
            &found.benches,
        ];
        for (name, outcome) in all.into_iter().flatten() {
            match (outcome, suite.skips.contains_key(name)) {
                (Outcome::Passed, false) => self.passed += 1,
                (Outcome::Failed, true) => self.skipped += 1,
                (Outcome::Failed, false) => {
                    println!("{}: {name} failed", suite.name);
                    self.failed += 1;
                }
                (Outcome::Passed, true) => {
                    println!("{}: {name} passes, but is listed", suite.name);
                    self.failed += 1;
                }
            }
        }
        for (name, reason) in &suite.skips {
            let gone = !all.into_iter().flatten().any(|(found, _)| found == name);
            if gone {
                println!("{}: {name} is listed ({reason}), but gone", suite.name);
                self.failed += 1;
            }
        }
        println!("{} {}: {counts:?}", suite.name, suite.version);
    }
}
