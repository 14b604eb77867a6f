//! Makes the workspace of a suite: their tests, and gort in the place of their crate.

use std::fs;
use std::path::{Path, PathBuf};

use crate::compat;
use crate::expected::Suite;
use crate::run;

/// A suite that is ready to run.
pub(crate) struct Grafted {
    /// The name of the crate in Rust.
    pub(crate) krate: String,
    /// The name of the library that takes its place.
    pub(crate) stand_in: String,
    /// The published source.
    pub(crate) source: PathBuf,
    /// The generated workspace.
    pub(crate) workspace: PathBuf,
    /// The features that the source is documented with.
    pub(crate) features: Vec<String>,
}

/// Says in `expected.txt` that a package stays, and what it depends on is patched.
const PATCH: &str = "patch";

/// Features with which published sources import crates that the graph does not hold.
const FOREIGN: &[&str] = &["portable-atomic", "tokio"];

/// Folders of a published package that hold what is run.
const FOLDERS: &[&str] = &["tests", "examples", "benches"];

/// Makes the workspace. Tells what is wrong on the standard error stream.
pub(crate) fn graft(suite: &Suite) -> Option<Grafted> {
    let source = published(suite)?;
    let workspace = target().join(&suite.name);
    // The tests of another version must not stay behind; the lock is made anew.
    let _ = fs::remove_dir_all(&workspace);
    for folder in FOLDERS {
        copy(suite, &source.join(folder), &workspace.join(folder));
    }
    // Cargo wants something to build, even where there are only doctests.
    write(&workspace.join("src/lib.rs"), "");
    let manifest = read(&source.join("Cargo.toml"));
    let stand_in = Package::of(suite);
    write(
        &workspace.join("Cargo.toml"),
        &grafted(suite, &stand_in, &code(&workspace), &manifest),
    );
    lock(&workspace)?;
    let features = features(&manifest, &stand_in);
    Some(Grafted {
        features,
        krate: suite.name.replace('-', "_"),
        stand_in: stand_in.name.replace('-', "_"),
        source,
        workspace,
    })
}

/// Makes the lock file of a workspace, and returns it if gort is in the graph and nothing that it stands in for.
pub(crate) fn lock(workspace: &Path) -> Option<String> {
    run::cargo(workspace, &["generate-lockfile"])?;
    let lock = read(&workspace.join("Cargo.lock"));
    let originals = compat::originals(root(), &lock);
    if !lock.contains("name = \"gort\"\n") || !originals.is_empty() {
        let workspace = workspace.display();
        eprintln!("{workspace}: the graph does not stand on gort alone, but on {originals:?}");
        return None;
    }
    Some(lock)
}

/// The root of gort's repository.
pub(crate) fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).expect("two levels down")
}

pub(crate) fn target() -> PathBuf {
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

/// The features of the published package that its place-taker has too. gort has everything always.
fn features(manifest: &str, stand_in: &Package) -> Vec<String> {
    let own = match &stand_in.folder {
        Some(folder) if stand_in.name != "gort" => read(&folder.join("Cargo.toml")),
        _ => manifest.to_owned(),
    };
    let has = |name: &str| feature_names(&own).any(|own| own == name);
    feature_names(manifest)
        .filter(|name| has(name) && !FOREIGN.contains(name))
        .map(str::to_owned)
        .collect()
}

/// The names in the `[features]` of a manifest.
fn feature_names(manifest: &str) -> impl Iterator<Item = &str> {
    manifest
        .lines()
        .skip_while(|line| *line != "[features]")
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| Some(line.split_once(" = ")?.0))
}

/// What takes the place of a published package.
struct Package {
    name: String,
    /// None: it keeps its place, and what it depends on is patched.
    folder: Option<PathBuf>,
}

impl Package {
    fn of(suite: &Suite) -> Self {
        if suite.stand_in == PATCH {
            return Self {
                name: suite.name.clone(),
                folder: None,
            };
        }
        let folder = root().join(&suite.stand_in);
        let manifest = read(&folder.join("Cargo.toml"));
        let package = manifest.split("[package]\n").nth(1).expect("a package");
        let name = compat::value(package, "name").expect("it has a name");
        Self {
            name: name.into(),
            folder: Some(folder),
        }
    }

