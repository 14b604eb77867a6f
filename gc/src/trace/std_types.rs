//! [`Trace`] for the types of the standard library.
//!
//! Three kinds, each with one reason why it is sound:
//!
//! 1. *Leaves*: a type without parameters, or whose parameters are `'static`. It holds no gc pointer, so it is not traced,
//!    whatever else it does: share, mutate from within, run a destructor.
//! 2. *Containers*: contents change through `&mut` only, destructors do not look at them beyond dropping them, and an
//!    iterator over `&self` visits them all. A hasher must be `'static`: it is not visited.
//! 3. *Left out on purpose*: `Cell`, `RefCell`, `Mutex`, `RwLock`, `OnceLock`, `Rc`, `Arc` and references with contents that
//!    are not `'static` (mutable or shared behind the collector's back); `dyn Trait` and closures (they may hold anything);
//!    raw pointers (who knows); iterators and guards (they borrow).

use std::any::TypeId;
use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet, LinkedList, VecDeque};
use std::convert::Infallible;
use std::ffi::{CString, OsString};
use std::marker::PhantomData;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::num::{NonZero, Wrapping};
use std::path::PathBuf;
use std::sync::atomic::{
    AtomicBool, AtomicI8, AtomicI16, AtomicI32, AtomicI64, AtomicIsize, AtomicU8, AtomicU16,
    AtomicU32, AtomicU64, AtomicUsize,
};
use std::sync::{Arc, Mutex, OnceLock, RwLock};
use std::thread::ThreadId;
use std::time::{Duration, Instant, SystemTime};

use super::{PART, Trace, Tracer, trace_elements};

