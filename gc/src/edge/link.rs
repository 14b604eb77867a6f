//! The atomic word of an edge, and the write barrier.
//!
//! The word is the address of an object or null, with a tag in its low bits, which are none of the address's: all slots are
//! multiples of 8. To the barrier a tag means nothing.

use std::fmt;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicPtr, Ordering};

use crate::object::ObjectRef;
use crate::{Guard, Tracer};

/// The bits that a tag may have.
pub(super) const TAGS: usize = 7;

/// See the head of the file. All words are made by edges of one type, of pointers that are good where they are put.
pub(super) struct Link(AtomicPtr<()>);

/// The word without its tag.
#[inline]
pub(super) fn address(word: *mut ()) -> *mut () {
    word.map_addr(|addr| addr & !TAGS)
}

/// The object in a word.
#[inline]
fn object(word: *mut ()) -> Option<ObjectRef> {
    let value = NonNull::new(address(word))?;
    // SAFETY: it was put in as a pointer to an object, which the edge has kept alive since, or which the caller has a `Gc` of.
    Some(unsafe { ObjectRef::of(value) })
}

impl Link {
    pub(super) const fn new(word: *mut ()) -> Self {
        Self(AtomicPtr::new(word))
    }

    #[inline]
    pub(super) fn load(&self) -> *mut () {
        // Acquire: pairs with the Release in `write` and `compare_exchange`, after which the target is initialised.
        self.0.load(Ordering::Acquire)
    }

    /// Changes the word.
    #[inline]
    pub(super) fn store(&self, g: &Guard, new: *mut ()) {
        self.barrier(g, new);
        self.write(new);
    }

    /// Changes the word, and returns the one before.
    pub(super) fn swap(&self, g: &Guard, new: *mut ()) -> *mut () {
        let mut current = self.load();
        // What is taken out must be shaded before it is out.
        while let Err(newer) = self.compare_exchange(g, current, new) {
            current = newer;
        }
        current
    }

    #[inline]
    pub(super) fn compare_exchange(
        &self,
        g: &Guard,
        current: *mut (),
        new: *mut (),
    ) -> Result<*mut (), *mut ()> {
        g.barrier(|| object(current), || object(new));
        // AcqRel, Acquire: publishes `new` as in `write`, and what is returned is used as after `load`.
        self.0
            .compare_exchange(current, new, Ordering::AcqRel, Ordering::Acquire)
    }

    /// Sets bits of the tag, and returns the word before.
    ///
    /// It leads to the same object after this as before, so there is nothing to shade.
    pub(super) fn set_tag(&self, tag: usize) -> *mut () {
        // AcqRel: what the caller has done comes before the tag, and what is returned is used as after `load`.
        self.0.fetch_or(tag & TAGS, Ordering::AcqRel)
    }

    /// Changes the word of an edge that nobody else can reach.
    pub(super) fn set(&mut self, new: *mut ()) {
        *self.0.get_mut() = new;
    }

    /// The first half of [`store`](Self::store).
    #[inline]
    pub(super) fn barrier(&self, g: &Guard, new: *mut ()) {
        // The load must be an Acquire: if a thread that races with us overwrites what we write and so shades it, the object
        // that we saw here has been shaded by the one who overwrote it first.
        g.barrier(|| object(self.load()), || object(new));
    }

    /// The second half.
    #[inline]
    pub(super) fn write(&self, new: *mut ()) {
        // Release: publishes the target to the Acquire in `load`.
        self.0.store(new, Ordering::Release);
    }

    #[inline]
    pub(super) fn trace(&self, tracer: &mut Tracer<'_>) {
        if let Some(target) = object(self.load()) {
            tracer.edge(target);
        }
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Pointer::fmt(&self.load(), f)
    }
}
