//! Pointers to objects, and edges between them.

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicPtr, Ordering};

use crate::object::ObjectRef;
use crate::{Guard, Root, Trace, Tracer, Weak};

/// A pointer to an object in the heap, good for the brand `'g`: the life of a guard.
///
/// It is `Copy`, as wide as a reference, and dereferences for free. To keep an object beyond the guard, [`root`](Gc::root)
/// it, or make it reachable from a root.
pub struct Gc<'g, T> {
    value: NonNull<T>,
    /// Covariant, as the reference it stands for.
    _borrows: PhantomData<&'g T>,
}

// SAFETY: as for `&T`, and any thread may be the last to hold the value.
unsafe impl<T: Send + Sync> Send for Gc<'_, T> {}
// SAFETY: as for `Send`.
unsafe impl<T: Send + Sync> Sync for Gc<'_, T> {}

impl<'g, T> Gc<'g, T> {
    /// Makes a pointer of the address of a value in an object.
    ///
    /// # Safety
    ///
    /// The object is protected by a guard that is borrowed for `'g`: it was allocated, found or rooted while that was pinned.
    pub(crate) unsafe fn of(value: NonNull<T>) -> Self {
        let _borrows = PhantomData;
        Self { value, _borrows }
    }

    /// Returns the reference that this pointer stands for.
    ///
    /// Unlike that of `&*gc` its lifetime is the whole brand.
    #[expect(clippy::should_implement_trait, reason = "the lifetime is another")]
    pub fn as_ref(self) -> &'g T {
        // SAFETY: the guard that is borrowed for `'g` keeps the object alive, and nobody has a mutable reference.
        unsafe { self.value.as_ref() }
    }

    /// Tells whether two pointers are to the same object.
    #[must_use]
    pub fn ptr_eq(a: Self, b: Self) -> bool {
        a.value == b.value
    }

    /// Returns the address of the object, which is constant.
    #[must_use]
    pub fn addr(this: Self) -> usize {
        this.value.addr().get()
    }

    pub(crate) fn object(self) -> ObjectRef {
        // SAFETY: a `Gc` points to an object that a guard protects.
        unsafe { ObjectRef::of(self.value.cast()) }
    }
}

impl<'g, T: Trace<'g>> Gc<'g, T> {
    /// Makes the object a root: it stays alive without a guard.
    #[must_use]
    pub fn root(self, g: &Guard) -> Root<T::At<'static>> {
        Root::of(self.object(), g)
    }

    /// Makes a pointer that does not keep the object alive.
    #[must_use]
    pub fn downgrade(self, g: &'g Guard) -> Weak<'g, T> {
        Weak::new(self, g)
    }
}

impl<T> Copy for Gc<'_, T> {}

impl<T> Clone for Gc<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Deref for Gc<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        self.as_ref()
    }
}

impl<T: fmt::Debug> fmt::Debug for Gc<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl<T: fmt::Display> fmt::Display for Gc<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&**self, f)
    }
}

impl<T> fmt::Pointer for Gc<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Pointer::fmt(&self.value, f)
    }
}

// SAFETY: `At` replaces the brand in both places; the pointer is handed over; it never changes.
unsafe impl<'g, T: Trace<'g>> Trace<'g> for Gc<'g, T> {
    type At<'h> = Gc<'h, T::At<'h>>;

    #[inline]
    fn trace(&self, tracer: &mut Tracer<'_>) {
        tracer.edge(self.object());
    }
}

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
pub struct Edge<'g, T> {
    target: AtomicPtr<T>,
    _invariant: PhantomData<Cell<Gc<'g, T>>>,
}

// SAFETY: it is an atomic `Gc`.
unsafe impl<T: Send + Sync> Send for Edge<'_, T> {}
// SAFETY: as for `Send`.
unsafe impl<T: Send + Sync> Sync for Edge<'_, T> {}

impl<'g, T> Edge<'g, T> {
    /// Creates an edge to nothing.
    #[must_use]
    pub const fn null() -> Self {
        Self {
            target: AtomicPtr::new(ptr::null_mut()),
            _invariant: PhantomData,
        }
    }

