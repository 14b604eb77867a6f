//! What is done with the pointers in a value.

use std::fmt;

use crate::grey::{Job, Rest, Shade};
use crate::local::Local;
use crate::object::ObjectRef;
use crate::phase::{Color, mark_color};

/// Takes the gc pointers that [`Trace::trace`](crate::Trace::trace) finds in a value.
pub struct Tracer<'t> {
    task: Use<'t>,
    /// Whether the value can be changed by nobody else while it is traced.
    owned: bool,
    /// Set if something could not be traced now.
    deferred: bool,
}

enum Use<'t> {
    /// The collector or a helper marks.
    Mark {
        grey: &'t mut Vec<ObjectRef>,
        rests: &'t mut Vec<Rest<ObjectRef>>,
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
    /// The collector or a helper marks in `cycle`, and all pins with a word below `gone` have ended.
    Mark { cycle: u64, gone: u64 },
    /// The pointers are looked at, and not marked.
    Visit,
}

impl<'t> Tracer<'t> {
    pub(crate) fn marking(
        grey: &'t mut Vec<ObjectRef>,
        rests: &'t mut Vec<Rest<ObjectRef>>,
        Job { cycle, gone }: Job,
    ) -> Self {
        let color = mark_color(cycle);
        Self::new(
            Use::Mark {
                grey,
                rests,
                color,
                cycle,
                gone,
            },
            false,
        )
    }

    /// Shades what a value holds that is owned.
    pub(crate) fn shading(local: &'t Local) -> Self {
        Self::new(Use::Shade(local), true)
    }

    pub(crate) fn visiting(visit: &'t mut dyn FnMut(ObjectRef)) -> Self {
        Self::new(Use::Visit(visit), false)
    }

    fn new(task: Use<'t>, owned: bool) -> Self {
        let deferred = false;
        Self {
            task,
            owned,
            deferred,
        }
    }

    /// Takes one pointer.
    #[inline]
    pub(crate) fn edge(&mut self, target: ObjectRef) {
        match &mut self.task {
            Use::Mark { grey, color, .. } => {
                if target.color() != *color {
                    target.set_color(*color);
                    if target.needs_trace() {
                        grey.push(target);
                    }
                }
            }
            Use::Shade(local) => local.shade(target),
            Use::Visit(visit) => visit(target),
        }
    }

    pub(crate) fn access(&self) -> Access {
        match self.task {
            _ if self.owned => Access::Owned,
            Use::Mark { cycle, gone, .. } => Access::Mark { cycle, gone },
            Use::Shade(_) => Access::Owned,
            Use::Visit(_) => Access::Visit,
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

    /// The next object that has been found and not traced, if this marks.
    #[inline]
    pub(crate) fn next(&mut self) -> Option<ObjectRef> {
        match &mut self.task {
            Use::Mark { grey, .. } => grey.pop(),
            Use::Shade(_) | Use::Visit(_) => None,
        }
    }

    /// The next object that is traced in parts.
    pub(crate) fn next_rest(&mut self) -> Option<Rest<ObjectRef>> {
        match &mut self.task {
            Use::Mark { rests, .. } => rests.pop(),
            Use::Shade(_) | Use::Visit(_) => None,
        }
    }

    /// Puts off what follows the first `from` elements of an object, and tells whether that is possible.
    pub(crate) fn put_off(&mut self, object: ObjectRef, from: usize) -> bool {
        match &mut self.task {
            Use::Mark { rests, .. } => rests.push(Rest { object, from }),
            Use::Shade(_) | Use::Visit(_) => return false,
        }
        true
    }

    /// Tells whether [`defer`](Self::defer) has been called since this was last asked.
    #[inline]
    pub(crate) fn take_deferred(&mut self) -> bool {
        std::mem::take(&mut self.deferred)
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
