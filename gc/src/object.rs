//! Objects as the collector sees them: pointers, and what is known of their types.
//!
//! An object has no header. Its address tells the [`Block`] that it lies in, which has its type and its colour.

use std::alloc::Layout;
use std::any::{TypeId, type_name};
use std::marker::PhantomData;
use std::ptr::NonNull;

use crate::arena::{Block, Shape};
use crate::grey::Shade;
use crate::phase::Color;
use crate::trace::{Trace, TypeInfo};
use crate::tracer::Tracer;

/// What the collector knows of a type. The alignment spreads vtables over the caches of the threads.
#[derive(Clone, Copy, Debug)]
#[repr(align(128))]
pub(crate) struct VTable {
    /// That of the type under the brand `'static`.
    pub(crate) type_id: fn() -> TypeId,
    pub(crate) type_name: fn() -> &'static str,
    /// That of the value, or of an element of a slice.
    pub(crate) value: Layout,
    pub(crate) shape: Shape,
    pub(crate) needs_drop: bool,
    pub(crate) needs_trace: bool,
    /// Whether slots are filled by foreign code, which may do anything meanwhile.
    pub(crate) is_filled_slowly: bool,
    pub(crate) info: TypeInfo,
    /// The bytes of the value.
    pub(crate) size: unsafe fn(NonNull<()>) -> usize,
    pub(crate) trace: unsafe fn(NonNull<()>, &mut Tracer<'_>),
    /// Traces some elements from one on, and returns how many if there are more.
    pub(crate) trace_part: unsafe fn(NonNull<()>, usize, &mut Tracer<'_>) -> usize,
    pub(crate) trace_field: unsafe fn(NonNull<()>, usize, &mut Tracer<'_>),
    pub(crate) drop: unsafe fn(NonNull<()>),
}

const _: () = assert!(size_of::<VTable>() == align_of::<VTable>());

/// A pointer to a live object, as the collector sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ObjectRef(NonNull<()>);

// SAFETY: it is an address with a promise; what is done with it has its own conditions.
unsafe impl Send for ObjectRef {}

/// Gives the vtable of a type an address for ever; it may have several.
pub(crate) struct Promoted<'g, T>(PhantomData<&'g T>);

impl<'g, T: Trace<'g>> Promoted<'g, T> {
    pub(crate) const VTABLE: &'static VTable = &VTable {
        type_id: TypeId::of::<T::At<'static>>,
        type_name: type_name::<T>,
        value: Layout::new::<T>(),
        shape: Shape::of(Layout::new::<T>()),
        needs_drop: std::mem::needs_drop::<T>(),
        needs_trace: T::NEEDS_TRACE,
        is_filled_slowly: false,
        info: T::INFO,
        size: size::<T>,
        trace: trace::<T>,
        trace_part: trace_part::<T>,
        trace_field: trace_field::<T>,
        drop: drop::<T>,
    };
}

unsafe fn size<T>(_: NonNull<()>) -> usize {
    size_of::<T>()
}

unsafe fn trace<'g, T: Trace<'g>>(object: NonNull<()>, tracer: &mut Tracer<'_>) {
    // SAFETY: the caller vouches for a live value of this type.
    let value = unsafe { object.cast::<T>().as_ref() };
    // SAFETY: the same.
    if value.is_long() && tracer.put_off(unsafe { ObjectRef::of(object) }, 0) {
        return;
    }
    value.trace(tracer);
}

unsafe fn trace_part<'g, T: Trace<'g>>(
    value: NonNull<()>,
    from: usize,
    tracer: &mut Tracer<'_>,
) -> usize {
    // SAFETY: as in `trace`. Nobody changes the elements between two parts: the value is in the heap.
    unsafe { value.cast::<T>().as_ref() }.trace_part(from, tracer)
}

unsafe fn trace_field<'g, T: Trace<'g>>(value: NonNull<()>, index: usize, tracer: &mut Tracer<'_>) {
    // SAFETY: as in `trace`.
    unsafe { value.cast::<T>().as_ref() }.trace_field(index, tracer);
}

unsafe fn drop<T>(value: NonNull<()>) {
    // SAFETY: the caller vouches for a value of this type that nobody uses any more.
    unsafe { value.cast::<T>().drop_in_place() };
}

impl Shade for ObjectRef {
    #[inline]
    fn color(self) -> Color {
        let block = self.block();
        block.color(block.slot_of(self.0)).get()
    }

    #[inline]
    fn set_color(self, color: Color) {
        let block = self.block();
        // Two who mark at the same time trace the object twice, which does no harm.
        block.color(block.slot_of(self.0)).set(color);
    }

    #[inline]
    fn needs_trace(self) -> bool {
        self.block().needs_trace()
    }
}

impl ObjectRef {
    /// The object at an address.
    ///
    /// # Safety
    ///
    /// An object was allocated there, and it has not been freed as long as this is used.
    #[inline]
    pub(crate) unsafe fn of(value: NonNull<()>) -> Self {
        Self(value)
    }

    /// Returns the address, which is how the program knows the object.
    #[inline]
    pub(crate) fn value(self) -> NonNull<()> {
        self.0
    }

    #[inline]
    fn block(self) -> Block {
        Block::of(self.0)
    }

    pub(crate) fn vtable(self) -> &'static VTable {
        self.block().vtable()
    }

    /// The bytes of the value.
    pub(crate) fn size(self) -> usize {
        // SAFETY: the object is live, and the function is that of its type.
        unsafe { (self.vtable().size)(self.value()) }
    }

    /// The bytes that the object takes.
    pub(crate) fn bytes(self) -> usize {
        self.block().slot_bytes()
    }

    /// Hands the pointers in the value to `tracer`.
    pub(crate) fn trace(self, tracer: &mut Tracer<'_>) {
        // SAFETY: the object is live, and the function is that of its type.
        unsafe { (self.vtable().trace)(self.value(), tracer) };
    }

    /// Hands over the pointers in some elements, from one on, and returns how many those are, if there are more.
    pub(crate) fn trace_part(self, from: usize, tracer: &mut Tracer<'_>) -> usize {
        // SAFETY: the object is live, and the function is that of its type.
        unsafe { (self.vtable().trace_part)(self.value(), from, tracer) }
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
}
