//! Which runtime the code on this thread belongs to.

use std::cell::RefCell;
use std::sync::Arc;

use crate::handle::{self, Handle};
use crate::m;
use crate::shared::Shared;

thread_local! {
    /// The runtimes whose `block_on` this thread is in, innermost last.
    static ENTERED: RefCell<Vec<Arc<Shared>>> = const { RefCell::new(Vec::new()) };
}

/// Leaves the runtime when dropped.
#[must_use]
pub(crate) struct Entered(());

impl Drop for Entered {
    fn drop(&mut self) {
        let left = ENTERED.with_borrow_mut(Vec::pop);
        // Outside the borrow: it may be the last reference.
        drop(left);
    }
}

/// Makes `rt` the current runtime of this thread.
pub(crate) fn enter(rt: Arc<Shared>) -> Entered {
    ENTERED.with_borrow_mut(|entered| entered.push(rt));
    Entered(())
}

/// Calls `f` with the current runtime: the one that runs this goroutine, else that of the `block_on` this thread is in,
/// else the default one, which is started if need be.
#[inline(always)]
pub(crate) fn with_current<R>(f: impl FnOnce(&Shared) -> R) -> R {
    m::with_here(|here| match here {
        Some(here) => f(here.rt()),
        None => f(&entered().unwrap_or_else(|| handle::default_runtime().shared().clone())),
    })
}

/// The current runtime, if the thread has one.
pub(crate) fn try_current() -> Option<Handle> {
    m::with_here(|here| here.map(|here| here.rt().arc()))
        .or_else(entered)
        .map(Handle::new)
}

#[cold]
fn entered() -> Option<Arc<Shared>> {
    ENTERED
        .try_with(|entered| entered.borrow().last().cloned())
        .ok()
        .flatten()
}