    /// Creates an edge.
    #[must_use]
    pub fn new(target: Option<Gc<'g, T>>) -> Self {
        Self {
            target: AtomicPtr::new(raw(target)),
            _invariant: PhantomData,
        }
    }

    /// Returns the target.
    ///
    /// It takes no guard: that the edge can be reached proves that one is alive for `'g`.
    #[inline]
    pub fn load(&self) -> Option<Gc<'g, T>> {
        // Acquire: pairs with the Release in `store` and `compare_exchange`, after which the target is initialised.
        pointer(self.target.load(Ordering::Acquire))
    }

    /// Changes the target.
    #[inline]
    pub fn store(&self, g: &Guard, target: Option<Gc<'g, T>>) {
        self.barrier(g, target);
        // Release: publishes the target to the Acquire in `load`.
        self.target.store(raw(target), Ordering::Release);
    }

    /// Changes the target, and returns the one before.
    pub fn swap(&self, g: &Guard, target: Option<Gc<'g, T>>) -> Option<Gc<'g, T>> {
        let mut current = self.load();
        // What is taken out must be shaded before it is out.
        while let Err(newer) = self.compare_exchange(g, current, target) {
            current = newer;
        }
        current
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
        g.barrier(|| current.map(Gc::object), new.map(Gc::object));
        // AcqRel, Acquire: publishes `new` as in `store`, and what is returned is used as after `load`.
        let result = self.target.compare_exchange(
            raw(current),
            raw(new),
            Ordering::AcqRel,
            Ordering::Acquire,
        );
        result.map(pointer).map_err(pointer)
    }

    /// Changes the target of an edge that nobody else can reach.
    pub fn set(&mut self, target: Option<Gc<'g, T>>) {
        *self.target.get_mut() = raw(target);
    }

    /// The first half of [`store`](Self::store), for the simulator to stop there.
    #[cfg(test)]
    pub(crate) fn begin_store(&self, g: &Guard, target: Option<Gc<'g, T>>) {
        self.barrier(g, target);
    }

    /// The second half.
    #[cfg(test)]
    pub(crate) fn end_store(&self, target: Option<Gc<'g, T>>) {
        // Release: as in `store`.
        self.target.store(raw(target), Ordering::Release);
    }

    #[inline]
    fn barrier(&self, g: &Guard, new: Option<Gc<'g, T>>) {
        // The load must be an Acquire: if a thread that races with us overwrites what we write and so shades it, the object
        // that we saw here has been shaded by the one who overwrote it first.
        g.barrier(|| self.load().map(Gc::object), new.map(Gc::object));
    }
}

fn raw<T>(target: Option<Gc<'_, T>>) -> *mut T {
    target.map_or(ptr::null_mut(), |gc| gc.value.as_ptr())
}

/// What an edge of this brand points to.
fn pointer<'g, T>(target: *mut T) -> Option<Gc<'g, T>> {
    let target = NonNull::new(target)?;
    // SAFETY: the target was put in as a pointer of this brand, or of the object's when it was last seen, and kept alive by the
    // object; whoever reaches the edge has a guard for the brand it has now.
    Some(unsafe { Gc::of(target) })
}

impl<T> Default for Edge<'_, T> {
    fn default() -> Self {
        Self::null()
    }
}

impl<'g, T> From<Gc<'g, T>> for Edge<'g, T> {
    fn from(target: Gc<'g, T>) -> Self {
        Self::new(Some(target))
    }
}

impl<T> fmt::Debug for Edge<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The target may lead back here.
        f.debug_tuple("Edge").field(&self.target).finish()
    }
}

// SAFETY: `At` replaces the brand in both places; the target is handed over; changes pass the barrier, or are made by one
// who has the edge to himself.
unsafe impl<'g, T: Trace<'g>> Trace<'g> for Edge<'g, T> {
    type At<'h> = Edge<'h, T::At<'h>>;

    #[inline]
    fn trace(&self, tracer: &mut Tracer<'_>) {
        if let Some(target) = self.load() {
            tracer.edge(target.object());
        }
    }
}
