//! What several integration tests use.

#![allow(dead_code, reason = "each of them uses a part of it")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Long enough for anything but a hang.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// How many times `base` rounds a stress test runs: `GORT_STRESS` multiplies.
pub(crate) fn rounds(base: usize) -> usize {
    let factor = std::env::var("GORT_STRESS").ok();
    let factor = factor.map_or(1, |f| f.parse().expect("GORT_STRESS is a whole number"));
    base * factor
}

/// Counts how many of its [`Alive`] exist.
#[derive(Clone, Debug, Default)]
pub(crate) struct Census(Arc<AtomicUsize>);

/// Lives in a future, to tell when that is dropped.
#[derive(Debug)]
pub(crate) struct Alive(Arc<AtomicUsize>);

impl Census {
    pub(crate) fn born(&self) -> Alive {
        self.0.fetch_add(1, Ordering::SeqCst);
        Alive(self.0.clone())
    }

    pub(crate) fn alive(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        let before = self.0.fetch_sub(1, Ordering::SeqCst);
        assert_ne!(before, 0, "a future was dropped twice");
    }
}
