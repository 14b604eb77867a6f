//! Objects: a header and a value in one allocation.
//!
//! # Who touches what
//!
//! | field | by whom |
//! |---|---|
//! | `vtable` | written before the object is published, constant from then on |
//! | `color` | anybody, atomically |
//! | `next` | the owner of the list that the object is in |
//!
//! The header stands directly before the value, whatever the alignment of the value, so the address of the one gives that of
//! the other. All pointers are derived from that of the allocation.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::any::type_name;
use std::cell::UnsafeCell;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU8, Ordering};

use crate::phase::Color;
use crate::trace::{Trace, TypeInfo};
use crate::tracer::Tracer;

/// What is before every value.
#[derive(Debug)]
pub(crate) struct Header {
    vtable: &'static VTable,
    next: UnsafeCell<*mut Header>,
    color: AtomicU8,
}

/// What the collector knows of a type.
#[derive(Debug)]
pub(crate) struct VTable {
    pub(crate) type_name: fn() -> &'static str,
    /// Of the value.
    pub(crate) value: Layout,
    /// Of header, padding and value.
    object: Layout,
    pub(crate) needs_drop: bool,
    pub(crate) needs_trace: bool,
    pub(crate) info: TypeInfo,
    trace: unsafe fn(NonNull<()>, &mut Tracer<'_>),
    trace_field: unsafe fn(NonNull<()>, usize, &mut Tracer<'_>),
    drop: unsafe fn(NonNull<()>),
}

/// A pointer to a live object, as the collector sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ObjectRef(NonNull<Header>);

// SAFETY: it is an address with a promise; what is done with it has its own conditions.
unsafe impl Send for ObjectRef {}

struct VTableOf<T>(T);

impl<T> VTableOf<T> {
    const OBJECT: Layout = {
        let (size, align) = (size_of::<T>(), align_of::<T>());
        let offset = size_of::<Header>().next_multiple_of(align);
        let align = if align > align_of::<Header>() {
            align
        } else {
            align_of::<Header>()
        };
        match Layout::from_size_align(offset + size, align) {
            Ok(layout) => layout,
            Err(_) => panic!("the value is too large"),
        }
    };

    const fn vtable<'g>() -> VTable
    where
        T: Trace<'g>,
    {
        VTable {
            type_name: type_name::<T>,
            value: Layout::new::<T>(),
            object: Self::OBJECT,
            needs_drop: std::mem::needs_drop::<T>(),
            needs_trace: T::NEEDS_TRACE,
            info: T::INFO,
            trace: trace::<T>,
            trace_field: trace_field::<T>,
            drop: drop::<T>,
        }
    }
}

/// Gives the vtable an address for ever.
struct Promoted<'g, T>(std::marker::PhantomData<&'g T>);

impl<'g, T: Trace<'g>> Promoted<'g, T> {
    const VTABLE: &'static VTable = &VTableOf::<T>::vtable();
}

unsafe fn trace<'g, T: Trace<'g>>(value: NonNull<()>, tracer: &mut Tracer<'_>) {
    // SAFETY: the caller vouches for a live value of this type.
    unsafe { value.cast::<T>().as_ref() }.trace(tracer);
}

unsafe fn trace_field<'g, T: Trace<'g>>(value: NonNull<()>, index: usize, tracer: &mut Tracer<'_>) {
    // SAFETY: as in `trace`.
    unsafe { value.cast::<T>().as_ref() }.trace_field(index, tracer);
}

unsafe fn drop<T>(value: NonNull<()>) {
    // SAFETY: the caller vouches for a value of this type that nobody uses any more.
    unsafe { value.cast::<T>().drop_in_place() };
}

