//! Edges: fields of objects that point to others and can be changed.

mod link;
mod tagged;

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::ptr::{self, NonNull};

use crate::pointee::Branded;
use crate::{Gc, Guard, Trace, Tracer};
use link::Link;
pub use tagged::{Tagged, TaggedEdge};

/// A field that points to an object or to nothing, and can be changed by any thread.
///
/// This is an atomic pointer with the collector's write barrier. It is invariant in its brand and its target: only pointers
/// that are good for as long as the edge itself go in. Loads acquire and stores release.
///
/// # Examples
///
/// ```
/// use gort_gc::{Edge, Trace, with};
///
/// #[derive(Trace)]
/// struct Node<'g> {
///     next: Edge<'g, Node<'g>>,
/// }
///
/// with(|g| {
///     let a = g.alloc(Node { next: Edge::null() });
///     let b = g.alloc(Node { next: Edge::new(Some(a)) });
///     a.next.store(g, Some(b)); // a cycle
///     assert!(a.next.load().is_some());
/// });
/// ```
pub struct Edge<'g, T: ?Sized> {
    link: Link,
    _invariant: PhantomData<Cell<Gc<'g, T>>>,
}

// SAFETY: it is an atomic `Gc`.
unsafe impl<T: ?Sized + Send + Sync> Send for Edge<'_, T> {}
// SAFETY: as for `Send`.
unsafe impl<T: ?Sized + Send + Sync> Sync for Edge<'_, T> {}

impl<'g, T: ?Sized> Edge<'g, T> {
    /// Creates an edge to nothing.
    #[must_use]
    pub const fn null() -> Self {
        Self {
            link: Link::new(ptr::null_mut()),
            _invariant: PhantomData,
        }
    }

    /// Creates an edge.
    #[must_use]
    pub fn new(target: Option<Gc<'g, T>>) -> Self {
        Self {
            link: Link::new(raw(target)),
            _invariant: PhantomData,
        }
    }

    /// Returns the target.
    ///
    /// It takes no guard: that the edge can be reached proves that one is alive for `'g`.
    #[inline]
    pub fn load(&self) -> Option<Gc<'g, T>> {
        // SAFETY: only `raw` pointers to a `T` of this brand go in.
        unsafe { pointer(self.link.load()) }
    }

    /// Changes the target.
    #[inline]
    pub fn store(&self, g: &Guard, target: Option<Gc<'g, T>>) {
        self.link.store(g, raw(target));
    }

    /// Changes the target, and returns the one before.
    pub fn swap(&self, g: &Guard, target: Option<Gc<'g, T>>) -> Option<Gc<'g, T>> {
        // SAFETY: as in `load`.
        unsafe { pointer(self.link.swap(g, raw(target))) }
    }

    /// Makes the edge one to nothing, and returns the target.
    pub fn take(&self, g: &Guard) -> Option<Gc<'g, T>> {
        self.swap(g, None)
    }

    /// Changes the target from `current` to `new`, and returns `current`.
    ///
    /// # Errors
    ///
    /// Returns the target if it is not `current`; then nothing is changed.
    #[inline]
    pub fn compare_exchange(
        &self,
        g: &Guard,
        current: Option<Gc<'g, T>>,
        new: Option<Gc<'g, T>>,
    ) -> Result<Option<Gc<'g, T>>, Option<Gc<'g, T>>> {
        let result = self.link.compare_exchange(g, raw(current), raw(new));
        // SAFETY: as in `load`.
        let pointer = |target| unsafe { pointer(target) };
        result.map(pointer).map_err(pointer)
    }

    /// Changes the target of an edge that nobody else can reach.
    pub fn set(&mut self, target: Option<Gc<'g, T>>) {
        self.link.set(raw(target));
    }

    /// The first half of [`store`](Self::store), for the simulator to stop there.
    #[cfg(test)]
    pub(crate) fn begin_store(&self, g: &Guard, target: Option<Gc<'g, T>>) {
        self.link.barrier(g, raw(target));
    }

    /// The second half.
    #[cfg(test)]
    pub(crate) fn end_store(&self, target: Option<Gc<'g, T>>) {
        self.link.write(raw(target));
    }
}

fn raw<T: ?Sized>(target: Option<Gc<'_, T>>) -> *mut () {
    target.map_or(ptr::null_mut(), |gc| gc.object().value().as_ptr())
}

/// What an edge of this brand points to.
///
/// # Safety
///
/// The word comes from an edge to a `T` under this brand, and has no tag.
unsafe fn pointer<'g, T: ?Sized>(target: *mut ()) -> Option<Gc<'g, T>> {
    let target = NonNull::new(target)?;
    // SAFETY: the target was put in as a pointer of this brand, or of the object's when it was last seen, and kept alive by the
    // object; whoever reaches the edge has a guard for the brand it has now.
    Some(unsafe { Gc::of(target) })
}

impl<T: ?Sized> Default for Edge<'_, T> {
    fn default() -> Self {
        Self::null()
    }
}

impl<'g, T: ?Sized> From<Gc<'g, T>> for Edge<'g, T> {
    fn from(target: Gc<'g, T>) -> Self {
        Self::new(Some(target))
    }
}

impl<T: ?Sized> fmt::Debug for Edge<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The target may lead back here.
        f.debug_tuple("Edge").field(&self.link).finish()
    }
}

// SAFETY: `At` replaces the brand in both places; the target is handed over; changes pass the barrier, or are made by one
// who has the edge to himself.
unsafe impl<'g, T: ?Sized + Branded<'g>> Trace<'g> for Edge<'g, T> {
    type At<'h> = Edge<'h, T::At<'h>>;

    #[inline]
    fn trace(&self, tracer: &mut Tracer<'_>) {
        self.link.trace(tracer);
    }
}
