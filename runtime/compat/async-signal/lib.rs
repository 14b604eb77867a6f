//! Stands in for async-signal 0.2: the same names, on gort.
#![cfg(unix)]

pub use gort::signal::{Signal, Signals};
