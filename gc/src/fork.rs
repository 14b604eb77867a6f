//! What becomes of the heap in a child of `fork`: nothing.
//!
//! The child has the thread that called `fork` and no other: no collector, pins of threads that are gone, half a cycle, and
//! locks as they were at that moment. So a child may not use the heap, and it is told so rather than left to hang: pins,
//! collections and all that looks at the heap panic, and roots that are dropped do nothing. A guard that was held when the
//! process forked can be read with and dropped; whatever needs a lock by it panics. A child may start another program. A
//! process that forks before it has used the heap has two heaps afterwards.
//!
//! `std::process` uses no `fork` that calls us, or replaces the program at once.
//!
//! Rejected: a heap that goes on without a collector, as allocators do. All locks would have to be taken before each `fork`,
//! in a process that has not asked for it, and the child would only find out later that nothing is ever freed.

use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::local::Local;

/// Set in a child of a process that has used the heap.
static FORKED: AtomicBool = AtomicBool::new(false);

/// Sees to it that children of this process know what they are.
pub(crate) fn watch() {
    static WATCHED: Once = Once::new();
    WATCHED.call_once(system::watch);
}

/// Tells whether this process is a child that cannot use the heap.
pub(crate) fn is_child() -> bool {
    // Relaxed: written when there was one thread, which has made all others.
    FORKED.load(Ordering::Relaxed)
}

/// Panics in a child that cannot use the heap.
#[track_caller]
pub(crate) fn check() {
    if is_child() {
        refuse();
    }
}

#[cold]
#[track_caller]
pub(crate) fn refuse() -> ! {
    panic!(
        "this process is a fork of one that has used the gc heap, and has no collector: fork before the heap is first used, or \
         start another program"
    )
}

#[cfg(all(unix, not(miri)))]
mod system {
    use std::ffi::c_int;

    use super::{FORKED, Local, Ordering};

    type Handler = unsafe extern "C" fn();

    unsafe extern "C" {
        /// From POSIX; the library of C that std uses has it.
        fn pthread_atfork(
            prepare: Option<Handler>,
            parent: Option<Handler>,
            child: Option<Handler>,
        ) -> c_int;
    }

    pub(super) fn watch() {
        // It fails for want of memory. Then a child is not told.
        // SAFETY: the handler does nothing that a child may not do.
        let _ = unsafe { pthread_atfork(None, None, Some(in_child)) };
    }

    /// Runs in a child, on its only thread, before `fork` returns.
    unsafe extern "C" fn in_child() {
        // Relaxed: there is one thread.
        FORKED.store(true, Ordering::Relaxed);
        Local::refuse_to_pin();
    }
}

#[cfg(not(all(unix, not(miri))))]
mod system {
    pub(super) fn watch() {}
}