    /// Where cargo finds it.
    fn place(&self, suite: &Suite) -> String {
        match &self.folder {
            Some(folder) => format!("path = {folder:?}"),
            None => format!("version = \"={}\"", suite.version),
        }
    }
}

/// The published manifest, with what takes its place under the crate's name.
fn grafted(suite: &Suite, stand_in: &Package, code: &str, manifest: &str) -> String {
    let edition = manifest
        .lines()
        .find(|line| line.starts_with("edition"))
        .unwrap_or("edition = \"2015\"");
    let mut text = format!(
        "[package]\nname = \"grafted\"\nversion = \"0.0.0\"\n{edition}\n[workspace]\n\
         [dependencies.{}]\npackage = {:?}\n{}\n\n",
        suite.name,
        stand_in.name,
        stand_in.place(suite),
    );
    text.push_str(&default_features(manifest));
    for section in sections(manifest) {
        if is_kept(suite, code, &section) {
            text.push_str(&section);
        }
    }
    // Their other dependencies may need the originals too.
    text.push_str(&compat::patch_section(root()));
    text
}

/// A section with the features that the published package has by default: their tests may ask for them. Not those that only switch a
/// dependency on, which would be another's name.
fn default_features(manifest: &str) -> String {
    let names = manifest
        .split_once("\ndefault = [")
        .and_then(|(_, rest)| rest.split_once(']'))
        .map_or("", |(names, _)| names);
    let names = names.split('"').skip(1).step_by(2);
    let names: Vec<_> = names
        .filter(|name| !manifest.contains(&format!("[dependencies.{name}]")))
        .collect();
    let mut section = format!("[features]\ndefault = {names:?}\n");
    for name in names {
        section.push_str(&format!("{name} = []\n"));
    }
    section + "\n"
}

/// The sections of a manifest, with their headings. What cargo publishes is regular: one section per target and dependency.
fn sections(manifest: &str) -> Vec<String> {
    let mut sections = vec![String::new()];
    for line in manifest.lines() {
        if line.starts_with('[') {
            sections.push(String::new());
        }
        // The features are the crate's, and gort has everything always.
        if !line.starts_with("required-features") {
            let last = sections.last_mut().expect("one at least");
            last.push_str(line);
            last.push('\n');
        }
    }
    sections
}

/// Whether a section is needed for `code`.
fn is_kept(suite: &Suite, code: &str, section: &str) -> bool {
    let heading = section.lines().next().unwrap_or_default();
    if let Some((_, name)) = heading.split_once("dev-dependencies.") {
        let krate = name.trim_end_matches(']').replace('-', "_");
        // Where something is left out, so is what it alone needs.
        return suite.left.is_empty() || code.contains(&format!("{krate}::"));
    }
    if heading == "[[example]]" {
        let name = compat::value(section, "name");
        return name.is_none_or(|name| !suite.left.contains_key(name));
    }
    ["[[test]]", "[[bench]]"].contains(&heading)
        || heading.starts_with("[dependencies.")
        || heading.starts_with("[target.")
}

/// The code that is copied, for a look at what it uses.
fn code(workspace: &Path) -> String {
    let folders = FOLDERS.iter().map(|folder| workspace.join(folder));
    folders
        .filter_map(|folder| fs::read_dir(folder).ok())
        .flatten()
        .map(|entry| entry.expect("it can be read").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "rs"))
        .map(|path| read(&path))
        .collect()
}

fn is_left(suite: &Suite, path: &Path) -> bool {
    let stem = path.file_stem().and_then(|stem| stem.to_str());
    stem.is_some_and(|stem| suite.left.contains_key(stem))
}

fn copy(suite: &Suite, from: &Path, to: &Path) {
    let Ok(entries) = fs::read_dir(from) else {
        return;
    };
    for entry in entries {
        let from = entry.expect("it can be read").path();
        let to = to.join(from.file_name().expect("an entry has a name"));
        if from.is_dir() {
            copy(suite, &from, &to);
        } else if !is_left(suite, &from) {
            // Not all of it is text.
            let folder = to.parent().expect("in a folder");
            fs::create_dir_all(folder)
                .and_then(|()| fs::copy(&from, &to))
                .unwrap_or_else(|error| panic!("{}: {error}", to.display()));
        }
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub(crate) fn write(path: &Path, text: &str) {
    let folder = path.parent().expect("in a folder");
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(path, text))
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}
