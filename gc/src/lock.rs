//! Locks for values that hold gc pointers.
//!
//! A value in a lock of std is out of the collector's sight: what is moved out of it, or pushed into it, passes no write
//! barrier. These locks need none on each change. They let the collector, or the holder in its place, look at the contents
//! once per cycle *before* anything is changed (the snapshot), and show it what is new when they are released in the short
//! time in which that matters. So any container of std works in them: `Mutex<Vec<Gc<..>>>`, `Mutex<HashMap<..>>`.
//!
//! [`gate`] is the protocol; [`Mutex`] and [`RwLock`] add waiting, by a lock of std around `()`; [`OnceCell`] needs neither,
//! because its contents come once and never go.
//!
//! None is poisoned by a panic: the contents are valid Rust values all the same.

mod gate;
mod mutex;
mod once_cell;
mod rwlock;

pub use mutex::{Mutex, MutexGuard};
pub use once_cell::OnceCell;
pub use rwlock::{RwLock, RwLockReadGuard, RwLockWriteGuard};
