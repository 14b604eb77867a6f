//! What is done with the pointers in a value.

use std::fmt;

use crate::grey::Shade;
use crate::local::Local;
use crate::object::ObjectRef;
use crate::phase::{Color, mark_color};

/// Takes the gc pointers that [`Trace::trace`](crate::Trace::trace) finds in a value.
pub struct Tracer<'t> {
    job: Job<'t>,
    /// Whether the value can be changed by nobody else while it is traced.
    owned: bool,
    /// Set if something could not be traced now.
    deferred: bool,
}

enum Job<'t> {
    /// The collector marks.
    Mark {
        grey: &'t mut Vec<ObjectRef>,
        color: Color,
        cycle: u64,
        gone: u64,
    },
    /// A mutator shades.
    Shade(&'t Local),
    /// Somebody wants to see the pointers.
    Visit(&'t mut dyn FnMut(ObjectRef)),
}

/// What a lock may rely on when it is traced.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Access {
    /// Nobody else can change the contents.
    Owned,
    /// The collector marks in `cycle`, and all pins with a word below `gone` have ended.
    Mark { cycle: u64, gone: u64 },
    /// The pointers are looked at, and not marked.
    Visit,
}

impl<'t> Tracer<'t> {
    pub(crate) fn marking(grey: &'t mut Vec<ObjectRef>, cycle: u64, gone: u64) -> Self {
        let color = mark_color(cycle);
        Self::new(
            Job::Mark {
                grey,
                color,
                cycle,
                gone,
            },
            false,
        )
    }

    /// Shades what a value holds that is owned.
    pub(crate) fn shading(local: &'t Local) -> Self {
        Self::new(Job::Shade(local), true)
    }

    pub(crate) fn visiting(visit: &'t mut dyn FnMut(ObjectRef)) -> Self {
        Self::new(Job::Visit(visit), false)
    }

    fn new(job: Job<'t>, owned: bool) -> Self {
        let deferred = false;
        Self {
            job,
            owned,
            deferred,
        }
    }

    /// Takes one pointer.
    #[inline]
    pub(crate) fn edge(&mut self, target: ObjectRef) {
        match &mut self.job {
            Job::Mark { grey, color, .. } => {
                if target.color() != *color {
                    target.set_color(*color);
                    if target.needs_trace() {
                        grey.push(target);
                    }
                }
            }
            Job::Shade(local) => local.shade(target),
            Job::Visit(visit) => visit(target),
        }
    }

    pub(crate) fn access(&self) -> Access {
        match self.job {
            _ if self.owned => Access::Owned,
            Job::Mark { cycle, gone, .. } => Access::Mark { cycle, gone },
            Job::Shade(_) => Access::Owned,
            Job::Visit(_) => Access::Visit,
        }
    }

    /// Calls `f` to trace what nobody else can change.
    pub(crate) fn owned<R>(&mut self, f: impl FnOnce(&mut Self) -> R) -> R {
        let before = std::mem::replace(&mut self.owned, true);
        let result = f(self);
        self.owned = before;
        result
    }

    /// Notes that a part of the value could not be traced now.
    pub(crate) fn defer(&mut self) {
        self.deferred = true;
    }

    /// Tells whether [`defer`](Self::defer) has been called.
    pub(crate) fn deferred(&self) -> bool {
        self.deferred
    }
}

impl fmt::Debug for Tracer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracer")
            .field("access", &self.access())
            .finish_non_exhaustive()
    }
}
