//! Slices and strings in the heap.
//!
//! ```text
//! 0        8, or the alignment of an element                      the end of the slot
//! | length | element | element | element | ...                    |
//! ```
//!
//! The length is in the object, so that a pointer to it is one word and an edge can be changed at once.
//!
//! # Sizes
//!
//! A block has slots of one size. Slices that are so small that two or more share a block have 32 sizes to choose from; each
//! is as large as its number of slots in a block allows, so nothing is left over at the end of a block, and what is left over
//! in a slot is a fifth of it on average. Each size of a type has a vtable and hence a space of its own. A larger slice has a
//! run of blocks of its own, as any large object.
//!
//! # How it is traced
//!
//! One with many elements in parts, so that nobody who helps to mark is held up by it for long. Until the last part it counts
//! as grey: elements may change meanwhile as those of any object do that is being traced.
//!
//! # While a slice is filled
//!
//! The elements come from foreign code, one by one. It may allocate, so the thread may give back the block meanwhile; so the
//! slot has a colour of its own before that code is called, [`TAKEN`], by which nobody takes it for free. It may panic: then
//! the elements that are there are dropped, and the slot becomes free, as after a sweep.
//!
//! Rejected: pointers of two words (an edge could not be changed at once), and to collect the elements elsewhere first (that
//! is a second allocation).

use std::alloc::Layout;
use std::any::{TypeId, type_name};
use std::io;
use std::marker::PhantomData;
use std::ptr::NonNull;

use crate::arena::{self, AllocError, Place, SHARED, Shape};
use crate::dropper::drop_quietly;
use crate::guard::out_of_memory;
use crate::object::{ObjectRef, VTable};
use crate::phase::TAKEN;
use crate::pointee::Branded;
use crate::trace::{Object, PART, Trace, TypeInfo, trace_elements};
use crate::{Gc, Guard, Tracer};

/// The largest slice, in bytes: what follows it in the address space may be counted in as well.
const MOST: usize = isize::MAX as usize - (1 << 16);

/// Where the elements begin in a slot.
const fn offset<T>() -> usize {
    if align_of::<T>() > size_of::<usize>() {
        align_of::<T>()
    } else {
        size_of::<usize>()
    }
}

/// The layout of an object with `len` elements.
#[inline]
fn layout<T>(len: usize) -> Option<Layout> {
    let elements = size_of::<T>().checked_mul(len)?;
    let bytes = elements
        .checked_add(offset::<T>())
        .filter(|&bytes| bytes <= MOST)?;
    Layout::from_size_align(bytes, offset::<T>()).ok()
}

fn first<T>(object: NonNull<()>) -> NonNull<T> {
    // SAFETY: within the slot, whose size is at least that.
    unsafe { object.byte_add(offset::<T>()) }.cast()
}

/// The elements of an object.
///
/// # Safety
///
/// The object is a slice of this type.
#[inline]
pub(crate) unsafe fn elements<T>(object: NonNull<()>) -> NonNull<[T]> {
    // SAFETY: an object that is a slice begins with its length.
    let len = unsafe { object.cast::<usize>().read() };
    NonNull::slice_from_raw_parts(first(object), len)
}

/// A type that is laid out as a slice.
pub(crate) trait Sequence<'g>: Branded<'g> {
    type Element: Trace<'g>;
}

impl<'g, T: Trace<'g>> Sequence<'g> for [T] {
    type Element = T;
}

impl<'g> Sequence<'g> for str {
    type Element = u8;
}

/// The vtables of a type that is laid out as a slice, by the size of a slot.
#[derive(Debug)]
pub(crate) struct Sizes {
    /// The bytes of a slot, the smallest first.
    slots: [usize; SHARED.len()],
    shared: [VTable; SHARED.len()],
    large: VTable,
}

