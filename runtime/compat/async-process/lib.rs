//! Stands in for async-process 2.5: the same names, on gort.
//!
//! With this package in a `[patch.crates-io]` section all crates of a program that use async-process share gort's reactor, unedited. There is no
//! thread named "async-process", and nothing to drive.
#![cfg(unix)]

pub use gort::process::{
    Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Output, Stdio, driver, unix,
};
