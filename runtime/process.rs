//! Child processes, with the interface of async-process.
//!
//! | | |
//! |---|---|
//! | [`Command`] | what to run; everything of [`std::process::Command`], and `From` it |
//! | [`Child`] | a process that runs: its pipes, its end |
//! | [`driver`] | for programs that ran async-process's: there is nothing to drive |
//!
//! # How the end of a child is seen
//!
//! On Linux the reactor watches a descriptor of the process (a pidfd), so the end of a child wakes those who wait for that child. Where there is
//! none, each SIGCHLD wakes all who wait for any child, and they look. `GORT_PROCESS_MODE` says which way: `pidfd` or `sigchld`.
//! Either way a child that nobody waits for any more is reaped by whoever drives the reactor. No thread is started.
//!
//! # Examples
//!
//! ```
//! use gort::process::Command;
//!
//! gort::block_on(async {
//!     let out = Command::new("echo").args(["hello", "world"]).output().await?;
//!     assert_eq!(out.stdout, b"hello world\n");
//!     std::io::Result::Ok(())
//! })?;
//! # Ok::<(), std::io::Error>(())
//! ```

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

pub use std::process::{ExitStatus, Output, Stdio};

pub use child::{Child, Status};
pub use command::Command;
pub use pipes::{ChildStderr, ChildStdin, ChildStdout};

pub mod unix;

mod child;
mod command;
mod ending;
mod guard;
mod pipes;

/// Does nothing, for ever.
///
/// Who used async-process had to run its driver, or got a thread. Here the reactor reaps the children; the function is for programs that call it.
pub fn driver() -> Driver {
    Driver(())
}

/// The future of [`driver`].
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct Driver(());

impl Future for Driver {
    type Output = Infallible;

    fn poll(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Infallible> {
        Poll::Pending
    }
}
