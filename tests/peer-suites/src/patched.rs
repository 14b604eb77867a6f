//! A whole graph on gort: crates that were written for others, none of them edited, and a program that uses them with gort.
//!
//! The lock file is made anew each time: one from before the patch would keep the originals.

use std::fs;
use std::path::PathBuf;

use crate::compat;
use crate::graft::{lock, root, target, write};
use crate::run::{self, Outcome};

/// What this is called on the command line.
pub(crate) const NAME: &str = "patched";

/// What the program depends on, beside gort.
const GRAPH: &str = r#"
async-channel = "2"
async-channel-1 = { package = "async-channel", version = "1.9" }
async-executor = "1"
async-fs = "2"
async-global-executor = "3"
async-global-executor-2 = { package = "async-global-executor", version = "2.4" }
async-io = "2"
async-process = "2"
async-signal = "0.2"
async-std = "1.13"
blocking = "1"
smol = "2"
"#;

/// Nothing stands in for this version.
const TOO_OLD: &str = "async-io = \"1\"\n";

/// Everything that is claimed of a patched graph, and whether it is so.
pub(crate) fn outcomes() -> Vec<(String, Outcome)> {
    let graph = workspace("graph", GRAPH);
    let held = lock(&graph);
    let used = held.as_ref().is_some_and(|lock| {
        let unused = compat::unused(lock);
        unused
            .iter()
            .for_each(|name| eprintln!("{NAME}: the patch of {name} is not used"));
        unused.is_empty()
    });
    let ran = held.is_some() && run::cargo(&graph, &["run"]).is_some();
    [
        ("the_graph_holds_no_original", held.is_some()),
        ("every_patch_is_used", used),
        ("the_program_runs_on_gort_alone", ran),
        ("a_patch_that_does_not_fit_is_noticed", misfit_is_noticed()),
    ]
    .map(|(name, holds)| (name.to_owned(), Outcome::from(holds)))
    .into()
}

/// Makes a graph that needs another version than there is, and looks whether the checks see it.
fn misfit_is_noticed() -> bool {
    let misfit = workspace("misfit", TOO_OLD);
    run::cargo(&misfit, &["generate-lockfile"]).is_some_and(|_| {
        let lock = fs::read_to_string(misfit.join("Cargo.lock")).expect("cargo made it");
        let unused = compat::unused(&lock);
        let originals = compat::originals(root(), &lock);
        let both = [unused, originals];
        both.iter()
            .all(|names| names.iter().any(|name| name == "async-io"))
    })
}

fn workspace(name: &str, dependencies: &str) -> PathBuf {
    let folder = target().join(format!("{NAME}-{name}"));
    let _ = fs::remove_dir_all(&folder);
    let manifest = format!(
        "[package]\nname = \"{NAME}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[workspace]\n\
         [dependencies]\ngort = {{ path = {:?} }}\n{dependencies}\n{}",
        root(),
        compat::patch_section(root()),
    );
    write(&folder.join("Cargo.toml"), &manifest);
    write(
        &folder.join("src/main.rs"),
        include_str!("patched/program.rs"),
    );
    folder
}
