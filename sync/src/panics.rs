//! Panics of others' code, while there is more to do.

use std::any::Any;
use std::mem;
use std::panic::{self, AssertUnwindSafe};
use std::thread;

/// The first panic of several pieces of foreign code, all of which are run.
#[derive(Debug, Default)]
pub(crate) struct FirstPanic(Option<Box<dyn Any + Send>>);

impl FirstPanic {
    /// Runs `f`, and keeps its panic if there was none before.
    pub(crate) fn catch(&mut self, f: impl FnOnce()) {
        if let Err(panic) = panic::catch_unwind(AssertUnwindSafe(f)) {
            match self.0 {
                None => self.0 = Some(panic),
                Some(_) => discard(panic),
            }
        }
    }

    /// Lets the panic go on, if there was one; not while another one does, as two abort the process.
    pub(crate) fn resume(self) {
        match self.0 {
            Some(panic) if !thread::panicking() => panic::resume_unwind(panic),
            Some(panic) => discard(panic),
            None => {}
        }
    }
}

/// Runs `f`. The panic hook has reported a panic; nobody else hears of it.
pub(crate) fn quietly(f: impl FnOnce()) {
    if let Err(panic) = panic::catch_unwind(AssertUnwindSafe(f)) {
        discard(panic);
    }
}

/// Drops what a panic carries, which may panic too; then what that carries is leaked.
fn discard(panic: Box<dyn Any + Send>) {
    if let Err(another) = panic::catch_unwind(AssertUnwindSafe(|| drop(panic))) {
        mem::forget(another);
    }
}
