//! Stands in for blocking 1.7: the same names, on gort.
//!
//! With this package in a `[patch.crates-io]` section all crates of a program that use blocking share gort's pool of threads, unedited.
//! The environment variable `BLOCKING_MAX_THREADS` is obeyed, with the same range.

pub use gort::task::set_max_blocking_threads;
pub use gort::{Task, Unblock, unblock};
