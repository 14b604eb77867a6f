//! What a pointer may lead to: values of a known size, slices, and `str`.
//!
//! A pointer to an object is one word, whatever it leads to, so that an edge is one atomic word. The length of a slice is in
//! the object: see [`slice`](crate::slice).

use std::ptr::NonNull;

use crate::{Trace, slice};

/// What a [`Gc`](crate::Gc) can point to: every type of a known size, slices, and `str`.
///
/// It cannot be implemented for others.
pub trait Pointee: sealed::Sealed {}

/// What a pointer leads to, seen under the brand `'g`: every type that is [`Trace`], slices of those, and `str`.
///
/// This is [`Trace`] for types that can be behind a pointer only. It cannot be implemented for others.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot live in the gc heap",
    label = "the collector cannot trace this type"
)]
pub trait Branded<'g>: Pointee + 'g {
    /// The same type under the brand `'h`.
    type At<'h>: ?Sized + Branded<'h>;
}

mod sealed {
    use std::ptr::NonNull;

    /// Makes the way from an object to its value.
    pub trait Sealed {
        /// The value of an object.
        ///
        /// # Safety
        ///
        /// The object is live, and of this type.
        unsafe fn of_object(object: NonNull<()>) -> NonNull<Self>;
    }
}

pub(crate) use sealed::Sealed;

impl<T> Pointee for T {}
impl<T> Pointee for [T] {}
impl Pointee for str {}

impl<T> Sealed for T {
    #[inline]
    unsafe fn of_object(object: NonNull<()>) -> NonNull<Self> {
        object.cast()
    }
}

impl<T> Sealed for [T] {
    #[inline]
    unsafe fn of_object(object: NonNull<()>) -> NonNull<Self> {
        // SAFETY: the caller vouches for the object.
        unsafe { slice::elements(object) }
    }
}

impl Sealed for str {
    #[inline]
    unsafe fn of_object(object: NonNull<()>) -> NonNull<Self> {
        // SAFETY: the caller vouches for the object, whose elements are bytes.
        let bytes = unsafe { slice::elements::<u8>(object) };
        // A `str` is laid out as its bytes.
        NonNull::new(bytes.as_ptr() as *mut str).expect("it is not null")
    }
}

impl<'g, T: Trace<'g>> Branded<'g> for T {
    type At<'h> = <T as Trace<'g>>::At<'h>;
}

impl<'g, T: Trace<'g>> Branded<'g> for [T] {
    type At<'h> = [<T as Trace<'g>>::At<'h>];
}

impl<'g> Branded<'g> for str {
    type At<'h> = str;
}
