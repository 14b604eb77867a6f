//! What may live in the heap, and how the collector finds the pointers in it.
//!
//! [`Trace`] is implemented by `#[derive(Trace)]` for your own types, and in `std_types` for those of the standard library.
//! The rule there is short. A container is traced if its contents can only change through `&mut`, because the barriers
//! know of no other change: `Vec`, `Box`, `HashMap`, `Option`. A type with interior mutability, and a shared one, is
//! accepted for contents that are `'static` and hence hold no gc pointers: `std::sync::Mutex`, `OnceLock`, `Arc`. What has
//! to be mutable *and* hold pointers is [`Edge`](crate::Edge), [`Mutex`](crate::Mutex), [`RwLock`](crate::RwLock) or
//! [`OnceCell`](crate::OnceCell), whose operations tell the collector.

mod std_types;

use std::any::type_name;
use std::fmt;
use std::ops::{Deref, DerefMut};

use crate::tracer::Tracer;

/// A type whose values can live in the garbage collected heap, seen under the brand `'g`.
///
/// Implement it with `#[derive(Trace)]`. The brand is the lifetime for which some guard is borrowed; a value with gc
/// pointers carries it as its only lifetime parameter, and so can neither outlive the guard nor be mixed with values whose
/// guard ends earlier.
///
/// # Safety
///
/// The collector frees what it does not find, so an implementation promises:
///
/// 1. `At<'h>` is `Self` with the brand `'g` replaced by `'h`, and nothing else: once lifetimes are erased, the two are the
///    same type.
/// 2. `trace` hands every gc pointer in the value to the tracer, by calling `trace` of the fields, whatever state the value
///    is in. It neither panics nor blocks, uses no guard, and writes to nothing. Any thread that uses the heap may call it.
/// 3. Gc pointers in the value change only through `&mut self`, or through types that have the write barriers built in.
/// 4. If `NEEDS_TRACE` is false, there is never a gc pointer in a value.
/// 5. Dropping the value does not look at gc pointers in it: their targets may be gone.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot live in the gc heap",
    label = "the collector cannot trace this type",
    note = "derive `Trace` for a type of your own",
    note = "wrap a value that holds no gc pointers in `Static(..)`, or mark the field `#[gc(opaque)]`",
    note = "in place of `Cell`, `std::sync::Mutex` and `OnceLock` use `Edge`, `gc::Mutex` and `gc::OnceCell` around gc pointers"
)]
pub unsafe trait Trace<'g>: 'g {
    /// The same type under the brand `'h`.
    type At<'h>: Trace<'h>;

    /// Is false if no value of this type ever holds a gc pointer.
    const NEEDS_TRACE: bool = true;

    /// What is known of the type's fields at run time.
    const INFO: TypeInfo = TypeInfo::opaque();

