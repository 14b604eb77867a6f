//! What threads hold while they run goroutines: the context that libraries for another runtime look for in a thread-local.
//!
//! The scheduler knows no such runtime; it takes something when a thread begins, and gives it back when the thread ends.

use std::fmt;

/// A context that a thread can be in.
pub(crate) trait Ambient: fmt::Debug + Send + Sync {
    /// Puts the calling thread into it, until what this returns is dropped there.
    fn enter(&self) -> Box<dyn Held + '_>;
}

/// Something that is only held.
pub(crate) trait Held {}

impl<T> Held for T {}
