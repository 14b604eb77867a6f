//! What the suites hold: the file `expected.txt`.

use std::collections::{BTreeMap, BTreeSet};

/// The file.
pub(crate) struct Expected {
    pub(crate) suites: Vec<Suite>,
}

/// One published package.
pub(crate) struct Suite {
    pub(crate) name: String,
    pub(crate) version: String,
    /// The folder of the package that takes its place, from the root.
    pub(crate) stand_in: String,
    pub(crate) counts: Counts,
    /// The tests that cannot pass, with the reasons.
    pub(crate) skips: BTreeMap<String, String>,
    /// The tests that assert how long something takes at most.
    pub(crate) timed: BTreeSet<String>,
    /// The examples that do not end by themselves.
    pub(crate) endless: BTreeSet<String>,
    /// The examples that are not even built, with the reasons; and [`DOCTESTS`].
    pub(crate) left: BTreeMap<String, String>,
}

/// All doctests of a suite, where they are left out.
pub(crate) const DOCTESTS: &str = "doctests";

/// How many of each there are.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) tests: usize,
    pub(crate) doctests: usize,
    pub(crate) examples: usize,
    pub(crate) benches: usize,
}

impl Expected {
    /// Reads the file that this program was built with.
    pub(crate) fn read() -> Self {
        let mut suites = Vec::<Suite>::new();
        for line in include_str!("../expected.txt").lines() {
            let words: Vec<_> = line.split_whitespace().collect();
            match *words {
                [] | ["#", ..] => {}
                [
                    "suite",
                    name,
                    version,
                    "on",
                    stand_in,
                    "tests",
                    tests,
                    "doctests",
                    doctests,
                    "examples",
                    examples,
                    "benches",
                    benches,
                ] => suites.push(Suite {
                    name: name.into(),
                    version: version.into(),
                    stand_in: stand_in.into(),
                    counts: Counts {
                        tests: number(tests),
                        doctests: number(doctests),
                        examples: number(examples),
                        benches: number(benches),
                    },
                    skips: BTreeMap::new(),
                    timed: BTreeSet::new(),
                    endless: BTreeSet::new(),
                    left: BTreeMap::new(),
                }),
                ["skip", name, test, _, ..] => {
                    let reason = words[3..].join(" ");
                    last(&mut suites, name).skips.insert(test.into(), reason);
                }
                ["timed", name, test] => {
                    last(&mut suites, name).timed.insert(test.into());
                }
                ["endless", name, example] => {
                    last(&mut suites, name).endless.insert(example.into());
                }
                ["leave", name, example, _, ..] => {
                    let reason = words[3..].join(" ");
                    last(&mut suites, name).left.insert(example.into(), reason);
                }
                _ => panic!("expected.txt: {line}"),
            }
        }
        Self { suites }
    }
}

/// The suite that the lines below it are about.
fn last<'a>(suites: &'a mut [Suite], name: &str) -> &'a mut Suite {
    let last = suites.last_mut().filter(|suite| suite.name == name);
    last.unwrap_or_else(|| panic!("expected.txt: not below the suite {name}"))
}

fn number(word: &str) -> usize {
    word.parse()
        .unwrap_or_else(|_| panic!("expected.txt: {word} is no number"))
}
