//! A garbage collected heap for objects that threads share, and the memory of [gort], the Go-style runtime for futures.
//!
//! The collector runs beside the program and never stops it. Objects may form cycles, are read without counting references,
//! and are linked by atomic edges, so lock-free structures are written in safe Rust, as in Go or Java. The crate knows no
//! scheduler and works with any executor or none.
//!
//! ```
//! use gort_gc::{Edge, Root, Trace, with};
//!
//! #[derive(Trace)]
//! struct Person<'g> {
//!     name: &'static str,
//!     friend: Edge<'g, Person<'g>>,
//! }
//!
//! let ada: Root<Person<'static>> = with(|g| {
//!     let ada = g.alloc(Person { name: "Ada", friend: Edge::null() });
//!     let ben = g.alloc(Person { name: "Ben", friend: Edge::new(Some(ada)) });
//!     ada.friend.store(g, Some(ben)); // a cycle
//!     ada.root(g)
//! });
//!
//! // A root goes anywhere: to another thread, or across an `.await`.
//! std::thread::spawn(move || {
//!     with(|g| assert_eq!(ada.get(g).friend.load().unwrap().name, "Ben"));
//! })
//! .join()
//! .unwrap();
//! ```
//!
//! # The types
//!
//! | type | what it is | lives |
//! |---|---|---|
//! | [`Guard`] | proof that the thread is pinned | for a few operations: [`with`], [`pin`] |
//! | [`Gc`] | a pointer to an object; `Copy` | as long as the guard |
//! | [`Edge`], [`TaggedEdge`] | an atomic field of an object that points to another | in an object |
//! | [`Root`] | keeps an object alive, without a guard | anywhere |
//! | [`Weak`], [`WeakRoot`] | lead to an object and do not keep it alive | in an object; anywhere |
//! | [`Mutex`], [`RwLock`], [`OnceCell`] | make containers of std with pointers changeable | in an object |
//! | [`Slot`], [`Static`] | hold what has no pointers: a file, a channel, a value to be moved out | in an object |
//!
//! Types with pointers have a lifetime parameter, the *brand*, and derive [`Trace`]. The brand ties them to the guard:
//! nothing can be kept beyond it, hidden from the collector, or mixed with the objects of a shorter one, and all this is
//! checked when the program is compiled. [`guide`] says when to use this heap at all, and [`collections`] has ready maps,
//! queues and caches.
//!
//! # What to know
//!
//! * Objects die some time after they have become unreachable. Values are dropped on a thread of the collector, in no
//!   particular order, and not at all at the end of the process. A type with edges cannot have a destructor; its fields can.
//! * A guard that is held for long keeps memory from being reused, and nothing else. Hold none while waiting.
//! * After a `fork`, a child cannot use the heap: it has no collector, and [`pin`] panics there. It may start another program.
//!   A process that forks before it first uses the heap has no such trouble.
//! * The heap grows to about twice of what is alive: see [`set_gc_percent`] and [`set_memory_limit`]. Memory that objects own
//!   outside the heap does not count, unless they hold an [`External`].
//! * The collector has a thread, and on machines with eight CPUs or more others that help it to mark: `GORT_GCWORKERS`.
//! * `GORT_GCTRACE=1` prints a line about each cycle; [`stats`], [`heap_profile`] and [`dump_graph`] tell more.
//!
//! [gort]: https://docs.rs/gort

// `#[derive(Trace)]` names the crate from outside.
extern crate self as gort_gc;

pub mod collections;
pub mod guide;
pub mod hooks;
pub mod records;

mod arena;
mod collector;
mod control;
mod defer;
mod dropper;
mod edge;
mod epoch;
mod fence;
mod fork;
mod gc;
mod grey;
mod guard;
mod local;
mod lock;
mod marker;
mod nap;
mod object;
mod pacer;
mod phase;
mod pointee;
mod report;
mod root;
mod seeded;
mod settings;
mod sight;
#[cfg(test)]
mod simulator;
mod slice;
mod slot;
mod sweep;
mod trace;
mod tracer;
mod weak;
mod workers;

pub use arena::AllocError;
pub use control::{Collect, Stats, collect, collect_async, stats};
pub use edge::{Edge, Tagged, TaggedEdge};
pub use gc::Gc;
pub use gort_gc_derive::Trace;
pub use guard::{Guard, pin, with};
pub use lock::{Mutex, MutexGuard, OnceCell, RwLock, RwLockReadGuard, RwLockWriteGuard};
pub use pacer::External;
pub use pointee::{Branded, Pointee};
pub use report::{Report, set_report_hook};
pub use root::Root;
pub use settings::{set_gc_percent, set_memory_limit};
pub use sight::{GraphFormat, TypeStats, dump_graph, heap_profile};
pub use slot::Slot;
pub use trace::{FieldInfo, Object, Static, Trace, TypeInfo};
pub use tracer::Tracer;
pub use weak::{Weak, WeakRoot};

/// What the code written by `#[derive(Trace)]` calls.
#[doc(hidden)]
pub mod __private {
    /// The trait without the macro.
    pub use crate::trace::Trace;
    use crate::tracer::Tracer;

    /// The brand of a type whose fields are traced.
    #[derive(Debug)]
    pub struct Brand<'g>(std::marker::PhantomData<&'g ()>);

    impl<'g> Brand<'g> {
        /// Traces a field. It takes a reference, so that `T` is what the field really is.
        #[inline(always)]
        pub fn trace<T: Trace<'g>>(field: &T, tracer: &mut Tracer<'_>) {
            field.trace(tracer);
        }
    }

    /// Compiles if a field is `'static`.
    pub const fn is_static<T: ?Sized + 'static>(_: &T) {}
}
