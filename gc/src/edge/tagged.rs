//! Edges with a tag: a pointer and three bits that are changed as one.

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::ptr;

use super::link::{Link, TAGS, address};
use super::{pointer, raw};
use crate::pointee::Branded;
use crate::{Gc, Guard, Trace, Tracer};

/// What a [`TaggedEdge`] holds: a pointer to an object or to nothing, and a tag from 0 to 7.
///
/// It is one word, and `Copy`. Two are equal if they are to the same object and have the same tag.
pub struct Tagged<'g, T: ?Sized> {
    word: *mut (),
    _target: PhantomData<Gc<'g, T>>,
}

// SAFETY: it is a `Gc` with a number.
unsafe impl<T: ?Sized + Send + Sync> Send for Tagged<'_, T> {}
// SAFETY: as for `Send`.
unsafe impl<T: ?Sized + Send + Sync> Sync for Tagged<'_, T> {}

impl<'g, T: ?Sized> Tagged<'g, T> {
    /// The largest tag.
    pub const MAX_TAG: u8 = TAGS as u8;

    /// Joins a pointer and a tag.
    ///
    /// # Panics
    ///
    /// Panics if the tag is more than [`MAX_TAG`](Self::MAX_TAG).
    #[inline]
    #[must_use]
    #[track_caller]
    pub fn new(target: Option<Gc<'g, T>>, tag: u8) -> Self {
        assert!(tag <= Self::MAX_TAG, "a tag has three bits");
        // SAFETY: a pointer of this brand.
        unsafe { Self::of(raw(target).map_addr(|addr| addr | usize::from(tag))) }
    }

    /// Makes one of a word.
    ///
    /// # Safety
    ///
    /// The word is one of an edge to a `T` under this brand.
    #[inline]
    unsafe fn of(word: *mut ()) -> Self {
        let _target = PhantomData;
        Self { word, _target }
    }

    /// Returns the pointer.
    #[inline]
    #[must_use]
    pub fn target(self) -> Option<Gc<'g, T>> {
        // SAFETY: that of an edge of this brand, or a pointer of it.
        unsafe { pointer(address(self.word)) }
    }

    /// Returns the tag.
    #[inline]
    #[must_use]
    pub fn tag(self) -> u8 {
        (self.word.addr() & TAGS) as u8
    }

    /// Returns the same pointer with another tag.
    ///
    /// # Panics
    ///
    /// Panics if the tag is more than [`MAX_TAG`](Self::MAX_TAG).
    #[inline]
    #[must_use]
    #[track_caller]
    pub fn with_tag(self, tag: u8) -> Self {
        Self::new(self.target(), tag)
    }
}

impl<T: ?Sized> Copy for Tagged<'_, T> {}

impl<T: ?Sized> Clone for Tagged<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: ?Sized> PartialEq for Tagged<'_, T> {
    fn eq(&self, other: &Self) -> bool {
        self.word == other.word
    }
}

impl<T: ?Sized> Eq for Tagged<'_, T> {}

impl<T: ?Sized> Default for Tagged<'_, T> {
    fn default() -> Self {
        Self::new(None, 0)
    }
}

impl<'g, T: ?Sized> From<Gc<'g, T>> for Tagged<'g, T> {
    fn from(target: Gc<'g, T>) -> Self {
        Self::new(Some(target), 0)
    }
}

impl<T: ?Sized> fmt::Debug for Tagged<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The target may lead back here.
        f.debug_struct("Tagged")
            .field("target", &address(self.word))
            .field("tag", &self.tag())
            .finish()
    }
}

/// An [`Edge`](crate::Edge) with a tag of three bits that is changed along with the pointer, or alone.
///
/// A lock-free structure can note in it what has become of the object that the edge is a field of: Harris's list marks a node
/// that is removed in its own edge to the next, so that nothing is inserted behind it any more. The tag says nothing to the
/// collector, and needs no barrier.
///
/// # Examples
///
/// ```
/// use gort_gc::{Tagged, TaggedEdge, Trace, with};
///
/// const REMOVED: u8 = 1;
///
/// #[derive(Trace)]
/// struct Node<'g> {
///     next: TaggedEdge<'g, Node<'g>>,
/// }
///
/// with(|g| {
///     let last = g.alloc(Node { next: TaggedEdge::null() });
///     let first = g.alloc(Node { next: TaggedEdge::new(last.into()) });
///     let before = first.next.fetch_or(REMOVED);
///     assert_eq!(before.tag(), 0);
///     // Who has seen the edge without the tag cannot change it any more.
///     let new = Tagged::from(first);
///     assert!(first.next.compare_exchange(g, before, new).is_err());
/// });
/// ```
pub struct TaggedEdge<'g, T: ?Sized> {
    link: Link,
    _invariant: PhantomData<Cell<Gc<'g, T>>>,
}

