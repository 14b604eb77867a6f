//! Bugs on purpose, to show that the simulator would find them.
//!
//! Each name stands for one rule of the protocol that is left out. In a build that is no test all of this is `false`.

/// Tells whether the rule with this name is to be broken on this thread.
#[cfg(not(test))]
#[inline(always)]
pub(crate) const fn bug(_name: &str) -> bool {
    false
}

/// Tells whether any rule is broken on this thread.
#[cfg(not(test))]
#[inline(always)]
pub(crate) const fn is_broken() -> bool {
    false
}

#[cfg(test)]
pub(crate) use enabled::{bug, is_broken, with_bug};

#[cfg(test)]
mod enabled {
    use std::cell::Cell;

    use crate::arena::Space;

    thread_local!(static BUG: Cell<Option<&'static str>> = const { Cell::new(None) });

    pub(crate) fn bug(name: &str) -> bool {
        BUG.get() == Some(name)
    }

    pub(crate) fn is_broken() -> bool {
        BUG.get().is_some()
    }

    /// Calls `f` with a rule broken, when nobody else uses the heap.
    pub(crate) fn with_bug<R>(name: Option<&'static str>, f: impl FnOnce() -> R) -> R {
        struct Reset;
        impl Drop for Reset {
            fn drop(&mut self) {
                if BUG.take().is_some() {
                    // What was freed meanwhile was not poisoned.
                    Space::all().into_iter().for_each(Space::poison_free);
                }
            }
        }
        let _reset = Reset;
        BUG.set(name);
        f()
    }
}
