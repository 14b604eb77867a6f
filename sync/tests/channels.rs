//! Channels and select, under tokio, under smol and on plain threads: they know no scheduler.
//!
//! What does not depend on who runs it is polled by hand. The claims are those of Go's tests for channels and select.

#[path = "channels/programs.rs"]
mod programs;
#[path = "locks/support.rs"]
mod support;
#[path = "channels/tasks.rs"]
mod tasks;
#[path = "channels/timed.rs"]
mod timed;
#[path = "channels/wakers.rs"]
mod wakers;