impl Sizes {
    /// The vtable for an object of so many bytes, if it shares a block.
    #[inline]
    pub(crate) fn shared(&'static self, bytes: usize) -> Option<&'static VTable> {
        self.shared
            .get(self.slots.partition_point(|&slot| slot < bytes))
    }

    /// The vtable of all others.
    pub(crate) fn large(&'static self) -> &'static VTable {
        &self.large
    }
}

/// Gives the vtables of a type an address for ever; they may have several.
struct Promoted<'g, S: ?Sized>(PhantomData<&'g S>);

impl<'g, S: ?Sized + Sequence<'g>> Promoted<'g, S> {
    const SIZES: &'static Sizes = &{
        let mut sizes = Sizes {
            slots: [0; SHARED.len()],
            shared: [Self::of(Shape::LARGE); SHARED.len()],
            large: Self::of(Shape::LARGE),
        };
        let mut size = 0;
        while size < SHARED.len() {
            let shape = Shape::shared(SHARED[size], offset::<S::Element>());
            sizes.slots[size] = shape.slot;
            sizes.shared[size] = Self::of(shape);
            size += 1;
        }
        sizes
    };

    const fn of(shape: Shape) -> VTable {
        VTable {
            type_id: TypeId::of::<S::At<'static>>,
            type_name: type_name::<S>,
            value: Layout::new::<S::Element>(),
            shape,
            needs_drop: std::mem::needs_drop::<S::Element>(),
            needs_trace: S::Element::NEEDS_TRACE,
            is_filled_slowly: true,
            info: TypeInfo::opaque(),
            size: size::<S::Element>,
            trace: trace::<S::Element>,
            trace_part: trace_part::<S::Element>,
            trace_field: trace_field::<S::Element>,
            drop: drop::<S::Element>,
        }
    }
}

unsafe fn size<T>(object: NonNull<()>) -> usize {
    // SAFETY: the caller vouches for a live object of this type.
    unsafe { elements::<T>(object) }.len() * size_of::<T>()
}

unsafe fn trace<'g, T: Trace<'g>>(object: NonNull<()>, tracer: &mut Tracer<'_>) {
    // SAFETY: the caller vouches for a live object of this type.
    let elements = unsafe { elements::<T>(object) };
    // SAFETY: the same; nobody has a mutable reference.
    let elements = unsafe { elements.as_ref() };
    // SAFETY: the caller vouches for it.
    if elements.len() > PART && tracer.put_off(unsafe { ObjectRef::of(object) }, 0) {
        return;
    }
    elements.iter().for_each(|element| element.trace(tracer));
}

unsafe fn trace_part<'g, T: Trace<'g>>(
    object: NonNull<()>,
    from: usize,
    tracer: &mut Tracer<'_>,
) -> usize {
    // SAFETY: the caller vouches for a live object of this type.
    let elements = unsafe { elements::<T>(object) };
    // SAFETY: the same; nobody has a mutable reference.
    trace_elements(unsafe { elements.as_ref() }.iter(), from, tracer)
}

unsafe fn trace_field<'g, T: Trace<'g>>(
    object: NonNull<()>,
    index: usize,
    tracer: &mut Tracer<'_>,
) {
    if index == 0 {
        // SAFETY: the caller vouches for the object.
        unsafe { trace::<T>(object, tracer) };
    }
}

/// Drops the elements. A panic of one is none of the others' business, as with objects.
unsafe fn drop<T>(object: NonNull<()>) {
    // SAFETY: the caller vouches for an object of this type.
    let len = unsafe { elements::<T>(object) }.len();
    for index in 0..len {
        // SAFETY: there are so many elements.
        let element = unsafe { first::<T>(object).add(index) };
        // SAFETY: nobody uses the object any more, and it is dropped once.
        drop_quietly(|| unsafe { element.drop_in_place() });
    }
}

