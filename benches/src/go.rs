//! The Go program beside this crate: found, built and started as one more runtime.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The name on the command line and in the tables.
pub(crate) const NAME: &str = "go";

/// Returns the path of an executable that the shell would find under that name.
pub(crate) fn on_path(name: &str) -> Option<PathBuf> {
    let file = format!("{name}{}", env::consts::EXE_SUFFIX);
    let directories = env::var_os("PATH")?;
    env::split_paths(&directories)
        .map(|directory| directory.join(&file))
        .find(|path| path.is_file())
}

/// Builds the Go program into the directory of this one and returns its path.
///
/// Go's own cache makes this a matter of milliseconds when nothing has changed.
///
/// # Errors
///
/// If the sources are not where they were when this program was built, or do not compile.
pub(crate) fn build(go: &Path) -> Result<PathBuf, String> {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("go");
    let here = env::current_exe().map_err(|error| format!("no path to myself: {error}"))?;
    let program = here.with_file_name(format!("gort-bench-go{}", env::consts::EXE_SUFFIX));
    let output = Command::new(go)
        .args(["build", "-o"])
        .args([&program])
        .arg(".")
        .current_dir(&sources)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| {
            format!(
                "cannot run {} in {}: {error}",
                go.display(),
                sources.display()
            )
        })?;
    match output.status.success() {
        true => Ok(program),
        false => Err(format!(
            "go build failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        )),
    }
}
