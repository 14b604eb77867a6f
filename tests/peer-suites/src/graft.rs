//! Makes the workspace of a suite: their tests, and gort under the name of their crate.

use std::fs;
use std::path::{Path, PathBuf};

use crate::expected::Suite;
use crate::run;

/// A suite that is ready to run.
pub(crate) struct Grafted {
    /// The name of the crate in Rust.
    pub(crate) krate: String,
    /// The published source.
    pub(crate) source: PathBuf,
    /// The generated workspace.
    pub(crate) workspace: PathBuf,
}

/// Folders of a published package that hold what is run.
const FOLDERS: &[&str] = &["tests", "examples", "benches"];

/// Makes the workspace. Tells what is wrong on the standard error stream.
pub(crate) fn graft(suite: &Suite) -> Option<Grafted> {
    let source = published(suite)?;
    let workspace = target().join(&suite.name);
    // The tests of another version must not stay behind; the lock is made anew.
    let _ = fs::remove_dir_all(&workspace);
    for folder in FOLDERS {
        copy(&source.join(folder), &workspace.join(folder));
    }
    let manifest = read(&source.join("Cargo.toml"));
    write(&workspace.join("Cargo.toml"), &grafted(suite, &manifest));
    run::cargo(&workspace, &["generate-lockfile"])?;
    let lock = read(&workspace.join("Cargo.lock"));
    let holds = |name: &str| lock.contains(&format!("name = \"{name}\"\n"));
    if !holds("gort") || holds(&suite.name) {
        eprintln!("{}: the graph does not stand on gort alone", suite.name);
        return None;
    }
    Some(Grafted {
        krate: suite.name.replace('-', "_"),
        source,
        workspace,
    })
}

/// The root of gort's repository.
fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).expect("two levels down")
}

fn target() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let target = target.unwrap_or_else(|| root().join("target"));
    // Cargo is run in other folders than this program.
    let target = std::path::absolute(target).expect("there is a current folder");
    target.join("peer-suites")
}

/// Where cargo keeps the source of the published package.
fn published(suite: &Suite) -> Option<PathBuf> {
    let Suite { name, version, .. } = suite;
    let fetch = target().join("fetch").join(name);
    let manifest = format!(
        "[package]\nname = \"fetch\"\nversion = \"0.0.0\"\nedition = \"2021\"\n\
         [dependencies]\n{name} = \"={version}\"\n[workspace]\n"
    );
    write(&fetch.join("Cargo.toml"), &manifest);
    write(&fetch.join("src/lib.rs"), "");
    let json = run::cargo(&fetch, &["metadata", "--format-version", "1"])?;
    let json: serde_json::Value = serde_json::from_str(&json).expect("cargo writes JSON");
    let packages = json["packages"].as_array().expect("a list");
    let package = packages
        .iter()
        .find(|package| package["name"] == **name && package["version"] == **version)?;
    let manifest = Path::new(package["manifest_path"].as_str().expect("a path"));
    manifest.parent().map(Path::to_path_buf)
}

/// The published manifest with gort under the crate's name, and without the crate.
fn grafted(suite: &Suite, manifest: &str) -> String {
    let edition = manifest
        .lines()
        .find(|line| line.starts_with("edition"))
        .unwrap_or("edition = \"2015\"");
    let mut text = format!(
        "[package]\nname = \"grafted\"\nversion = \"0.0.0\"\n{edition}\n[workspace]\n\
         [dependencies.{}]\npackage = \"gort\"\npath = {:?}\n\n",
        suite.name,
        root()
    );
    // What cargo publishes is regular: one section per target and dependency.
    let mut kept = false;
    for line in manifest.lines() {
        if line.starts_with('[') {
            kept = ["[[test]]", "[[example]]", "[[bench]]"].contains(&line)
                || line.starts_with("[dependencies.")
                || line.starts_with("[dev-dependencies.")
                || line.starts_with("[target.");
        }
        // The features are the crate's, and gort has everything always.
        if kept && !line.starts_with("required-features") {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

fn copy(from: &Path, to: &Path) {
    let Ok(entries) = fs::read_dir(from) else {
        return;
    };
    for entry in entries {
        let from = entry.expect("it can be read").path();
        let to = to.join(from.file_name().expect("an entry has a name"));
        if from.is_dir() {
            copy(&from, &to);
        } else {
            write(&to, &read(&from));
        }
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn write(path: &Path, text: &str) {
    let folder = path.parent().expect("in a folder");
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(path, text))
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}
