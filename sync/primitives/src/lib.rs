//! The one std-or-loom switch of the gort workspace.
//!
//! Every lock-free protocol of gort takes its atomics, cells and locks from here. An ordinary build gets `std`'s types and
//! costs nothing; a build with `--cfg gort_loom` gets [loom]'s, so that the models run the code that ships.
//!
//! The switch is called `gort_loom` and not `loom`, because dependencies (tokio, concurrent-queue, crossbeam) change their
//! own code under `--cfg loom`, which would break the crates around the model.
//!
//! This crate is an implementation detail of gort: it has no stability promise.
//!
//! [loom]: https://docs.rs/loom

#[cfg(not(gort_loom))]
mod switch {
    /// Atomic types and fences.
    pub mod atomic {
        pub use std::sync::atomic::{
            AtomicBool, AtomicIsize, AtomicPtr, AtomicU8, AtomicU16, AtomicU32, AtomicU64,
            AtomicUsize, Ordering, fence,
        };

        /// Follows a SeqCst access whose place in the total order matters.
        ///
        /// Does nothing here. loom gives the total order to fences only and takes SeqCst accesses for AcqRel ones, so there
        /// it is a fence.
        #[inline(always)]
        pub fn totally_ordered() {}
    }

    pub use std::thread_local;

    /// Locks and shared ownership.
    pub mod sync {
        pub use std::sync::{Arc, Condvar, Mutex, MutexGuard};
    }

    /// Threads.
    pub mod thread {
        pub use std::thread::{JoinHandle, Thread, current, park, spawn, yield_now};
    }

    /// Hints to the processor.
    pub mod hint {
        pub use std::hint::spin_loop;
    }

    /// Cells with loom's interface.
    pub mod cell {
        /// A [`std::cell::UnsafeCell`] with the interface of loom's, which checks every access in a model.
        #[derive(Debug, Default)]
        #[repr(transparent)]
        pub struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

        impl<T> UnsafeCell<T> {
            /// Wraps `value`.
            pub const fn new(value: T) -> Self {
                Self(std::cell::UnsafeCell::new(value))
            }

            /// Gives `f` a pointer for reading.
            #[inline(always)]
            pub fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
                f(self.0.get())
            }

            /// Gives `f` a pointer for writing.
            #[inline(always)]
            pub fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
                f(self.0.get())
            }

            /// Takes the value out.
            pub fn into_inner(self) -> T {
                self.0.into_inner()
            }
        }
    }
}

#[cfg(gort_loom)]
mod switch {
    pub mod atomic {
        pub use loom::sync::atomic::{
            AtomicBool, AtomicIsize, AtomicPtr, AtomicU8, AtomicU16, AtomicU32, AtomicU64,
            AtomicUsize, Ordering, fence,
        };

        pub fn totally_ordered() {
            fence(Ordering::SeqCst);
        }
    }

    pub mod sync {
        pub use loom::sync::{Arc, Condvar, Mutex, MutexGuard};
    }

    pub mod thread {
        pub use loom::thread::{JoinHandle, Thread, current, park, spawn, yield_now};
    }

    pub mod hint {
        pub use loom::hint::spin_loop;
    }

    pub mod cell {
        pub use loom::cell::UnsafeCell;
    }

    pub use loom::model;

    #[doc(hidden)]
    pub use loom;
}

pub use switch::*;

/// As [`std::thread_local`]: a thread of a model has values of its own. loom's takes no `const` block.
#[cfg(gort_loom)]
#[macro_export]
macro_rules! thread_local {
    ($(#[$attr:meta])* static $name:ident: $t:ty = const { $init:expr };) => {
        $crate::loom::thread_local!($(#[$attr])* static $name: $t = $init;);
    };
}

/// Bugs on purpose, to show that a model would find them.
///
/// Each name stands for one rule of a protocol that is left out. In a build without models all of this is `false`.
pub mod seeded {
    /// Tells whether the rule with this name is to be broken in this model.
    #[cfg(not(gort_loom))]
    #[inline(always)]
    pub const fn bug(_name: &str) -> bool {
        false
    }

    #[cfg(gort_loom)]
    pub use enabled::{bug, with_bug};

    #[cfg(gort_loom)]
    mod enabled {
        use std::cell::Cell;

        // The threads of a model are one thread.
        std::thread_local!(static BUG: Cell<Option<&'static str>> = const { Cell::new(None) });

        pub fn bug(name: &str) -> bool {
            BUG.get() == Some(name)
        }

        /// Runs a model with a rule broken.
        pub fn with_bug<R>(name: &'static str, model: impl FnOnce() -> R) -> R {
            struct Reset;
            impl Drop for Reset {
                fn drop(&mut self) {
                    BUG.set(None);
                }
            }
            let _reset = Reset;
            BUG.set(Some(name));
            model()
        }
    }
}