/// Slices and strings.
impl Guard {
    /// Moves a slice to the heap, whose elements are what `element` returns for 0, 1 and so on to `len`.
    ///
    /// Elements may be edges or locks, so that the slice is an array of fields that others change.
    ///
    /// As with [`alloc`](Self::alloc) the process is aborted when there is no memory.
    ///
    /// # Panics
    ///
    /// Panics if the slice would be larger than any memory, and if `element` panics; then the elements before are dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// use gort_gc::{Edge, Root, with};
    ///
    /// let table: Root<[Edge<'static, str>]> = with(|g| {
    ///     let empty = |_| Edge::<str>::null();
    ///     g.alloc_slice(100, empty).root(g)
    /// });
    /// with(|g| {
    ///     table.get(g)[7].store(g, Some(g.alloc_str("seven")));
    ///     assert_eq!(table.get(g)[7].load().as_deref(), Some("seven"));
    /// });
    /// ```
    #[track_caller]
    pub fn alloc_slice<'g, T: Object<'g>>(
        &'g self,
        len: usize,
        element: impl FnMut(usize) -> T,
    ) -> Gc<'g, [T]> {
        assert!(
            layout::<T>(len).is_some(),
            "a slice of {len} elements is larger than any memory"
        );
        match self.try_alloc_slice(len, element) {
            Ok(slice) => slice,
            Err(error) => out_of_memory(&error),
        }
    }

    /// Moves a slice to the heap as [`alloc_slice`](Self::alloc_slice) does, if there is memory.
    ///
    /// # Errors
    ///
    /// Returns an error, and does not call `element`, if the system refuses memory, or the slice would be larger than any.
    ///
    /// # Panics
    ///
    /// Panics if `element` panics; then the elements before are dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// gort_gc::with(|g| {
    ///     assert!(g.try_alloc_slice(usize::MAX, |n| n).is_err());
    ///     let squares = g.try_alloc_slice(1_000, |n| n * n)?;
    ///     assert_eq!(squares[30], 900);
    ///     Ok::<_, gort_gc::AllocError>(())
    /// })?;
    /// # Ok::<_, gort_gc::AllocError>(())
    /// ```
    pub fn try_alloc_slice<'g, T: Object<'g>>(
        &'g self,
        len: usize,
        mut element: impl FnMut(usize) -> T,
    ) -> Result<Gc<'g, [T]>, AllocError> {
        let mut filling = Filling::begin(self, len)?;
        for index in 0..len {
            filling.push(element(index));
        }
        Ok(filling.end())
    }

    /// Moves the elements of an iterator to a slice in the heap.
    ///
    /// The iterator knows its length: that of an array, of a slice, or of a `Vec` that others were collected in.
    ///
    /// As with [`alloc`](Self::alloc) the process is aborted when there is no memory.
    ///
    /// # Panics
    ///
    /// Panics if the iterator does, or ends before its length; then the elements before are dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// gort_gc::with(|g| {
    ///     let words: Vec<String> = "to be or not".split(' ').map(str::to_owned).collect();
    ///     let words = g.alloc_slice_from(words);
    ///     assert_eq!(words[3], "not");
    ///     let bytes = g.alloc_slice_from(words[0].bytes().rev().collect::<Vec<_>>());
    ///     assert_eq!(&*bytes, b"ot");
    /// });
    /// ```
    #[track_caller]
    pub fn alloc_slice_from<'g, T: Object<'g>>(
        &'g self,
        elements: impl IntoIterator<Item = T, IntoIter: ExactSizeIterator>,
    ) -> Gc<'g, [T]> {
        let mut elements = elements.into_iter();
        self.alloc_slice(elements.len(), |_| {
            let element = elements.next();
            element.expect("the iterator has as many elements as it says")
        })
    }

    /// Copies a string to the heap.
    ///
    /// As with [`alloc`](Self::alloc) the process is aborted when there is no memory.
    ///
    /// # Examples
    ///
    /// ```
    /// let name = gort_gc::with(|g| g.alloc_str("Ada").root(g));
    /// gort_gc::with(|g| assert_eq!(&*name.get(g), "Ada"));
    /// ```
    pub fn alloc_str<'g>(&'g self, text: &str) -> Gc<'g, str> {
        let place = SlicePlace::take::<str>(self, text.len());
        let place = place.unwrap_or_else(|error| out_of_memory(&error));
        let bytes = first::<u8>(place.place.object);
        // SAFETY: the slot has room for so many, and is ours.
        unsafe { bytes.copy_from_nonoverlapping(NonNull::from(text).cast(), text.len()) };
        place.publish(self);
        // SAFETY: it has been allocated under this guard, of a valid `str`.
        unsafe { Gc::of(place.place.object) }
    }
}

