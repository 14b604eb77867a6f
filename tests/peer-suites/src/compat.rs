//! The packages that stand in for published ones in a `[patch.crates-io]` section, and whether they do.

use std::fmt::Write;
use std::fs;
use std::path::Path;

/// A package in `runtime/compat`.
struct StandIn {
    folder: String,
    name: String,
    version: String,
}

/// Where they are, below the root.
const COMPAT: &str = "runtime/compat";

/// The section of a manifest that puts all of them into the graph.
pub(crate) fn patch_section(root: &Path) -> String {
    let mut section = String::from("[patch.crates-io]\n");
    for StandIn {
        folder,
        name,
        version,
    } in &stand_ins(root)
    {
        let path = root.join(COMPAT).join(folder);
        writeln!(
            section,
            "{folder} = {{ package = \"{name}\", version = \"={version}\", path = {path:?} }}"
        )
        .expect("a string grows");
    }
    section
}

/// The published packages in a lock file that have a stand-in.
pub(crate) fn originals(root: &Path, lock: &str) -> Vec<String> {
    let stand_ins = stand_ins(root);
    entries(lock, "[[package]]")
        .filter(|entry| value(entry, "source").is_some())
        .filter_map(|entry| value(entry, "name"))
        .filter(|name| stand_ins.iter().any(|stand_in| stand_in.name == *name))
        .map(str::to_owned)
        .collect()
}

/// The stand-ins that cargo has no use for in a graph, according to its lock file.
pub(crate) fn unused(lock: &str) -> Vec<String> {
    entries(lock, "[[patch.unused]]")
        .filter_map(|entry| value(entry, "name"))
        .map(str::to_owned)
        .collect()
}

fn stand_ins(root: &Path) -> Vec<StandIn> {
    let folders = fs::read_dir(root.join(COMPAT)).expect("it is in the repository");
    let mut found: Vec<_> = folders
        .filter_map(|folder| {
            let folder = folder.expect("it can be read");
            let manifest = fs::read_to_string(folder.path().join("Cargo.toml")).ok()?;
            Some(StandIn {
                folder: folder.file_name().into_string().expect("UTF-8"),
                name: value(&manifest, "name").expect("a name").into(),
                version: value(&manifest, "version").expect("a version").into(),
            })
        })
        .collect();
    found.sort_by(|a, b| a.folder.cmp(&b.folder));
    found
}

/// The parts of a TOML file below each `heading`.
fn entries<'a>(text: &'a str, heading: &'a str) -> impl Iterator<Item = &'a str> {
    text.split("\n[").filter_map(|part| {
        heading[1..]
            .strip_prefix(part.lines().next()?)
            .map(|_| part)
    })
}

/// The first string of this name.
pub(crate) fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let rest = line.strip_prefix(key)?.strip_prefix(" = \"")?;
        rest.strip_suffix('"')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: &str = r#"version = 4

[[package]]
name = "async-io"
version = "2.6.0"
dependencies = [
 "gort",
]

[[package]]
name = "blocking"
version = "1.7.0"
source = "registry+https://example.org"

[[package]]
name = "slab"
version = "0.4.0"
source = "registry+https://example.org"

[[patch.unused]]
name = "blocking"
version = "1.7.0"
"#;

    fn root() -> &'static Path {
        crate::graft::root()
    }

    #[test]
    fn an_original_in_a_lock_file_is_found() {
        assert_eq!(originals(root(), LOCK), ["blocking"]);
    }

    #[test]
    fn a_patch_without_use_is_found() {
        assert_eq!(unused(LOCK), ["blocking"]);
        assert!(unused(LOCK.split("\n[[patch").next().expect("a part")).is_empty());
    }

    #[test]
    fn every_stand_in_is_in_the_section() {
        let section = patch_section(root());
        for name in [
            "async-executor",
            "async-global-executor",
            "async-io",
            "blocking",
        ] {
            assert!(section.contains(&format!("\n{name} = ")), "{section}");
        }
    }
}
