//! Channels and select, under tokio, under smol and on plain threads: they know no scheduler.
//!
//! What does not depend on who runs it is polled by hand.

#[path = "channels/closed.rs"]
mod closed;
#[path = "channels/go.rs"]
mod go;
#[path = "channels/programs.rs"]
mod programs;
#[path = "channels/reserve.rs"]
mod reserve;
#[path = "channels/sink.rs"]
mod sink;
#[path = "channels/streams.rs"]
mod streams;
#[path = "locks/support.rs"]
mod support;
#[path = "channels/tasks.rs"]
mod tasks;
#[path = "channels/timed.rs"]
mod timed;
#[path = "channels/wakers.rs"]
mod wakers;
