//! Frames: the bytes that a goroutine keeps from one poll to the next, which is what its future is made of.
//!
//! What Go does with a stack that grows, the compiler does here: it knows the size of each future. One that is larger than
//! [`LARGE`] is put into a box of its own before its task is made of it, step by step and by value; and the place that spawns it is told of
//! once, because such a future is seldom meant: an array that lives across an `.await`, or many futures that are
//! nested by value. The size is a constant of the type, so that a smaller one costs nothing but the note in its record.

use std::collections::HashSet;
use std::fmt;
use std::io::Write;
use std::panic::Location;
use std::sync::Mutex;

use crate::shared::Shared;
use crate::sysmon::errands;

/// A frame that is larger is told of. Thin air: eight times the smallest of Go's stacks, and four pages.
pub(crate) const LARGE: usize = 16 * 1024;

/// A place that spawns goroutines with a frame of more than 16 KiB.
///
/// Its `Display` is the line that the runtime writes to the standard error stream, once for each place:
/// `goroutines spawned at src/main.rs:3:5 have frames of 70000 bytes: box what is large in them`.
#[derive(Clone, Copy, Debug)]
pub struct LargeFrame {
    bytes: usize,
    spawned_at: &'static Location<'static>,
}

impl LargeFrame {
    /// Returns the size of the future.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns where it was spawned.
    #[must_use]
    pub fn spawned_at(&self) -> &'static Location<'static> {
        self.spawned_at
    }
}

impl fmt::Display for LargeFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bytes, spawned_at } = self;
        write!(
            f,
            "goroutines spawned at {spawned_at} have frames of {bytes} bytes: box what is large in them"
        )
    }
}

/// The places that a runtime has told of, by address.
#[derive(Debug, Default)]
pub(crate) struct Told(Mutex<HashSet<usize>>);

/// Tells of a large frame if its place has not been told of, on another thread: to the application's hook if there is one, else to
/// the standard error stream.
#[cold]
pub(crate) fn tell(rt: &Shared, spawned_at: &'static Location<'static>, bytes: usize) {
    let place = std::ptr::from_ref(spawned_at).addr();
    let first = rt.large_frames.0.lock().expect("leaf lock").insert(place);
    if !first {
        return;
    }
    let frame = LargeFrame { bytes, spawned_at };
    if let Some(hook) = rt.settings.on_large_frame.clone() {
        errands::run(move || hook(&frame));
    } else {
        errands::run(move || {
            // A standard error stream that is closed is no reason to panic.
            let _ = writeln!(std::io::stderr(), "gort: {frame}");
        });
    }
}