impl ObjectRef {
    /// Allocates an object. It is in no list yet.
    pub(crate) fn new<'g, T: Trace<'g>>(value: T, color: Color) -> (Self, NonNull<T>) {
        let layout = VTableOf::<T>::OBJECT;
        // SAFETY: the layout has the size of a header at least.
        let Some(start) = NonNull::new(unsafe { alloc(layout) }) else {
            handle_alloc_error(layout)
        };
        // SAFETY: the value is the last part of the object.
        let place = unsafe { start.byte_add(layout.size() - size_of::<T>()) }.cast::<T>();
        // SAFETY: aligned, because the offset is a multiple of the alignment; and ours.
        unsafe { place.write(value) };
        let object = Self::of(place);
        let header = Header {
            vtable: Promoted::<T>::VTABLE,
            next: UnsafeCell::new(ptr::null_mut()),
            color: AtomicU8::new(color),
        };
        // SAFETY: the bytes before the value are ours; the value's address is a multiple of the header's alignment, or the
        // offset is that of the header itself.
        unsafe { object.0.write(header) };
        (object, place)
    }

    /// Returns the object whose value is at `value`.
    pub(crate) fn of<T>(value: NonNull<T>) -> Self {
        let header = value
            .as_ptr()
            .wrapping_byte_sub(size_of::<Header>())
            .cast::<Header>();
        // A header comes before every value, so this is not null.
        Self(NonNull::new(header).expect("a value is behind its header"))
    }

    /// Returns the address of the value, which is how the program knows the object.
    pub(crate) fn value(self) -> NonNull<()> {
        // SAFETY: a value follows the header.
        unsafe { self.0.add(1) }.cast()
    }

    pub(crate) fn vtable(self) -> &'static VTable {
        self.header().vtable
    }

    pub(crate) fn color(self) -> Color {
        // Relaxed: what a colour decides is ordered by edges, by the lock of a grey buffer, or by a grace period.
        self.header().color.load(Ordering::Relaxed)
    }

    pub(crate) fn set_color(self, color: Color) {
        // Relaxed: as in `color`. Two who mark at the same time trace the object twice, which does no harm.
        self.header().color.store(color, Ordering::Relaxed);
    }

    /// Hands the pointers in the value to `tracer`.
    pub(crate) fn trace(self, tracer: &mut Tracer<'_>) {
        // SAFETY: the object is live, and the function is that of its type.
        unsafe { (self.vtable().trace)(self.value(), tracer) };
    }

    /// Hands over the pointers in one field.
    pub(crate) fn trace_field(self, index: usize, tracer: &mut Tracer<'_>) {
        // SAFETY: the object is live, and the function is that of its type.
        unsafe { (self.vtable().trace_field)(self.value(), index, tracer) };
    }

    /// Drops the value.
    ///
    /// # Safety
    ///
    /// Nobody uses the object any more, and this has not been called before.
    pub(crate) unsafe fn drop_value(self) {
        // SAFETY: the caller vouches for it.
        unsafe { (self.vtable().drop)(self.value()) };
    }

    /// Frees the memory.
    ///
    /// # Safety
    ///
    /// Nobody uses the object any more, and its value has been dropped or needs no drop.
    pub(crate) unsafe fn free(self) {
        let vtable = self.vtable();
        let offset = vtable.object.size() - vtable.value.size();
        // SAFETY: the object begins that far before its value.
        let start = unsafe { self.value().byte_sub(offset) };
        if cfg!(debug_assertions) {
            // Whoever still believes in the object is to notice.
            // SAFETY: the memory is ours now.
            unsafe { start.cast::<u8>().write_bytes(0xDD, vtable.object.size()) };
        }
        // SAFETY: from `alloc` with this layout; the caller vouches that nobody uses it.
        unsafe { dealloc(start.as_ptr().cast(), vtable.object) };
    }

    fn header(&self) -> &Header {
        // SAFETY: an `ObjectRef` is live, and its header is initialised and changed through cells only.
        unsafe { self.0.as_ref() }
    }
}

impl VTable {
    /// The bytes that an object takes.
    pub(crate) fn size(&self) -> usize {
        self.object.size()
    }
}

