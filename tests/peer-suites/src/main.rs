//! Judged by other people's tests: runs the published tests, doctests, examples and benchmarks' builds of the crates whose
//! interface gort offers, on gort.
//!
//! ```text
//! cargo run -p peer-suites [--quick] [suite ...]
//! ```
//!
//! The suite `patched` is a program of ours in a graph of theirs, with gort under the names of what they depend on.
//!
//! Nothing of theirs is in this repository. Cargo downloads the exact version; a workspace is generated under
//! `target/peer-suites`, with their tests and with the name of their crate standing for gort; what it holds and what may fail
//! is in `expected.txt`. The last line is `N passed, N failed, N skipped`. `--quick` leaves out the benchmarks.
//!
//! To add a suite, add its lines there and, if its manifest needs more than another name for gort, a case to `graft.rs`.

mod compat;
mod expected;
mod graft;
mod patched;
mod run;
mod talk;

use std::collections::BTreeMap;
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
    let known = expected.suites.iter().map(|suite| suite.name.as_str());
    let known: Vec<_> = known.chain([patched::NAME]).collect();
    if let Some(unknown) = names.iter().find(|name| !known.contains(&name.as_str())) {
        eprintln!("{unknown}: no such suite; there are {known:?}");
        return ExitCode::from(2);
    }
    let wanted = |name: &str| names.is_empty() || names.iter().any(|wanted| wanted == name);
    let mut total = Total::default();
    for suite in &expected.suites {
        if wanted(&suite.name) {
            total.add(suite, &suite_outcomes(suite, quick), quick);
        }
    }
    if wanted(patched::NAME) {
        total.add_all(patched::NAME, &patched::outcomes(), &BTreeMap::new());
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
        tests: run::tests(&built, &suite.timed)?,
        doctests: run::doctests(&built, suite)?,
        examples: run::examples(&built, suite),
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
        for outcomes in all {
            self.add_all(&suite.name, outcomes, &suite.skips);
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

    fn add_all(
        &mut self,
        suite: &str,
        outcomes: &[(String, Outcome)],
        skips: &BTreeMap<String, String>,
    ) {
        for (name, outcome) in outcomes {
            match (outcome, skips.contains_key(name)) {
                (Outcome::Skipped, _) => self.skipped += 1,
                (Outcome::Passed, false) => self.passed += 1,
                (Outcome::Failed, true) => self.skipped += 1,
                (Outcome::Failed, false) => {
                    println!("{}: {name} failed", suite);
                    self.failed += 1;
                }
                (Outcome::Passed, true) => {
                    println!("{}: {name} passes, but is listed", suite);
                    self.failed += 1;
                }
            }
        }
    }
}
