//! Lock-free collections in the garbage collected heap, in safe Rust.
//!
//! Each is a type with a brand, to be allocated and rooted, or to be a field of an object of yours. Elements may hold gc
//! pointers. What a look-up or a removal returns is a reference that is good for as long as the guard, whoever removes or
//! replaces the element meanwhile: there is nothing to clone, and no entry to hold locked.
//!
//! | type | what it is | an operation costs |
//! |---|---|---|
//! | [`Stack`] | last in, first out (Treiber) | O(1) |
//! | [`Queue`] | first in, first out (Michael and Scott) | O(1) |
//! | [`List`] | a short sorted map (Harris, with marker nodes) | O(n) |
//! | [`HashMap`] | a map that grows while others read and write | O(1) |
//! | [`SkipMap`] | a sorted map with ranges | O(log n) |
//! | [`Lru`] | a cache that evicts exactly the least recently used entry | O(1) |
//!
//! None has a lock. A thread that is suspended in the middle of an operation holds nobody up, and these files show that
//! with a collector, structures that need hazard pointers, epochs or tagged pointers elsewhere are a page of plain code:
//! there is no `unsafe` in them.
//!
//! # Examples
//!
//! A map that goroutines share:
//!
//! ```
//! use gort_gc::collections::HashMap;
//! use gort_gc::{Root, with};
//!
//! let ages: Root<HashMap<'static, String, u32>> = Root::new(|_| HashMap::new());
//! let other = ages.clone();
//! std::thread::spawn(move || with(|g| other.get(g).insert(g, "Ada".to_owned(), 36).is_none())).join().unwrap();
//! with(|g| assert_eq!(ages.get(g).get("Ada"), Some(&36)));
//! ```

mod hash_map;
mod list;
mod lru;
mod queue;
mod skip_map;
mod stack;

pub use hash_map::HashMap;
pub use list::List;
pub use lru::Lru;
pub use queue::Queue;
pub use skip_map::SkipMap;
pub use stack::Stack;