    /// Hands every gc pointer in this value to the tracer.
    fn trace(&self, tracer: &mut Tracer<'_>);

    /// Hands over the gc pointers in the field with number `index` in [`INFO`](Trace::INFO) only.
    ///
    /// This labels the edges of a graph dump. A type without known fields counts as one field.
    fn trace_field(&self, index: usize, tracer: &mut Tracer<'_>) {
        if index == 0 {
            self.trace(tracer);
        }
    }

    /// Tells whether the value has so many elements that an object of this type is traced in parts.
    #[doc(hidden)]
    fn is_long(&self) -> bool {
        false
    }

    /// Hands over the gc pointers in some elements, from one on, and returns how many those are, if there are more.
    #[doc(hidden)]
    fn trace_part(&self, _from: usize, tracer: &mut Tracer<'_>) -> usize {
        self.trace(tracer);
        0
    }
}

/// How many elements of a long object are traced at a time. Thin air: some microseconds. A test has few.
pub(crate) const PART: usize = if cfg!(test) { 1 } else { 256 };

/// As [`Trace::trace_part`], for a value that has these elements.
pub(crate) fn trace_elements<'a, 'g, T: Trace<'g> + 'a>(
    elements: impl ExactSizeIterator<Item = &'a T>,
    from: usize,
    tracer: &mut Tracer<'_>,
) -> usize {
    let rest = elements.skip(from);
    let more = rest.len() > PART;
    rest.take(PART).for_each(|element| element.trace(tracer));
    if more { PART } else { 0 }
}

/// A value that can be allocated: traceable, and fit to be shared between threads whatever its brand.
///
/// It is implemented for every type that has these properties, and saves writing them out in generic code.
pub trait Object<'g>: Trace<'g, At<'static>: Send + Sync> + Send + Sync {}

impl<'g, T: Trace<'g, At<'static>: Send + Sync> + Send + Sync> Object<'g> for T {}

/// What is known of a type at run time beside its name, size and alignment: its fields.
#[derive(Clone, Copy)]
pub struct TypeInfo {
    fields: &'static [FieldInfo],
}

/// One field of a type in the heap.
#[derive(Clone, Copy)]
pub struct FieldInfo {
    name: &'static str,
    offset: Option<usize>,
    type_name: fn() -> &'static str,
}

impl TypeInfo {
    /// Describes a type by its fields. This is called by the code that `#[derive(Trace)]` writes.
    #[must_use]
    pub const fn new(fields: &'static [FieldInfo]) -> Self {
        Self { fields }
    }

    /// Describes a type of which no fields are known.
    #[must_use]
    pub const fn opaque() -> Self {
        Self { fields: &[] }
    }

    /// Returns the fields, in the order of their declaration; for an enum those of all variants.
    #[must_use]
    pub const fn fields(&self) -> &'static [FieldInfo] {
        self.fields
    }
}

impl FieldInfo {
    /// Describes a field. This is called by the code that `#[derive(Trace)]` writes.
    #[must_use]
    pub const fn new(
        name: &'static str,
        offset: Option<usize>,
        type_name: fn() -> &'static str,
    ) -> Self {
        Self {
            name,
            offset,
            type_name,
        }
    }

    /// Returns the name: `next`, the number of a tuple's field, or `Variant.next` in an enum.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Returns the offset in bytes from the start of the value; `None` for a field of an enum.
    #[must_use]
    pub const fn offset(&self) -> Option<usize> {
        self.offset
    }

    /// Returns the name of the field's type, as [`std::any::type_name`] spells it.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        (self.type_name)()
    }
}

impl fmt::Debug for TypeInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.fields).finish()
    }
}

impl fmt::Debug for FieldInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FieldInfo")
            .field("name", &self.name)
            .field("offset", &self.offset)
            .field("type", &self.type_name())
            .finish()
    }
}

/// A value that the collector does not look into.
///
/// It must be `'static`, so it holds no gc pointers. It may have a destructor, which runs on a thread of the collector some
/// time after the object has died. A [`Root`](crate::Root) in it keeps its object alive as long as this value lives: two
/// that hold each other are never collected.
///
/// # Examples
///
/// ```
/// use gort_gc::{Static, with};
///
/// with(|g| {
///     let path = g.alloc(Static(std::sync::mpsc::channel::<u32>().0));
///     assert!(path.send(1).is_err());
/// });
/// ```
#[derive(Clone, Copy, Debug, Default, Hash, PartialEq, Eq, PartialOrd, Ord)]
#[repr(transparent)]
pub struct Static<T: 'static>(pub T);

// SAFETY: `T: 'static` holds no gc pointer except one whose guard is never dropped, so there is nothing to trace, and no
// brand to replace.
unsafe impl<'g, T: 'static> Trace<'g> for Static<T> {
    type At<'h> = Static<T>;
    const NEEDS_TRACE: bool = false;
    const INFO: TypeInfo = TypeInfo::new(&[FieldInfo::new("0", Some(0), type_name::<T>)]);

    #[inline]
    fn trace(&self, _: &mut Tracer<'_>) {}
}

impl<T: 'static> Deref for Static<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: 'static> DerefMut for Static<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T: 'static> From<T> for Static<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}
