//! Bugs on purpose, to show that the simulator would find them.
//!
//! Each name stands for one rule of the protocol that is left out. In a build that is no test all of this is `false`.

/// Tells whether the rule with this name is to be broken on this thread.
#[cfg(not(test))]
#[inline(always)]
pub(crate) const fn bug(_name: &str) -> bool {
    false
}

#[cfg(test)]
pub(crate) use enabled::{bug, with_bug};

#[cfg(test)]
mod enabled {
    use std::cell::Cell;

    thread_local!(static BUG: Cell<Option<&'static str>> = const { Cell::new(None) });

    pub(crate) fn bug(name: &str) -> bool {
        BUG.get() == Some(name)
    }

    /// Calls `f` with a rule broken.
    pub(crate) fn with_bug<R>(name: Option<&'static str>, f: impl FnOnce() -> R) -> R {
        struct Reset;
        impl Drop for Reset {
            fn drop(&mut self) {
                BUG.set(None);
            }
        }
        let _reset = Reset;
        BUG.set(name);
        f()
    }
}
