//! The locks, under tokio, under smol and on plain threads: they know no scheduler.
//!
//! What does not depend on who runs it is polled by hand.

#[path = "locks/cancel.rs"]
mod cancel;
#[path = "locks/faults.rs"]
mod faults;
#[path = "locks/guards.rs"]
mod guards;
#[path = "locks/semantics.rs"]
mod semantics;
#[path = "locks/support.rs"]
mod support;
#[path = "locks/tasks.rs"]
mod tasks;
#[path = "locks/upgradable.rs"]
mod upgradable;
