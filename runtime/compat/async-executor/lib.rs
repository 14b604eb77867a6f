//! Stands in for async-executor 1.14: the same names, on gort.
//!
//! With this package in a `[patch.crates-io]` section all crates of a program that use async-executor run on gort's executors, unedited.
//! The types are gort's own, so a task of one side can be awaited, stored and cancelled by the other.

pub use gort::{Executor, FallibleTask, LocalExecutor, StaticExecutor, StaticLocalExecutor, Task};
