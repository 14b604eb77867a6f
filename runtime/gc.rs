//! A garbage collected heap for objects that goroutines share. The crate behind it is `gort-gc`, which needs no runtime.
//!
//! ```
//! use gort::gc::collections::HashMap;
//! use gort::gc::{self, Root};
//!
//! #[gort::main]
//! async fn main() {
//!     let squares: Root<HashMap<'static, u64, u64>> = Root::new(|_| HashMap::new());
//!     let filling: Vec<_> = (0..10)
//!         .map(|n| {
//!             let squares = squares.clone();
//!             gort::spawn(async move { gc::with(|g| squares.get(g).insert(g, n, n * n).is_none()) })
//!         })
//!         .collect();
//!     for filled in filling {
//!         assert!(filled.await);
//!     }
//!     gc::with(|g| assert_eq!(squares.get(g).get(&7), Some(&49)));
//! }
//! ```
//!
//! Start with [`guide`], which says when to use this and when an `Arc` or a channel; then [`Gc`], [`Edge`], [`Root`] and
//! [`Trace`], or [`collections`].

pub use gort_gc::{
    AllocError, Branded, Collect, Edge, External, FieldInfo, Gc, GraphFormat, Guard, Mutex,
    MutexGuard, Object, OnceCell, Pointee, Report, Root, RwLock, RwLockReadGuard, RwLockWriteGuard,
    Slot, Static, Stats, Tagged, TaggedEdge, Tracer, TypeInfo, TypeStats, Weak, WeakRoot, collect,
    collect_async, collections, dump_graph, guide, heap_profile, hooks, pin, set_gc_percent,
    set_memory_limit, set_report_hook, stats, with,
};

#[doc(hidden)]
pub use gort_gc::__private;
// The trait, and the macro that names it by the path through this crate.
pub use gort_gc::__private::Trace;
pub use gort_gc_derive::TraceThroughGort as Trace;
