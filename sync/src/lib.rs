//! Synchronisation for [gort]: leaf primitives that know wakers and no scheduler, and work with any executor.
//!
//! So far there is one, which the runtime itself needs: [`Latch`]. Channels, `select!` and locks are built beside it.
//!
//! [gort]: https://docs.rs/gort

mod latch;

pub use latch::{Latch, Wait};
