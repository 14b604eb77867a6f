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
}

pub use switch::*;