/// Leaves. The bound `'static` is written out for each parameter, also where the type would imply it: rustc has not always
/// checked what a type implies.
macro_rules! leaf {
    (@one [$($generics:tt)*] $ty:ty) => {
        // SAFETY: nothing but what is `'static` gets in, and that holds no gc pointer except one whose guard is never
        // dropped. So there is nothing to trace, no change that a barrier has to see, and no brand to replace.
        unsafe impl<'g, $($generics)*> Trace<'g> for $ty {
            type At<'h> = Self;
            const NEEDS_TRACE: bool = false;

            #[inline]
            fn trace(&self, _: &mut Tracer<'_>) {}
        }
    };
    ($($generics:tt $($ty:ty),+;)+) => { $($(leaf!(@one $generics $ty);)+)+ };
}

leaf! {
    [] (), bool, char, u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize, f32, f64;
    [] AtomicBool, AtomicU8, AtomicU16, AtomicU32, AtomicU64, AtomicUsize;
    [] AtomicI8, AtomicI16, AtomicI32, AtomicI64, AtomicIsize;
    [] NonZero<u8>, NonZero<u16>, NonZero<u32>, NonZero<u64>, NonZero<u128>, NonZero<usize>;
    [] NonZero<i8>, NonZero<i16>, NonZero<i32>, NonZero<i64>, NonZero<i128>, NonZero<isize>;
    [] String, Box<str>, CString, OsString, PathBuf;
    [] Duration, Instant, SystemTime, ThreadId, TypeId, Ordering, Infallible;
    [] IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6;
    [T: ?Sized + 'static] &'static T, Arc<T>, std::sync::Weak<T>, PhantomData<T>;
    [T: ?Sized + ToOwned + 'static] Cow<'static, T>;
    // Of these only the contents of a lock can be shared; they are here for `gc::Mutex<Cell<u32>>`.
    [T: 'static] Cell<T>, RefCell<T>;
    [T: 'static] Mutex<T>, RwLock<T>, OnceLock<T>;
}

/// Containers: each traced parameter of the type, what the type is under another brand, and how to visit the contents.
///
/// One whose elements can be counted and skipped is traced in parts, if it is an object of its own and long.
macro_rules! container {
    ($([$($param:ident),+ $(; $($extra:tt)+)?] $ty:ty, $at:ty, |$this:ident, $tracer:ident| $visit:expr $(, $elements:expr)?;)+) => {$(
        // SAFETY: the container owns its contents, changes them through `&mut` only, drops them without looking at them,
        // and `$visit` reaches every one. `At` replaces the brand in each parameter that may have one.
        unsafe impl<'g, $($param: Trace<'g>),+ $(, $($extra)+)?> Trace<'g> for $ty {
            type At<'h> = $at;
            const NEEDS_TRACE: bool = false $(|| $param::NEEDS_TRACE)+;

            #[inline]
            fn trace(&self, $tracer: &mut Tracer<'_>) {
                if Self::NEEDS_TRACE {
                    let $this = self;
                    $visit
                }
            }

            $(
                #[inline]
                fn is_long(&self) -> bool {
                    let $this = self;
                    Self::NEEDS_TRACE && $elements.len() > PART
                }

                fn trace_part(&self, from: usize, tracer: &mut Tracer<'_>) -> usize {
                    let $this = self;
                    trace_elements($elements, from, tracer)
                }
            )?
        }
    )+};
}

container! {
    [T] Option<T>, Option<T::At<'h>>, |this, tracer| each(this, tracer);
    [T, E] Result<T, E>, Result<T::At<'h>, E::At<'h>>, |this, tracer| match this {
        Ok(value) => value.trace(tracer),
        Err(error) => error.trace(tracer),
    };
    [T] Reverse<T>, Reverse<T::At<'h>>, |this, tracer| this.0.trace(tracer);
    [T] Wrapping<T>, Wrapping<T::At<'h>>, |this, tracer| this.0.trace(tracer);
    [T] Box<[T]>, Box<[T::At<'h>]>, |this, tracer| each(this, tracer), this.iter();
    [T] Vec<T>, Vec<T::At<'h>>, |this, tracer| each(this, tracer), this.iter();
    [T; const N: usize] [T; N], [T::At<'h>; N], |this, tracer| each(this, tracer), this.iter();
    [T] VecDeque<T>, VecDeque<T::At<'h>>, |this, tracer| each(this, tracer), this.iter();
    [T] LinkedList<T>, LinkedList<T::At<'h>>, |this, tracer| each(this, tracer);
    [T] BinaryHeap<T>, BinaryHeap<T::At<'h>>, |this, tracer| each(this.as_slice(), tracer), this.as_slice().iter();
    [T] BTreeSet<T>, BTreeSet<T::At<'h>>, |this, tracer| each(this, tracer);
    [T; S: 'static] HashSet<T, S>, HashSet<T::At<'h>, S>, |this, tracer| each(this, tracer);
    [K, V] BTreeMap<K, V>, BTreeMap<K::At<'h>, V::At<'h>>, |this, tracer| pairs(this, tracer);
    [K, V; S: 'static] HashMap<K, V, S>, HashMap<K::At<'h>, V::At<'h>, S>, |this, tracer| pairs(this, tracer);
}

// SAFETY: as for the other containers.
#[diagnostic::do_not_recommend]
unsafe impl<'g, T: Trace<'g>> Trace<'g> for Box<T> {
    type At<'h> = Box<T::At<'h>>;
    const NEEDS_TRACE: bool = T::NEEDS_TRACE;

    #[inline]
    fn trace(&self, tracer: &mut Tracer<'_>) {
        T::trace(self, tracer);
    }
}

#[inline]
fn each<'a, 'g, T: Trace<'g> + 'a>(
    values: impl IntoIterator<Item = &'a T>,
    tracer: &mut Tracer<'_>,
) {
    for value in values {
        value.trace(tracer);
    }
}

#[inline]
fn pairs<'a, 'g, K: Trace<'g> + 'a, V: Trace<'g> + 'a>(
    pairs: impl IntoIterator<Item = (&'a K, &'a V)>,
    tracer: &mut Tracer<'_>,
) {
    for (key, value) in pairs {
        key.trace(tracer);
        value.trace(tracer);
    }
}

macro_rules! tuple {
    ($($param:ident $index:tt),+) => {
        container! {
            [$($param),+] ($($param,)+), ($($param::At<'h>,)+), |this, tracer| { $(this.$index.trace(tracer);)+ };
        }
    };
}

tuple!(A 0);
tuple!(A 0, B 1);
tuple!(A 0, B 1, C 2);
tuple!(A 0, B 1, C 2, D 3);
tuple!(A 0, B 1, C 2, D 3, E 4);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11);
