//! Functions that wait for all guards there are.
//!
//! # Protocol
//!
//! 1. [`Guard::defer`](crate::Guard::defer) puts the function into the queue of its thread.
//! 2. A cycle takes all queues before ARM, and runs what was in them after the first grace period.
//!
//! *A guard that was there when the function came* was there when the queue was taken, so it has a word before ARM, and its end
//! has been waited for. *A guard with ARM or a later word* has seen ARM, which was published after the queue was taken, so all
//! that was done before `defer` comes before it.
//!
//! The functions are foreign code: they run on a thread of their own, one after the other.

use std::fmt;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Mutex;
use std::sync::mpsc::{Sender, channel};
use std::thread;

use crate::local::lock;

/// A function that waits for its time.
pub(crate) struct Deferred(Box<dyn FnOnce() + Send>);

impl Deferred {
    /// What one counts for, as if it had been allocated: so that the collector comes for them at last. Thin air; what they
    /// will free is not known.
    pub(crate) const BYTES: usize = 256;

    pub(crate) fn new(f: impl FnOnce() + Send + 'static) -> Self {
        Self(Box::new(f))
    }
}

impl fmt::Debug for Deferred {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deferred").finish_non_exhaustive()
    }
}

/// Runs functions whose time has come, on their thread.
pub(crate) fn run_all(deferred: Vec<Deferred>) {
    static RUNNER: Mutex<Option<Sender<Vec<Deferred>>>> = Mutex::new(None);
    if deferred.is_empty() {
        return;
    }
    let mut runner = lock(&RUNNER);
    let sender = runner.get_or_insert_with(|| {
        let (sender, lists) = channel::<Vec<Deferred>>();
        let builder = thread::Builder::new().name("gort-gc-defer".to_owned());
        let thread = builder.spawn(move || lists.into_iter().flatten().for_each(run));
        thread.expect("the thread for deferred functions can be created");
        sender
    });
    if sender.send(deferred).is_err() {
        unreachable!("the thread catches all panics");
    }
}

fn run(deferred: Deferred) {
    if let Err(payload) = panic::catch_unwind(AssertUnwindSafe(deferred.0)) {
        // Its destructor might panic as well.
        std::mem::forget(payload);
    }
}
