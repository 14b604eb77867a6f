//! Guards: as long as one lives, what its thread can reach is not freed.

use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;

use crate::arena::{self, AllocError, Place};
use crate::defer::Deferred;
use crate::local::{Local, lock};
use crate::object::{ObjectRef, Promoted};
use crate::phase::{Color, mark_color};
use crate::seeded::bug;
use crate::trace::{Object, Trace};
use crate::tracer::Tracer;
use crate::{Gc, fork};

/// Proof that the current thread is pinned: what it reaches in the heap stays there while the guard lives.
///
/// A guard is cheap, and meant to be short: the collector waits for guards at two points of a cycle, while all others go on.
/// One that is held for long delays the reuse of memory and nothing else. It cannot be sent to another thread nor held
/// across an `.await`; [`Root`](crate::Root)s can. Guards nest: inner ones cost an increment.
#[must_use = "the thread is unpinned at once if the guard is dropped"]
pub struct Guard {
    local: &'static Local,
    /// Neither `Send` nor `Sync`: the record is the thread's.
    _thread: PhantomData<*mut ()>,
}

/// Pins the current thread.
///
/// [`with`] does the same for the time of a closure, and cannot be forgotten.
///
/// # Panics
///
/// Panics in a thread that uses the heap for the first time, if `GORT_GC`, `GORT_MEMLIMIT`, `GORT_GCWORKERS` or `GORT_GCTRACE` is set to what
/// means nothing; and in a child of a process that has called `fork` after it had used the heap.
///
/// # Examples
///
/// ```
/// let g = gort_gc::pin();
/// let seven = g.alloc(7);
/// assert_eq!(*seven, 7);
/// ```
#[inline]
#[track_caller]
pub fn pin() -> Guard {
    match Guard::try_pin() {
        Some(guard) => guard,
        None => fork::refuse(),
    }
}

/// Calls `f` with the current thread pinned.
///
/// # Panics
///
/// As [`pin`].
///
/// # Examples
///
/// ```
/// let seven = gort_gc::with(|g| *g.alloc(7));
/// assert_eq!(seven, 7);
/// ```
#[inline]
#[track_caller]
pub fn with<R>(f: impl FnOnce(&Guard) -> R) -> R {
    f(&pin())
}

impl Guard {
    /// Pins the current thread, unless this is a child of `fork`, which cannot be.
    #[inline]
    #[track_caller]
    pub(crate) fn try_pin() -> Option<Self> {
        let local = Local::current()?;
        local.pin(Location::caller())?;
        let _thread = PhantomData;
        Some(Self { local, _thread })
    }

