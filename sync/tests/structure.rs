//! Contexts and what else gives a program structure, under tokio, under smol and on plain threads.

#[path = "structure/context.rs"]
mod context;
#[path = "locks/support.rs"]
mod support;