/// A list of objects, linked through their headers. It owns them; who frees them takes them out first.
#[derive(Debug)]
pub(crate) struct List {
    first: *mut Header,
    /// The last object, if there is any.
    last: *mut Header,
}

// SAFETY: the list owns its objects' `next`; they may be reached from any thread.
unsafe impl Send for List {}

impl List {
    pub(crate) const fn new() -> Self {
        Self {
            first: ptr::null_mut(),
            last: ptr::null_mut(),
        }
    }

    pub(crate) fn push(&mut self, object: ObjectRef) {
        if self.first.is_null() {
            self.last = object.0.as_ptr();
        }
        // SAFETY: the object has been in no list, so its `next` is ours now.
        unsafe { *object.header().next.get() = self.first };
        self.first = object.0.as_ptr();
    }

    pub(crate) fn pop(&mut self) -> Option<ObjectRef> {
        let object = ObjectRef(NonNull::new(self.first)?);
        // SAFETY: the object is in this list.
        self.first = unsafe { *object.header().next.get() };
        Some(object)
    }

    /// Moves all objects of `other` into this list.
    pub(crate) fn append(&mut self, other: &mut List) {
        let Some(last) = NonNull::new(other.last).filter(|_| !other.first.is_null()) else {
            return;
        };
        if self.first.is_null() {
            self.last = other.last;
        }
        // SAFETY: the object is in a list that is ours.
        unsafe { *ObjectRef(last).header().next.get() = self.first };
        self.first = std::mem::replace(&mut other.first, ptr::null_mut());
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = ObjectRef> {
        std::iter::successors(NonNull::new(self.first).map(ObjectRef), |object| {
            // SAFETY: the object is in this list, which is borrowed.
            NonNull::new(unsafe { *object.header().next.get() }).map(ObjectRef)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[repr(align(128))]
    struct Aligned(u8);

    // SAFETY: it holds no pointers.
    unsafe impl<'g> Trace<'g> for Aligned {
        type At<'h> = Aligned;
        const NEEDS_TRACE: bool = false;
        fn trace(&self, _: &mut Tracer<'_>) {}
    }

    fn check<'g, T: Trace<'g>>(value: T) -> NonNull<T> {
        let (object, place) = ObjectRef::new(value, 1);
        assert_eq!(object.value(), place.cast());
        assert_eq!(ObjectRef::of(place), object);
        assert!(place.is_aligned());
        assert_eq!(object.vtable().value, Layout::new::<T>());
        place
    }

    fn end<T>(place: NonNull<T>) {
        let object = ObjectRef::of(place);
        // SAFETY: nobody else knows the object.
        unsafe { object.drop_value() };
        // SAFETY: the same.
        unsafe { object.free() };
    }

    #[test]
    fn a_value_stands_behind_its_header_whatever_its_alignment() {
        end(check(7_u8));
        end(check(()));
        end(check(String::from("seven")));
        end(check([7_u64; 100]));
        let aligned = check(Aligned(7));
        // SAFETY: it is live.
        assert_eq!(unsafe { aligned.as_ref() }.0, 7);
        end(aligned);
    }

    #[test]
    fn lists_keep_what_is_put_into_them() {
        let objects: Vec<ObjectRef> = (0..5_u32).map(|n| ObjectRef::new(n, 1).0).collect();
        let (mut a, mut b) = (List::new(), List::new());
        a.append(&mut b);
        b.push(objects[0]);
        a.append(&mut b);
        b.append(&mut List::new());
        assert!(b.pop().is_none());
        for object in &objects[1..3] {
            a.push(*object);
        }
        for object in &objects[3..] {
            b.push(*object);
        }
        a.append(&mut b);
        assert_eq!(a.iter().count(), 5);
        let mut seen = 0;
        while let Some(object) = a.pop() {
            assert!(objects.contains(&object));
            end(object.value().cast::<u32>());
            seen += 1;
        }
        assert_eq!(seen, 5);
    }
}