    /// Moves a value to the heap.
    ///
    /// It is dropped and freed some time after it has become unreachable, on another thread, in no particular order, and
    /// not at all when the process ends before.
    ///
    /// The process is aborted when there is no memory: see [`try_alloc`](Self::try_alloc). A type with an alignment of more
    /// than 4096 does not compile here.
    #[inline]
    pub fn alloc<'g, T: Object<'g>>(&'g self, value: T) -> Gc<'g, T> {
        // SAFETY: `Object` asks for it.
        unsafe { self.alloc_unchecked(value) }
    }

    /// Moves a value to the heap, if there is memory.
    ///
    /// # Errors
    ///
    /// Gives the value back if the system refuses memory. Nothing is collected in the attempt: that takes a moment without
    /// guards.
    ///
    /// # Examples
    ///
    /// ```
    /// gort_gc::with(|g| match g.try_alloc([0_u8; 1000]) {
    ///     Ok(buffer) => assert_eq!(buffer.len(), 1000),
    ///     Err((error, buffer)) => eprintln!("{error}; {} bytes are left over", buffer.len()),
    /// });
    /// ```
    #[inline]
    pub fn try_alloc<'g, T: Object<'g>>(&'g self, value: T) -> Result<Gc<'g, T>, (AllocError, T)> {
        match self.local.place(Promoted::<T>::VTABLE) {
            // SAFETY: a slot for this type; `Object` asks for the rest.
            Ok(place) => Ok(unsafe { self.write(&place, value) }),
            Err(error) => Err((error, value)),
        }
    }

    /// Moves a value to the heap.
    ///
    /// # Safety
    ///
    /// `T` is `Send` and `Sync`, under every brand.
    #[inline]
    pub(crate) unsafe fn alloc_unchecked<'g, T: Trace<'g>>(&'g self, value: T) -> Gc<'g, T> {
        match self.local.place(Promoted::<T>::VTABLE) {
            // SAFETY: a slot for this type; the caller vouches for the rest.
            Ok(place) => unsafe { self.write(&place, value) },
            Err(error) => out_of_memory(&error),
        }
    }

    /// Makes a slot an object.
    ///
    /// It is black if the cycle is being marked: it will not be traced. So what it holds is shaded here as long as it may
    /// hold white objects.
    ///
    /// # Safety
    ///
    /// The slot has been taken for this type, and `T` is `Send` and `Sync`, under every brand.
    #[inline]
    unsafe fn write<'g, T: Trace<'g>>(&'g self, place: &Place, value: T) -> Gc<'g, T> {
        self.shade_initial(std::slice::from_ref(&value));
        // SAFETY: the slot is ours, and made for values of this type.
        unsafe { place.object.cast::<T>().write(value) };
        place.set_color(self.color_of_new());
        if Promoted::<T>::VTABLE.shape.is_large() {
            arena::settle(place);
        }
        // SAFETY: the object has been allocated under this guard: it is black, or not before its snapshot.
        unsafe { Gc::of(place.object) }
    }

    /// Shades what a new object will hold, if it has to be.
    #[inline]
    pub(crate) fn shade_initial<'g, T: Trace<'g>>(&self, values: &[T]) {
        if T::NEEDS_TRACE
            && self.local.word().shades_initial()
            && !bug("no shading of what a new object holds")
        {
            values.iter().for_each(|value| self.shade(value));
        }
    }

    /// The colour of a new object.
    #[inline]
    pub(crate) fn color_of_new(&self) -> Color {
        let word = self.local.word();
        if bug("black objects in ARM") && word.shades_new() {
            word.mark_color()
        } else if bug("white objects after the snapshot") {
            mark_color(word.cycle() - 1)
        } else {
            word.alloc_color()
        }
    }

    /// Ends the pin and begins another, so that the collector need not wait for this guard any longer.
    ///
    /// Nothing that was reached through the guard can be used after this. It does nothing if the thread holds other guards.
    #[inline]
    #[track_caller]
    pub fn repin(&mut self) {
        if self.local.repin(Location::caller()).is_none() {
            fork::refuse();
        }
    }

    /// Calls `f` when all guards that exist now have ended, this one included.
    ///
    /// This is for memory outside the heap that others may be reading: take it out of where it can be found, and defer
    /// freeing it. Whoever pins after this sees what was done before it.
    ///
    /// The function runs when the next cycle of the collector has found the guards gone, on a thread that runs all of them
    /// one after the other; not at all if the process ends before. If it panics, the others run all the same.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::atomic::{AtomicPtr, Ordering};
    ///
    /// static NAME: AtomicPtr<String> = AtomicPtr::new(std::ptr::null_mut());
    ///
    /// fn set_name(name: &str) {
    ///     let new = Box::into_raw(Box::new(name.to_owned()));
    ///     gort_gc::with(|g| {
    ///         let old = AtomicPtr::new(NAME.swap(new, Ordering::AcqRel));
    ///         g.defer(move || {
    ///             let old = old.into_inner();
    ///             if !old.is_null() {
    ///                 // SAFETY: it came from a box, and all guards under which it was found have ended.
    ///                 drop(unsafe { Box::from_raw(old) });
    ///             }
    ///         });
    ///     });
    /// }
    /// # set_name("Ada");
    /// # set_name("Ben");
    /// ```
    pub fn defer(&self, f: impl FnOnce() + Send + 'static) {
        fork::check();
        lock(&self.local.deferred).push(Deferred::new(f));
        self.local.count_allocation(Deferred::BYTES);
    }

    /// The record of the thread.
    #[inline]
    pub(crate) fn local(&self) -> &'static Local {
        self.local
    }

    /// The word of the pin, as locks note it.
    pub(crate) fn word(&self) -> u64 {
        self.local.word().0
    }

    /// The number of the cycle, if this pin marks.
    pub(crate) fn marking(&self) -> Option<u64> {
        self.local.word().marking()
    }

    /// Tells whether new pointers must be shaded.
    pub(crate) fn shades_new(&self) -> bool {
        let word = self.local.word();
        let left_out = bug("no shading of new pointers")
            || bug("shading of new pointers in ARM only") && word.shades_initial();
        word.shades_new() && !left_out
    }

    /// Shades all pointers in a value that is owned: no other thread can change it.
    pub(crate) fn shade<'g, T: Trace<'g>>(&self, value: &T) {
        value.trace(&mut Tracer::shading(self.local));
    }

    /// The barrier of a change of `old` to `new`.
    #[inline]
    pub(crate) fn barrier(
        &self,
        old: impl FnOnce() -> Option<ObjectRef>,
        new: impl FnOnce() -> Option<ObjectRef>,
    ) {
        if self.local.word().shades_old() {
            self.barrier_slow(old(), new());
        }
    }

    #[cold]
    fn barrier_slow(&self, old: Option<ObjectRef>, new: Option<ObjectRef>) {
        if let Some(old) = old
            && !bug("no shading of old pointers")
        {
            self.local.shade(old);
        }
        if self.shades_new()
            && let Some(new) = new
        {
            self.local.shade(new);
        }
    }
}

#[cold]
pub(crate) fn out_of_memory(error: &AllocError) -> ! {
    eprintln!("gort-gc: {error}");
    std::process::abort()
}

impl Drop for Guard {
    #[inline]
    fn drop(&mut self) {
        self.local.unpin();
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard")
            .field("word", &self.local.word())
            .finish_non_exhaustive()
    }
}
