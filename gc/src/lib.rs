//! Memory of [gort], the Go-style runtime for Rust futures.
//!
//! So far the crate holds what the scheduler stands on: [`records`], type-stable memory that is never unlinked and can be
//! walked while others allocate from it. The collector for shared heap objects is built beside it.
//!
//! The crate knows no scheduler and works with any executor or none.
//!
//! [gort]: https://docs.rs/gort

pub mod records;
