//! What an executor may ask the heap. Programs need none of this, and no executor must.

use std::cell::Cell;

use std::io;

use crate::local::Local;
use crate::{marker, settings, sweep};

/// Gives the memory that the current thread has at hand for new objects to whoever needs it.
///
/// A thread keeps a block for each of the types that it has allocated last, so that it need not ask for every object. One that
/// will not allocate for a while should not keep them: an executor calls this before a worker sleeps. It costs nothing if the
/// thread has allocated nothing since the last time.
///
/// # Examples
///
/// ```
/// gort_gc::with(|g| drop(g.alloc(7)));
/// gort_gc::hooks::flush();
/// std::thread::yield_now(); // or sleep
/// ```
#[inline]
pub fn flush() {
    Local::flush_current();
}

/// Does a small part of the collector's work, if there is any that can be shared, and tells whether there was.
///
/// Each part takes some microseconds. An executor calls this on a worker that has nothing else to do, and looks between any
/// two calls whether it has. Today the sweep is shared.
///
/// # Examples
///
/// ```
/// fn idle(is_there_work: impl Fn() -> bool) {
///     while !is_there_work() && gort_gc::hooks::help() {}
///     // Nothing to do: sleep.
/// }
/// # idle(|| false);
/// ```
#[inline]
pub fn help() -> bool {
    marker::help() || sweep::help()
}

/// Tells whether [`help`] may find something to do. It costs a load or two.
#[inline]
#[must_use]
pub fn wants_help() -> bool {
    marker::wants_help() || sweep::wants_help()
}

/// Looks whether the environment variables of the heap mean something.
///
/// Without this the first use of the heap panics if one does not. A runtime that is being built can fail in a better way.
///
/// # Errors
///
/// Returns an error of the kind [`InvalidInput`](io::ErrorKind::InvalidInput), which says what is wrong with `GORT_GC`,
/// `GORT_MEMLIMIT`, `GORT_GCWORKERS` or `GORT_GCTRACE`.
///
/// # Examples
///
/// ```
/// gort_gc::hooks::check_environment()?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn check_environment() -> io::Result<()> {
    let invalid = |text| io::Error::new(io::ErrorKind::InvalidInput, text);
    settings::check_environment().map_err(invalid)
}

/// Looks whether tasks leave guards behind.
///
/// A task that keeps a guard across an `.await` holds up the collector for as long as it waits. `Guard` is not `Send`, so only
/// tasks that stay on one thread can do so, and those that leak one. An executor finds both by a look after each poll, which
/// costs a few instructions. gort does.
///
/// # Examples
///
/// ```
/// use gort_gc::hooks::GuardWatch;
/// use gort_gc::{Report, pin, set_report_hook};
///
/// set_report_hook(|report| assert!(matches!(report, Report::LeftGuard { .. })));
///
/// fn poll_task() {
///     std::mem::forget(pin());
/// }
///
/// let watch = GuardWatch::new();
/// poll_task();
/// watch.look();
/// ```
#[derive(Debug, Default)]
pub struct GuardWatch {
    /// How many guards the thread held when we looked last.
    guards: Cell<usize>,
}

impl GuardWatch {
    /// Begins with the guards that the current thread holds now, which are somebody else's. The default is none.
    #[must_use]
    pub fn new() -> Self {
        let guards = Cell::new(Local::pins_of_current());
        Self { guards }
    }

    /// Reports a [`LeftGuard`](crate::Report::LeftGuard) if the current thread holds more guards than at the last look.
    #[inline]
    pub fn look(&self) {
        let guards = Local::pins_of_current();
        if guards != self.guards.get() {
            self.changed(guards);
        }
    }

    #[cold]
    fn changed(&self, guards: usize) {
        if guards > self.guards.replace(guards) {
            Local::report_left_guard();
        }
    }
}
