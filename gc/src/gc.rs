//! Pointers to objects.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::ptr::NonNull;

use crate::object::ObjectRef;
use crate::pointee::{Branded, Pointee};
use crate::{Guard, Root, Trace, Tracer, Weak};

/// A pointer to an object in the heap, good for the brand `'g`: the life of a guard.
///
/// It is `Copy`, one word wide, and dereferences for free. To keep an object beyond the guard, [`root`](Gc::root) it, or make
/// it reachable from a root.
///
/// A pointer to a slice or a `str` is one word as well: the length is in the object, before the elements.
///
/// ```
/// use gort_gc::{Gc, Trace, with};
///
/// #[derive(Trace)]
/// struct Song<'g> {
///     title: Gc<'g, str>,
///     notes: Gc<'g, [u8]>,
/// }
///
/// with(|g| {
///     let title = g.alloc_str("Ode to Joy");
///     let notes = g.alloc_slice_from([64, 64, 65, 67]);
///     let song = g.alloc(Song { title, notes });
///     assert_eq!((song.title.len(), song.notes[2]), (10, 65));
/// });
/// ```
pub struct Gc<'g, T: ?Sized> {
    object: NonNull<()>,
    /// Covariant, as the reference it stands for.
    _borrows: PhantomData<&'g T>,
}

// SAFETY: as for `&T`, and any thread may be the last to hold the value.
unsafe impl<T: ?Sized + Send + Sync> Send for Gc<'_, T> {}
// SAFETY: as for `Send`.
unsafe impl<T: ?Sized + Send + Sync> Sync for Gc<'_, T> {}

impl<'g, T: ?Sized> Gc<'g, T> {
    /// Makes a pointer of the address of an object.
    ///
    /// # Safety
    ///
    /// The object is of this type, and protected by a guard that is borrowed for `'g`: it was allocated, found or rooted while
    /// that was pinned.
    pub(crate) unsafe fn of(object: NonNull<()>) -> Self {
        let _borrows = PhantomData;
        Self { object, _borrows }
    }

    /// Returns the reference that this pointer stands for.
    ///
    /// Unlike that of `&*gc` its lifetime is the whole brand.
    #[inline]
    #[expect(clippy::should_implement_trait, reason = "the lifetime is another")]
    pub fn as_ref(self) -> &'g T
    where
        T: Pointee,
    {
        // SAFETY: the guard that is borrowed for `'g` keeps the object alive, and it is of this type.
        let value = unsafe { T::of_object(self.object) };
        // SAFETY: the same, and nobody has a mutable reference.
        unsafe { value.as_ref() }
    }

    /// Tells whether two pointers are to the same object.
    #[must_use]
    pub fn ptr_eq(a: Self, b: Self) -> bool {
        a.object == b.object
    }

    /// Returns the address of the object, which is constant.
    ///
    /// The elements of a slice come some bytes after it.
    #[must_use]
    pub fn addr(this: Self) -> usize {
        this.object.addr().get()
    }

    pub(crate) fn object(self) -> ObjectRef {
        // SAFETY: a `Gc` points to an object that a guard protects.
        unsafe { ObjectRef::of(self.object) }
    }
}

impl<'g, T: ?Sized + Branded<'g>> Gc<'g, T> {
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

impl<T: ?Sized> Copy for Gc<'_, T> {}

impl<T: ?Sized> Clone for Gc<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: ?Sized + Pointee> Deref for Gc<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        self.as_ref()
    }
}

impl<T: ?Sized + Pointee + fmt::Debug> fmt::Debug for Gc<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl<T: ?Sized + Pointee + fmt::Display> fmt::Display for Gc<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&**self, f)
    }
}

impl<T: ?Sized> fmt::Pointer for Gc<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Pointer::fmt(&self.object, f)
    }
}

// SAFETY: `At` replaces the brand in both places; the pointer is handed over; it never changes.
unsafe impl<'g, T: ?Sized + Branded<'g>> Trace<'g> for Gc<'g, T> {
    type At<'h> = Gc<'h, T::At<'h>>;

    #[inline]
    fn trace(&self, tracer: &mut Tracer<'_>) {
        tracer.edge(self.object());
    }
}
