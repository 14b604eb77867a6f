//! What the types must not allow. Nothing of this is in any build but that of the doctests.
//!
//! A value that threads must not share is in no broadcast, which clones it wherever it is received:
//!
//! ```compile_fail,E0277
//! fn send<T: Send>(_: T) {}
//! send(gort_sync::broadcast::channel::<std::cell::Cell<u8>>(1).1);
//! ```
//!
//! Nor are channels a way for what must stay on its thread, not even by a permit:
//!
//! ```compile_fail,E0277
//! fn send<T: Send>(_: T) {}
//! let (sender, _receiver) = gort_sync::chan::bounded::<std::rc::Rc<u8>>(1);
//! send(sender.try_reserve());
//! ```
//!
//! ```compile_fail,E0277
//! fn send<T: Send>(_: T) {}
//! send(gort_sync::channel::bounded::<std::rc::Rc<u8>>(1).1);
//! ```
//!
//! A borrowed watched value is a lock of the thread:
//!
//! ```compile_fail,E0277
//! fn send<T: Send>(_: T) {}
//! send(gort_sync::watch::channel(1).1.borrow());
//! ```
//!
//! An upgradable reader may become a writer where it is sent to:
//!
//! ```compile_fail,E0277
//! fn send<T: Send>(_: T) {}
//! static OF_A_THREAD: std::sync::Mutex<u8> = std::sync::Mutex::new(1);
//! let lock = gort_sync::RwLock::new(OF_A_THREAD.lock());
//! send(lock.try_upgradable_read());
//! ```
//!
//! What can be stored into does not change its type with the lifetimes in it:
//!
//! ```compile_fail
//! fn shorten<'a>(cell: &'a gort_sync::OnceCell<&'static str>) -> &'a gort_sync::OnceCell<&'a str> {
//!     cell
//! }
//! ```
//!
//! ```compile_fail
//! fn shorten<'a>(sender: gort_sync::chan::Sender<&'static str>) -> gort_sync::chan::Sender<&'a str> {
//!     sender
//! }
//! ```
//!
//! ```compile_fail
//! fn shorten<'a>(sender: gort_sync::channel::Sender<&'static str>) -> gort_sync::channel::Sender<&'a str> {
//!     sender
//! }
//! ```
//!
//! ```compile_fail
//! use gort_sync::RwLockUpgradableReadGuard as Guard;
//!
//! fn shorten<'a>(guard: Guard<'a, &'static str>) -> Guard<'a, &'a str> {
//!     guard
//! }
//! ```
