//! Contexts and what else gives a program structure, under tokio, under smol and on plain threads.

#[path = "structure/context.rs"]
mod context;
#[path = "structure/pool.rs"]
mod pool;
#[path = "structure/reentry.rs"]
mod reentry;
#[path = "structure/singleflight.rs"]
mod singleflight;
#[path = "locks/support.rs"]
mod support;
#[path = "structure/traits.rs"]
mod traits;