// SAFETY: it is an atomic `Tagged`.
unsafe impl<T: ?Sized + Send + Sync> Send for TaggedEdge<'_, T> {}
// SAFETY: as for `Send`.
unsafe impl<T: ?Sized + Send + Sync> Sync for TaggedEdge<'_, T> {}

impl<'g, T: ?Sized> TaggedEdge<'g, T> {
    /// Creates an edge to nothing, with the tag 0.
    #[must_use]
    pub const fn null() -> Self {
        Self {
            link: Link::new(ptr::null_mut()),
            _invariant: PhantomData,
        }
    }

    /// Creates an edge.
    #[must_use]
    pub fn new(contents: Tagged<'g, T>) -> Self {
        Self {
            link: Link::new(contents.word),
            _invariant: PhantomData,
        }
    }

    /// Returns the target and the tag.
    #[inline]
    pub fn load(&self) -> Tagged<'g, T> {
        // SAFETY: only words of pointers to a `T` of this brand go in.
        unsafe { Tagged::of(self.link.load()) }
    }

    /// Changes the target and the tag.
    #[inline]
    pub fn store(&self, g: &Guard, new: Tagged<'g, T>) {
        self.link.store(g, new.word);
    }

    /// Changes the target and the tag, and returns those before.
    pub fn swap(&self, g: &Guard, new: Tagged<'g, T>) -> Tagged<'g, T> {
        // SAFETY: as in `load`.
        unsafe { Tagged::of(self.link.swap(g, new.word)) }
    }

    /// Changes the target and the tag from `current` to `new`, and returns `current`.
    ///
    /// # Errors
    ///
    /// Returns the target and the tag if they are not `current`; then nothing is changed.
    #[inline]
    pub fn compare_exchange(
        &self,
        g: &Guard,
        current: Tagged<'g, T>,
        new: Tagged<'g, T>,
    ) -> Result<Tagged<'g, T>, Tagged<'g, T>> {
        let result = self.link.compare_exchange(g, current.word, new.word);
        // SAFETY: as in `load`.
        let tagged = |word| unsafe { Tagged::of(word) };
        result.map(tagged).map_err(tagged)
    }

    /// Sets bits of the tag, whatever the target is, and returns the target and the tag before.
    ///
    /// It takes no guard, because the target stays.
    ///
    /// # Panics
    ///
    /// Panics if the tag is more than [`Tagged::MAX_TAG`].
    #[track_caller]
    pub fn fetch_or(&self, tag: u8) -> Tagged<'g, T> {
        assert!(tag <= Tagged::<T>::MAX_TAG, "a tag has three bits");
        // SAFETY: as in `load`.
        unsafe { Tagged::of(self.link.set_tag(usize::from(tag))) }
    }

    /// Changes the target and the tag of an edge that nobody else can reach.
    pub fn set(&mut self, new: Tagged<'g, T>) {
        self.link.set(new.word);
    }
}

impl<T: ?Sized> Default for TaggedEdge<'_, T> {
    fn default() -> Self {
        Self::null()
    }
}

impl<'g, T: ?Sized> From<Tagged<'g, T>> for TaggedEdge<'g, T> {
    fn from(contents: Tagged<'g, T>) -> Self {
        Self::new(contents)
    }
}

impl<T: ?Sized> fmt::Debug for TaggedEdge<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TaggedEdge").field(&self.load()).finish()
    }
}

// SAFETY: `At` replaces the brand in both places; the target is handed over; changes pass the barrier, or leave the target, or
// are made by one who has the edge to himself.
unsafe impl<'g, T: ?Sized + Branded<'g>> Trace<'g> for TaggedEdge<'g, T> {
    type At<'h> = TaggedEdge<'h, T::At<'h>>;

    #[inline]
    fn trace(&self, tracer: &mut Tracer<'_>) {
        self.link.trace(tracer);
    }
}
