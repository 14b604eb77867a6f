//! A thread that gets memory for the heap before it is needed: see [`pool`](super::pool).
//!
//! It begins when a heap has become large, and is asleep otherwise. That it is late costs what it would have saved.

use std::sync::OnceLock;
use std::thread::{self, Thread};

use super::pool;
use crate::nap;

/// Lets the thread look whether there is enough memory.
#[cold]
pub(super) fn wake() {
    static THREAD: OnceLock<Option<Thread>> = OnceLock::new();
    let thread = THREAD.get_or_init(|| {
        let builder = thread::Builder::new().name("gort-gc-ahead".to_owned());
        // Without the thread pages are touched by those who need them.
        let handle = builder.spawn(run).ok()?;
        Some(handle.thread().clone())
    });
    if let Some(thread) = thread {
        thread.unpark();
    }
}

/// Ends if the system cannot do what is wanted. Then nobody is asked again, because nobody takes the question back.
fn run() {
    nap::end_in_time();
    while pool::populate() {
        thread::park();
    }
}
