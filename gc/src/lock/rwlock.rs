//! A lock with many readers or one writer around contents with gc pointers.

use std::cell::UnsafeCell;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::{PoisonError, TryLockError};

use super::gate::Gate;
use crate::guard::Guard;
use crate::seeded::bug;
use crate::{Trace, Tracer};

/// A reader-writer lock whose contents may hold gc pointers.
///
/// It is to [`Mutex`](crate::Mutex) what the lock of std is to that of std, and all that is said there holds here for
/// writers. Readers have nothing to do with the collector: it reads beside them.
///
/// # Examples
///
/// ```
/// use std::collections::HashMap;
///
/// use gort_gc::{Gc, Root, RwLock, with};
///
/// let index: Root<RwLock<HashMap<String, Gc<'static, u32>>>> = Root::new(|_| RwLock::default());
/// with(|g| {
///     index.get(g).write(g).insert("seven".to_owned(), g.alloc(7));
/// });
/// with(|g| assert_eq!(*index.get(g).read(g)["seven"], 7));
/// ```
pub struct RwLock<T> {
    /// Entered by writers.
    gate: Gate,
    /// Admits one writer, or readers.
    turn: std::sync::RwLock<()>,
    /// Changed by the writer inside the gate; read by the readers that have their turn, and beside them by the collector
    /// inside the gate.
    contents: UnsafeCell<T>,
}

/// Shared access to the contents of an [`RwLock`], which is released when this is dropped.
#[must_use = "the lock is released at once if the guard is dropped"]
pub struct RwLockReadGuard<'x, T> {
    lock: &'x RwLock<T>,
    /// Contents may be reached only while the pin lasts.
    _g: &'x Guard,
    _turn: std::sync::RwLockReadGuard<'x, ()>,
}

/// Exclusive access to the contents of an [`RwLock`], which is released when this is dropped.
#[must_use = "the lock is released at once if the guard is dropped"]
pub struct RwLockWriteGuard<'x, T> {
    lock: &'x RwLock<T>,
    g: &'x Guard,
    /// How to shade the contents before the release, if the pin wants it.
    shade: Option<fn(&Guard, &T)>,
    changed: bool,
    /// The last field: the next mutator gets its turn when we have left the gate.
    _turn: std::sync::RwLockWriteGuard<'x, ()>,
}

// SAFETY: writers are alone with the contents, so `Send` is asked for; readers and the collector share them, so `Sync` is.
unsafe impl<T: Send + Sync> Sync for RwLock<T> {}

impl<T> RwLock<T> {
    /// Creates an unlocked lock.
    #[must_use]
    pub const fn new(contents: T) -> Self {
        Self {
            gate: Gate::new(),
            turn: std::sync::RwLock::new(()),
            contents: UnsafeCell::new(contents),
        }
    }

    /// Waits until no writer holds the lock, and takes it for reading.
    ///
    /// # Panics
    ///
    /// May panic, or block for ever, if this thread holds the lock already.
    pub fn read<'x>(&'x self, g: &'x Guard) -> RwLockReadGuard<'x, T> {
        RwLockReadGuard {
            lock: self,
            _g: g,
            _turn: self.turn.read().unwrap_or_else(PoisonError::into_inner),
        }
    }

