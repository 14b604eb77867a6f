//! What an executor may ask the heap. Programs need none of this, and no executor must.

use std::cell::Cell;

use crate::local::Local;

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
