//! The house is in order: what may know what, and what no file may contain.

use std::fs;
use std::path::{Path, PathBuf};

/// Modules of the runtime that know nothing but what stands beside them: each protocol can be read, and modelled, on its own.
const LEAVES: &[(&str, &[&str])] = &[
    ("config", &["lease"]),
    ("lease", &[]),
    // The model uses the lease.
    ("slot", &["lease"]),
    ("park", &[]),
    ("idle", &[]),
    ("inject", &[]),
    // Its documentation names a type of the crate's root; its `run()` notes what it waits for.
    ("executor", &["Executor", "task"]),
    ("runq", &["inject"]),
    ("drive", &["park", "time"]),
    ("time", &["drive", "sysmon", "task"]),
];

/// Crates below the runtime, which never know a scheduler.
const BELOW: &[&str] = &["net", "gc", "sync", "sync/primitives"];

/// Crates that shims for gort's users replace, so that gort itself cannot stand on them.
const REPLACED: &[&str] = &[
    "async-channel",
    "async-io",
    "async-net",
    "async-process",
    "async-signal",
    "async-std",
    "async-fs",
    "async-executor",
    "async-global-executor",
    "blocking",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All files below `dir` whose name ends in one of `endings`, but none of what a build makes.
fn files(dir: &Path, endings: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).expect("a folder of the house") {
        let path = entry.expect("it can be read").path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .expect("UTF-8");
        if path.is_dir() {
            if !name.starts_with('.') && name != "target" {
                found.extend(files(&path, endings));
            }
        } else if endings.iter().any(|ending| name.ends_with(ending)) {
            found.push(path);
        }
    }
    found
}

/// The names after `crate::` in a file.
fn imports(text: &str) -> impl Iterator<Item = &str> {
    text.split("crate::").skip(1).map(|rest| {
        let end = rest
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .unwrap_or(rest.len());
        &rest[..end]
    })
}

#[test]
fn the_leaves_of_the_runtime_know_nothing_above_them() {
    for (leaf, allowed) in LEAVES {
        let file = root().join(format!("runtime/{leaf}.rs"));
        let folder = root().join(format!("runtime/{leaf}"));
        let mut paths = vec![file];
        if folder.is_dir() {
            paths.extend(files(&folder, &[".rs"]));
        }
        for path in paths {
            for name in imports(&read(&path)) {
                // Items of the crate's root begin with a capital, or are the leaf's own.
                let fine = name == *leaf || allowed.contains(&name);
                assert!(fine, "{} uses crate::{name}", path.display());
            }
        }
    }
}

#[test]
fn the_crates_below_the_runtime_do_not_know_it() {
    for name in BELOW {
        let manifest = read(&root().join(name).join("Cargo.toml"));
        let dependencies = manifest.split("[dev-dependencies]").next().expect("a part");
        for line in dependencies.lines().filter(|line| !line.starts_with('#')) {
            let runtime = line.starts_with("gort.") || line.starts_with("gort =");
            assert!(!runtime, "{name} depends on the runtime: {line}");
        }
    }
}

#[test]
fn nothing_that_ships_stands_on_what_its_shims_replace() {
    for name in [".", "runtime/macros"].iter().chain(BELOW) {
        let manifest = read(&root().join(name).join("Cargo.toml"));
        let mut section = "";
        for line in manifest.lines() {
            if line.starts_with('[') {
                section = line;
            }
            let ships = section.contains("dependencies]") && !section.contains("dev-dependencies");
            let replaced = REPLACED.iter().any(|replaced| {
                line.strip_prefix(replaced)
                    .is_some_and(|rest| rest.starts_with([' ', '.', '=']))
            });
            // The workspace's table of versions is no dependency.
            let used = ships && section != "[workspace.dependencies]";
            assert!(!(used && replaced), "{name}: {line}");
        }
    }
}

#[test]
fn no_snippet_is_kept_from_being_compiled() {
    for path in files(root(), &[".rs", ".md"]) {
        let text = read(&path);
        for (number, line) in text.lines().enumerate() {
            let fence = line.trim_start_matches(['/', '!', ' ']).strip_prefix("```");
            let ignored = fence.is_some_and(|options| options.contains("ignore"));
            assert!(!ignored, "{}:{}: {line}", path.display(), number + 1);
        }
    }
}

#[test]
fn no_file_is_left_unfinished() {
    // Put together here, so that this file is none of those it looks for.
    let marks = [
        ["to", "do!("].concat(),
        ["FIX", "ME"].concat(),
        ["XX", "X"].concat(),
    ];
    for path in files(root(), &[".rs", ".toml", ".md"]) {
        let text = read(&path);
        for mark in &marks {
            assert!(!text.contains(mark.as_str()), "{}: {mark}", path.display());
        }
    }
}

#[test]
fn every_crate_has_its_licences() {
    for manifest in files(root(), &["Cargo.toml"]) {
        let text = read(&manifest);
        if !text.contains("[package]") || text.contains("publish = false") {
            continue;
        }
        let folder = manifest.parent().expect("it is in one");
        for licence in ["LICENSE-APACHE", "LICENSE-MIT"] {
            assert!(folder.join(licence).exists(), "{}", folder.display());
        }
    }
}

#[test]
fn the_tests_that_the_races_name_exist() {
    let text = read(&root().join("runtime/HACKING.md"));
    let sources: String = files(root(), &[".rs"])
        .iter()
        .map(|path| read(path))
        .collect();
    let races = text.lines().filter(|line| {
        let number = line
            .strip_prefix("| ")
            .and_then(|line| line.split(' ').next());
        number.is_some_and(|number| number.parse::<u32>().is_ok())
    });
    let mut count = 0;
    for race in races {
        count += 1;
        let (_, tests) = race
            .trim_end_matches(" |")
            .rsplit_once(" | ")
            .expect("columns");
        for name in tests.split('`').skip(1).step_by(2) {
            assert!(sources.contains(&format!("fn {name}()")), "{name}: {race}");
        }
    }
    assert_eq!(count, 25);
}
