//! Tests that need settings from the environment: each starts its program again, with itself alone in it.

use std::env;
use std::process::{Command, Output};

/// Set in a process that was started by a test.
const CHILD: &str = "GORT_TEST_CHILD";

/// Runs the test with this name in another process, unless this is that process already.
pub(crate) fn in_child(test: &str, variables: &[(&str, &str)]) -> Option<Output> {
    if env::var_os(CHILD).is_some() {
        return None;
    }
    let output = Command::new(env::current_exe().expect("a test is a program"))
        .args(["--exact", test, "--nocapture"])
        .env(CHILD, "1")
        .envs(variables.iter().copied())
        .output();
    Some(output.expect("it can be started again"))
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