    /// Takes the lock for reading if no writer holds it.
    pub fn try_read<'x>(&'x self, g: &'x Guard) -> Option<RwLockReadGuard<'x, T>> {
        let turn = match self.turn.try_read() {
            Ok(turn) => turn,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        Some(RwLockReadGuard {
            lock: self,
            _g: g,
            _turn: turn,
        })
    }

    /// Waits until nobody holds the lock, and takes it for writing.
    ///
    /// The thread blocks also while the collector traces the contents.
    ///
    /// # Panics
    ///
    /// May panic, or block for ever, if this thread holds the lock already.
    pub fn write<'x, 'g>(&'x self, g: &'x Guard) -> RwLockWriteGuard<'x, T>
    where
        T: Trace<'g>,
    {
        let turn = self.turn.write().unwrap_or_else(PoisonError::into_inner);
        self.enter(g, turn)
    }

    /// Takes the lock for writing if no other thread holds it.
    ///
    /// The collector does not count: if it is tracing the contents, this waits for it to finish.
    pub fn try_write<'x, 'g>(&'x self, g: &'x Guard) -> Option<RwLockWriteGuard<'x, T>>
    where
        T: Trace<'g>,
    {
        let turn = match self.turn.try_write() {
            Ok(turn) => turn,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        Some(self.enter(g, turn))
    }

    fn enter<'x, 'g>(
        &'x self,
        g: &'x Guard,
        turn: std::sync::RwLockWriteGuard<'x, ()>,
    ) -> RwLockWriteGuard<'x, T>
    where
        T: Trace<'g>,
    {
        // SAFETY: the gate protects these contents, and `turn` admits one mutator.
        unsafe { self.gate.enter(g, self.contents.get()) };
        RwLockWriteGuard {
            lock: self,
            g,
            shade: g.shades_new().then_some(Guard::shade::<T>),
            changed: false,
            _turn: turn,
        }
    }

    /// Returns the contents of a lock that nobody else can reach.
    ///
    /// # Panics
    ///
    /// Panics if a write guard of this lock was forgotten, for example with `mem::forget`.
    #[track_caller]
    pub fn get_mut(&mut self) -> &mut T {
        self.gate.own();
        self.contents.get_mut()
    }

    /// Returns the contents.
    ///
    /// # Panics
    ///
    /// Panics if a write guard of this lock was forgotten, for example with `mem::forget`.
    #[track_caller]
    pub fn into_inner(mut self) -> T {
        self.gate.own();
        self.contents.into_inner()
    }
}

impl<T> Deref for RwLockReadGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: no writer has its turn while we have ours.
        unsafe { &*self.lock.contents.get() }
    }
}

impl<T> Deref for RwLockWriteGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: we are inside the gate, and nobody else has a turn, until we are dropped.
        unsafe { &*self.lock.contents.get() }
    }
}

impl<T> DerefMut for RwLockWriteGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.changed = true;
        // SAFETY: as in `deref`; and we are borrowed mutably ourselves.
        unsafe { &mut *self.lock.contents.get() }
    }
}

impl<T> Drop for RwLockWriteGuard<'_, T> {
    fn drop(&mut self) {
        if let Some(shade) = self.shade
            && self.changed
            && !bug("no shading of changed locks")
        {
            shade(self.g, self);
        }
        self.lock.gate.leave();
    }
}

// SAFETY: `At` replaces the brand in the only parameter. The gate shows all contents to the collector, or defers the object
// until it has. Changes pass the gate. Dropping the contents is their own business.
unsafe impl<'g, T: Trace<'g>> Trace<'g> for RwLock<T> {
    type At<'h> = RwLock<T::At<'h>>;
    const NEEDS_TRACE: bool = T::NEEDS_TRACE;

    fn trace(&self, tracer: &mut Tracer<'_>) {
        if Self::NEEDS_TRACE {
            // SAFETY: the gate protects these contents, and both are private to this value. Readers may be at them, and
            // inside locks in them, so we are not alone.
            unsafe { self.gate.trace(self.contents.get(), false, tracer) };
        }
    }
}

impl<T: Default> Default for RwLock<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> From<T> for RwLock<T> {
    fn from(contents: T) -> Self {
        Self::new(contents)
    }
}

impl<T> fmt::Debug for RwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // To see the contents takes a guard.
        f.debug_struct("RwLock").finish_non_exhaustive()
    }
}

impl<T: fmt::Debug> fmt::Debug for RwLockReadGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl<T: fmt::Debug> fmt::Debug for RwLockWriteGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}
