//! Runs what a suite holds, and reads the outcome from what the tools print.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::expected::{DOCTESTS, Suite};
use crate::graft::Grafted;
use crate::talk::Talk;

/// What became of a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Passed,
    Failed,
    /// It was not run.
    Skipped,
}

type Outcomes = Vec<(String, Outcome)>;

/// Runs a command, with its errors going to ours. Returns its output and whether it succeeded.
fn output(command: &mut Command) -> (String, bool) {
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    (
        String::from_utf8_lossy(&output.stdout).into_owned(),
        output.status.success(),
    )
}

fn cargo_command(workspace: &Path, arguments: &[&str]) -> Command {
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args(arguments)
        .arg("--quiet")
        .current_dir(workspace)
        .env("CARGO_TARGET_DIR", build_folder(workspace));
    cargo
}

/// One set of built dependencies for all suites.
fn build_folder(workspace: &Path) -> PathBuf {
    workspace.with_file_name("build")
}

/// Runs cargo. Returns what it wrote, or None if it failed.
pub(crate) fn cargo(workspace: &Path, arguments: &[&str]) -> Option<String> {
    let (text, success) = output(&mut cargo_command(workspace, arguments));
    success.then_some(text)
}

/// How often a test with a limit of time is tried. Thin air.
const TRIES: usize = 5;

/// Runs the integration tests. Those in `timed` fail on a machine that does other things too, and get another chance, alone.
pub(crate) fn tests(suite: &Grafted, timed: &BTreeSet<String>) -> Option<Outcomes> {
    // Cargo builds first, so that an error of a build is not taken for a failed test.
    cargo(&suite.workspace, &["build", "--tests"])?;
    let mut command = cargo_command(&suite.workspace, &["test", "--tests", "--no-fail-fast"]);
    // `--quiet` would make dots of the tests.
    command.args(["--", "--format=pretty"]);
    let (text, success) = output(&mut command);
    let mut outcomes = outcomes(&text);
    let failed = outcomes
        .iter()
        .any(|(_, outcome)| *outcome == Outcome::Failed);
    // A test binary that is killed says nothing of its tests.
    if !success && !failed {
        println!("{text}");
        return None;
    }
    if failed {
        println!("{text}");
    }
    for (name, outcome) in &mut outcomes {
        if *outcome == Outcome::Failed && timed.contains(name) {
            *outcome = Outcome::from((1..TRIES).any(|_| passes_alone(suite, name)));
        }
    }
    Some(outcomes)
}

fn passes_alone(suite: &Grafted, name: &str) -> bool {
    let mut command = cargo_command(&suite.workspace, &["test", "--tests"]);
    command.args(["--", "--exact", name]);
    output(&mut command).1
}

/// Runs the doctests of the published source, with gort under the crate's name.
pub(crate) fn doctests(grafted: &Grafted, suite: &Suite) -> Option<Outcomes> {
    match suite.left.contains_key(DOCTESTS) {
        true => Some(vec![(DOCTESTS.to_owned(), Outcome::Skipped)]),
        false => run_doctests(grafted),
    }
}

fn run_doctests(suite: &Grafted) -> Option<Outcomes> {
    let build = ["build", "--tests", "--message-format=json"];
    let messages = cargo(&suite.workspace, &build)?;
    let manifest = fs::read_to_string(suite.workspace.join("Cargo.toml")).expect("we wrote it");
    let edition = manifest
        .lines()
        .find_map(|line| line.strip_prefix("edition = "))
        .expect("we wrote it");
    let mut rustdoc = Command::new("rustdoc");
    rustdoc
        .arg("--test")
        .arg("src/lib.rs")
        .args(["--crate-name", &suite.krate])
        .args(["--edition", edition.trim_matches('"')])
        .args(["--test-args", "--format=pretty"])
        .current_dir(&suite.source);
    for feature in &suite.features {
        rustdoc.args(["--cfg", &format!("feature={feature:?}")]);
    }
    let dependencies = build_folder(&suite.workspace).join("debug/deps");
    rustdoc
        .arg("-L")
        .arg(format!("dependency={}", dependencies.display()));
    for (name, file) in libraries(&messages) {
        let name = if name == suite.stand_in {
            &suite.krate
        } else {
            &name
        };
        rustdoc.arg("--extern").arg(format!("{name}={file}"));
    }
    let (text, success) = output(&mut rustdoc);
    let outcomes = outcomes(&text);
    if !success {
        println!("{text}");
    }
    Some(outcomes)
}