/// A slot for a slice, with the length written.
struct SlicePlace {
    place: Place,
    is_large: bool,
}

impl SlicePlace {
    #[inline]
    fn take<'g, S: ?Sized + Sequence<'g>>(g: &'g Guard, len: usize) -> Result<Self, AllocError> {
        let Some(layout) = layout::<S::Element>(len) else {
            let text = format!("a slice of {len} elements is larger than any");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text).into());
        };
        let sizes = Promoted::<S>::SIZES;
        let (place, is_large) = match sizes.shared(layout.size()) {
            Some(vtable) => (g.local().place(vtable)?, false),
            None => (
                g.local().place_large(sizes.large(), Shape::of(layout))?,
                true,
            ),
        };
        // SAFETY: the slot is ours, and has room for it.
        unsafe { place.object.cast::<usize>().write(len) };
        Ok(Self { place, is_large })
    }

    /// Makes the slot an object. What it holds has been shaded if it has to be.
    #[inline]
    fn publish(&self, g: &Guard) {
        self.place.set_color(g.color_of_new());
        if self.is_large {
            arena::settle(&self.place);
        }
    }
}

/// A slice that is being filled.
struct Filling<'g, T> {
    g: &'g Guard,
    place: SlicePlace,
    /// How many elements there are.
    len: usize,
    _elements: PhantomData<T>,
}

impl<'g, T: Trace<'g>> Filling<'g, T> {
    #[inline]
    fn begin(g: &'g Guard, len: usize) -> Result<Self, AllocError> {
        let place = SlicePlace::take::<[T]>(g, len)?;
        place.place.set_color(TAKEN);
        Ok(Self {
            g,
            place,
            len: 0,
            _elements: PhantomData,
        })
    }

    /// Adds an element. The caller does not add more than there is room for.
    #[inline]
    fn push(&mut self, element: T) {
        // SAFETY: there is room for it.
        let place = unsafe { first::<T>(self.place.place.object).add(self.len) };
        // SAFETY: the same, and it is ours.
        unsafe { place.write(element) };
        self.len += 1;
    }

    #[inline]
    fn elements(&mut self) -> NonNull<[T]> {
        NonNull::slice_from_raw_parts(first(self.place.place.object), self.len)
    }

    /// Makes the slot an object, when all elements are there.
    #[inline]
    fn end(mut self) -> Gc<'g, [T]> {
        // SAFETY: so many elements have been written, and nobody else knows of them.
        let elements = unsafe { self.elements().as_ref() };
        self.g.shade_initial(elements);
        self.place.publish(self.g);
        let object = self.place.place.object;
        std::mem::forget(self);
        // SAFETY: it has been allocated under this guard.
        unsafe { Gc::of(object) }
    }
}

impl<T> Drop for Filling<'_, T> {
    /// What made the elements has panicked.
    fn drop(&mut self) {
        let object = self.place.place.object;
        let elements = NonNull::slice_from_raw_parts(first::<T>(object), self.len);
        // SAFETY: so many have been written, and nobody else knows of them.
        unsafe { elements.drop_in_place() };
        arena::abandon(&self.place.place);
        if self.place.is_large {
            arena::settle(&self.place.place);
        }
    }
}

#[cfg(test)]
mod tests;
