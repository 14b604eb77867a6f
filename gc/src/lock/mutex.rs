//! A mutual exclusion lock around contents with gc pointers.

use std::cell::UnsafeCell;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::{PoisonError, TryLockError};

use super::gate::Gate;
use crate::guard::Guard;
use crate::seeded::bug;
use crate::{Trace, Tracer};

/// A mutual exclusion lock whose contents may hold gc pointers.
///
/// It is meant to be a field of an object in the heap. Its contents can be anything that is [`Trace`]: a `Vec` of
/// [`Gc`](crate::Gc), a `HashMap`, a struct of yours. What is changed in them passes no write barrier and costs nothing
/// extra; the lock shows all contents to the collector once in each of its cycles instead. So keep the contents small, a few
/// thousand pointers at most, and use [`collections`](crate::collections) for large ones.
///
/// The lock blocks the thread, like that of std, and its guard cannot be held across an `.await`. Unlike that of std it is
/// not poisoned when a thread panics. A lock guard that is forgotten with `mem::forget` leaves the lock locked for ever, and
/// what the contents pointed to may be collected.
///
/// # Examples
///
/// ```
/// use gort_gc::{Gc, Mutex, Trace, with};
///
/// #[derive(Trace)]
/// struct Parent<'g> {
///     children: Mutex<Vec<Gc<'g, u32>>>,
/// }
///
/// with(|g| {
///     let parent = g.alloc(Parent { children: Mutex::new(Vec::new()) });
///     parent.children.lock(g).push(g.alloc(7));
///     assert_eq!(**parent.children.lock(g).last().unwrap(), 7);
/// });
/// ```
pub struct Mutex<T> {
    gate: Gate,
    /// Admits one mutator.
    turn: std::sync::Mutex<()>,
    /// Touched by the one who is inside the gate.
    contents: UnsafeCell<T>,
}

/// Access to the contents of a [`Mutex`], which is released when this is dropped.
#[must_use = "the lock is released at once if the guard is dropped"]
pub struct MutexGuard<'x, T> {
    mutex: &'x Mutex<T>,
    g: &'x Guard,
    /// How to shade the contents before the release, if the pin wants it.
    shade: Option<fn(&Guard, &T)>,
    changed: bool,
    /// The last field: the next mutator gets its turn when we have left the gate.
    _turn: std::sync::MutexGuard<'x, ()>,
}

// SAFETY: the gate admits one thread at a time to the contents, so they are sent between threads and not shared.
unsafe impl<T: Send> Sync for Mutex<T> {}

impl<T> Mutex<T> {
    /// Creates an unlocked lock.
    #[must_use]
    pub const fn new(contents: T) -> Self {
        Self {
            gate: Gate::new(),
            turn: std::sync::Mutex::new(()),
            contents: UnsafeCell::new(contents),
        }
    }

    /// Waits for the lock, and takes it.
    ///
    /// The thread blocks while another holds the lock, or the collector traces the contents. The pin is held meanwhile, so
    /// the collector waits as well: keep the time in the lock short.
    ///
    /// # Panics
    ///
    /// May panic, or block for ever, if this thread holds the lock already.
    pub fn lock<'x, 'g>(&'x self, g: &'x Guard) -> MutexGuard<'x, T>
    where
        T: Trace<'g>,
    {
        let turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        self.enter(g, turn)
    }

    /// Takes the lock if no other thread holds it.
    ///
    /// The collector does not count: if it is tracing the contents, this waits for it to finish.
    pub fn try_lock<'x, 'g>(&'x self, g: &'x Guard) -> Option<MutexGuard<'x, T>>
    where
        T: Trace<'g>,
    {
        let turn = match self.turn.try_lock() {
            Ok(turn) => turn,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        Some(self.enter(g, turn))
    }

    fn enter<'x, 'g>(
        &'x self,
        g: &'x Guard,
        turn: std::sync::MutexGuard<'x, ()>,
    ) -> MutexGuard<'x, T>
    where
        T: Trace<'g>,
    {
        // SAFETY: the gate protects these contents, and `turn` admits one mutator.
        unsafe { self.gate.enter(g, self.contents.get()) };
        MutexGuard {
            mutex: self,
            g,
            shade: g.shades_new().then_some(Guard::shade::<T>),
            changed: false,
            _turn: turn,
        }
    }

    /// Returns the contents, locked or not.
    ///
    /// # Safety
    ///
    /// Nobody changes them meanwhile.
    #[cfg(test)]
    pub(crate) unsafe fn peek(&self) -> &T {
        // SAFETY: the caller vouches for it.
        unsafe { &*self.contents.get() }
    }

    /// Returns the contents of a lock that nobody else can reach.
    ///
    /// # Panics
    ///
    /// Panics if a guard of this lock was forgotten, for example with `mem::forget`.
    #[track_caller]
    pub fn get_mut(&mut self) -> &mut T {
        self.gate.own();
        self.contents.get_mut()
    }

    /// Returns the contents.
    ///
    /// # Panics
    ///
    /// Panics if a guard of this lock was forgotten, for example with `mem::forget`.
    #[track_caller]
    pub fn into_inner(mut self) -> T {
        self.gate.own();
        self.contents.into_inner()
    }
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: we are inside the gate until we are dropped.
        unsafe { &*self.mutex.contents.get() }
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.changed = true;
        // SAFETY: we are inside the gate until we are dropped, and borrowed mutably ourselves.
        unsafe { &mut *self.mutex.contents.get() }
    }
}

impl<T> Drop for MutexGuard<'_, T> {
    fn drop(&mut self) {
        if let Some(shade) = self.shade
            && self.changed
            && !bug("no shading of changed locks")
        {
            shade(self.g, self);
        }
        self.mutex.gate.leave();
    }
}

// SAFETY: `At` replaces the brand in the only parameter. The gate shows all contents to the collector, or defers the object
// until it has. Changes pass the gate. Dropping the contents is their own business.
unsafe impl<'g, T: Trace<'g>> Trace<'g> for Mutex<T> {
    type At<'h> = Mutex<T::At<'h>>;
    const NEEDS_TRACE: bool = T::NEEDS_TRACE;

    fn trace(&self, tracer: &mut Tracer<'_>) {
        if Self::NEEDS_TRACE {
            // SAFETY: the gate protects these contents, and both are private to this value. Without a mutator inside, no
            // one reads them.
            unsafe { self.gate.trace(self.contents.get(), true, tracer) };
        }
    }
}

impl<T: Default> Default for Mutex<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> From<T> for Mutex<T> {
    fn from(contents: T) -> Self {
        Self::new(contents)
    }
}

impl<T> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // To see the contents takes a guard.
        f.debug_struct("Mutex").finish_non_exhaustive()
    }
}

impl<T: fmt::Debug> fmt::Debug for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl<T: fmt::Display> fmt::Display for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&**self, f)
    }
}