/// The libraries that cargo says it has built: name and file. Of one that was built twice, once for a build script say, the one with more features.
fn libraries(messages: &str) -> BTreeMap<String, String> {
    let messages = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["reason"] == "compiler-artifact")
        .filter(|message| message["profile"]["test"] == false);
    let mut libraries: Vec<_> = messages
        .filter_map(|message| {
            let files = message["filenames"].as_array()?;
            let file = files
                .iter()
                .filter_map(Value::as_str)
                .find(|file| file.ends_with(".rlib") || file.ends_with(".so"))?;
            let name = message["target"]["name"].as_str()?;
            let features = message["features"].as_array().map_or(0, Vec::len);
            Some((features, name.replace('-', "_"), file.to_owned()))
        })
        .collect();
    libraries.sort();
    // The later ones replace the earlier ones.
    libraries
        .into_iter()
        .map(|(_, name, file)| (name, file))
        .collect()
}

/// Runs each example to its end. Those that have none are only built, and with those that want to be talked to there is a talk.
pub(crate) fn examples(grafted: &Grafted, suite: &Suite) -> Outcomes {
    let left = suite.left.keys().filter(|name| *name != DOCTESTS);
    let left = left.map(|name| (name.clone(), Outcome::Skipped));
    let kept = files(&grafted.workspace.join("examples"));
    kept.map(|name| {
        let outcome = example(grafted, suite, &name);
        (name, outcome)
    })
    .chain(left)
    .collect()
}

fn example(grafted: &Grafted, suite: &Suite, name: &str) -> Outcome {
    let do_with = |action: &str, name: &str| {
        cargo(&grafted.workspace, &[action, "--example", name]).is_some()
    };
    match Talk::with(&suite.name, name) {
        Some(talk) if talk.programs.iter().all(|name| do_with("build", name)) => {
            talk.hold(&build_folder(&grafted.workspace).join("debug/examples"))
        }
        Some(_) => Outcome::Failed,
        None if suite.endless.contains(name) => Outcome::from(do_with("build", name)),
        None => Outcome::from(do_with("run", name)),
    }
}

/// Builds each benchmark.
pub(crate) fn benches(suite: &Grafted) -> Outcomes {
    files(&suite.workspace.join("benches"))
        .map(|name| {
            let built = cargo(&suite.workspace, &["build", "--bench", &name]).is_some();
            (name, Outcome::from(built))
        })
        .collect()
}

impl From<bool> for Outcome {
    fn from(passed: bool) -> Self {
        match passed {
            true => Self::Passed,
            false => Self::Failed,
        }
    }
}

/// The names of the Rust files in a folder.
fn files(folder: &Path) -> impl Iterator<Item = String> + use<> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries.filter_map(|entry| {
        let path = entry.expect("it can be read").path();
        let is_rust = path.extension().is_some_and(|ending| ending == "rs");
        let stem = path.file_stem()?.to_str()?;
        is_rust.then(|| stem.to_owned())
    })
}

/// Reads the lines `test <name> ... <outcome>` of a test harness.
fn outcomes(text: &str) -> Outcomes {
    text.lines()
        .filter_map(|line| {
            let (name, outcome) = line.strip_prefix("test ")?.rsplit_once(" ... ")?;
            match outcome {
                "ok" => Some((name.into(), Outcome::Passed)),
                "FAILED" => Some((name.into(), Outcome::Failed)),
                _ => None,
            }
        })
        .collect()
}
