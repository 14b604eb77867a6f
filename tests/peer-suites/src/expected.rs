//! What the suites hold: the file `expected.txt`.

use std::collections::BTreeMap;

/// The file.
pub(crate) struct Expected {
    pub(crate) suites: Vec<Suite>,
}

/// One published package.
pub(crate) struct Suite {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) counts: Counts,
    /// The tests that cannot pass, with the reasons.
    pub(crate) skips: BTreeMap<String, String>,
}

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
                    counts: Counts {
                        tests: number(tests),
                        doctests: number(doctests),
                        examples: number(examples),
                        benches: number(benches),
                    },
                    skips: BTreeMap::new(),
                }),
                ["skip", name, test, _, ..] => {
                    let suite = suites.iter_mut().find(|suite| suite.name == name);
                    let suite = suite.unwrap_or_else(|| panic!("{line}: no such suite above"));
                    suite.skips.insert(test.into(), words[3..].join(" "));
                }
                _ => panic!("expected.txt: {line}"),
            }
        }
        Self { suites }
    }

    pub(crate) fn suite(&self, name: &str) -> Option<&Suite> {
        self.suites.iter().find(|suite| suite.name == name)
    }
}

fn number(word: &str) -> usize {
    word.parse()
        .unwrap_or_else(|_| panic!("expected.txt: {word} is no number"))
}
