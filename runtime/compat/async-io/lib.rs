//! Stands in for async-io 2.6: the same names, on gort.
//!
//! With this package in a `[patch.crates-io]` section all crates of a program that use async-io share gort's reactor and timers,
//! unedited. There is no thread named "async-io", and any thread may sit in [`block_on`].
#![cfg(unix)]

pub use gort::{Timer, block_on};
pub use gort_net::{Async, IoSafe, Readable, ReadableOwned, Writable, WritableOwned};

/// What only some systems have.
pub mod os {
    /// What only Unix systems have.
    pub mod unix {
        use std::os::fd::BorrowedFd;

        use gort_net::Reactor;

        /// Returns the descriptor that the reactor waits for, for another event loop to watch.
        ///
        /// It becomes readable when there are events. The reactor takes them by itself; the other loop only gets to know of them.
        pub fn reactor_fd() -> Option<BorrowedFd<'static>> {
            Reactor::get().ok()?.poll_fd()
        }
    }
}
