//! Weak pointers: they lead to an object as long as it is alive, and do not keep it so.
//!
//! A weak pointer is a strong one to a *cell*, an object with the address of the target, which the collector does not follow.
//! When a cycle has found the target dead, the cell is emptied before the cycle ends, hence before the target is swept.
//!
//! # Upgrades
//!
//! An upgrade makes a strong pointer of what may be white. What that means depends on the phase of the pin:
//!
//! | phase | the target | |
//! |---|---|---|
//! | IDLE, ARM | is not swept before the pin has ended, because of the second grace period | ARM shades it |
//! | MARK1, MARK2 | may be found dead at any time | see below |
//!
//! While a cycle marks, an upgrade happens under the lock of the thread's [grey buffer](crate::grey), which the collector takes
//! for its last look. It finds the buffer
//!
//! 1. *open*: the last look is to come. The target is shaded, which that look will notice, and kept.
//! 2. *closed*: the collector has looked at this buffer and not yet at all others. It will open it again, or decide. Wait.
//! 3. *done*: all that is dead is known, and the cells of it are empty. What the cell holds is alive.
//!
//! Buffers are opened again before the next MARK1, when all pins of the last cycle have ended.
//!
//! Rejected: a look at the colour of the target outside the lock (between reading the cell and that look the cycle may end and
//! the target's memory become another object's), and weak pointers without cells (whatever is left of a dead object has to
//! be found by all who point to it).

use std::fmt;
use std::marker::PhantomData;
use std::ptr::{self, NonNull};
use std::sync::Mutex;
use std::sync::atomic::{AtomicPtr, Ordering};

use crate::grey::{Shade, Undecided};
use crate::local::{Local, lock};
use crate::object::ObjectRef;
use crate::phase::{Color, Phase};
use crate::pointee::Branded;
use crate::{Gc, Guard, Root, Trace, Tracer};

/// Cells whose target was alive when the last cycle ended.
static CELLS: Mutex<Vec<ObjectRef>> = Mutex::new(Vec::new());

/// An object with the address of another, or null if that is dead. The type parameter is that of the other.
#[repr(transparent)]
struct Target<'g, T: ?Sized> {
    value: AtomicPtr<()>,
    _target: PhantomData<(&'g (), T)>,
}

impl<T: ?Sized> Target<'_, T> {
    /// The target, or `None` if it is dead. `Err` if that is not decided yet.
    fn try_upgrade(&self, g: &Guard) -> Result<Option<ObjectRef>, Undecided> {
        let local = g.local();
        match local.word().phase() {
            phase @ (Phase::Idle | Phase::Arm) => {
                // SAFETY: what is in a cell is not swept before the end of such a pin, because of the second grace period.
                let object = unsafe { target_of(&self.value) };
                if phase == Phase::Arm {
                    object.into_iter().for_each(|object| local.shade(object));
                }
                Ok(object)
            }
            // SAFETY: it is called while the cycle cannot end, or after it has, with the cells of what is dead emptied.
            Phase::Mark1 | Phase::Mark2 => local.upgrade(|| unsafe { target_of(&self.value) }),
        }
    }

    fn upgrade(&self, g: &Guard) -> Option<ObjectRef> {
        loop {
            if let Ok(object) = self.try_upgrade(g) {
                return object;
            }
            // The collector is between its last look at our buffer and the end of the cycle: it waits for nobody there.
            std::thread::yield_now();
        }
    }
}

/// Returns what a cell leads to.
///
/// # Safety
///
/// What is in the cell is not swept now.
unsafe fn target_of(cell: &AtomicPtr<()>) -> Option<ObjectRef> {
    // Acquire: pairs with the Release in `clear_dead`, and is published with the cell otherwise.
    let value = NonNull::new(cell.load(Ordering::Acquire))?;
    // SAFETY: the caller vouches for it.
    Some(unsafe { ObjectRef::of(value) })
}

// SAFETY: `At` replaces the brand in both places; the collector knows how to treat the address.
unsafe impl<'g, T: ?Sized + Branded<'g>> Trace<'g> for Target<'g, T> {
    type At<'h> = Target<'h, T::At<'h>>;
    const NEEDS_TRACE: bool = false;

    #[inline]
    fn trace(&self, _: &mut Tracer<'_>) {}
}

/// Empties the cells of all objects without the mark of the cycle, when all others have it.
pub(crate) fn clear_dead(mark: Color) {
    let mut cells = lock(&CELLS);
    for local in Local::all().iter() {
        cells.append(&mut lock(&local.cells));
    }
    cells.retain(|cell| {
        if cell.color() != mark {
            return false;
        }
        // SAFETY: it is marked, so it is not swept; and it is a cell.
        let cell = unsafe { cell.value().cast::<AtomicPtr<()>>().as_ref() };
        // SAFETY: it was alive when the last cycle ended, or is newer, and this one has not ended.
        let target = unsafe { target_of(cell) };
        let is_alive = target.is_some_and(|target| target.color() == mark);
        if !is_alive {
            // Release: an upgrade that sees this is after the decision.
            cell.store(ptr::null_mut(), Ordering::Release);
        }
        is_alive
    });
}

/// A pointer to an object in the heap that does not keep it alive, good for the brand `'g`.
///
/// It is as wide as a [`Gc`], `Copy`, and goes into objects. [`upgrade`](Weak::upgrade) gives the object if it is still there.
/// Each [`Gc::downgrade`] allocates a small object.
///
/// An object may be upgraded after the last strong pointer to it is gone, until the collector has noticed that.
///
/// # Examples
///
/// ```
/// use gort_gc::{Gc, Trace, Weak, with};
///
/// #[derive(Trace)]
/// struct Child<'g> {
///     parent: Weak<'g, String>,
/// }
///
/// with(|g| {
///     let parent = g.alloc(String::from("Ada"));
///     let child = g.alloc(Child { parent: parent.downgrade(g) });
///     assert_eq!(child.parent.upgrade(g).unwrap().as_ref(), "Ada");
/// });
/// ```
pub struct Weak<'g, T: ?Sized>(Gc<'g, Target<'g, T>>);

impl<'g, T: ?Sized + Branded<'g>> Weak<'g, T> {
    pub(crate) fn new(target: Gc<'g, T>, g: &'g Guard) -> Self {
        let value = AtomicPtr::new(target.object().value().as_ptr());
        let cell = Target {
            value,
            _target: PhantomData,
        };
        // SAFETY: an address may be shared and sent whatever it leads to; and `Weak` is only `Send` or `Sync` if a `Gc` is.
        let cell = unsafe { g.alloc_unchecked(cell) };
        lock(&g.local().cells).push(cell.object());
        Self(cell)
    }

    /// Returns the object, unless the collector has found that nothing else leads to it.
    ///
    /// While the collector marks this takes a lock, and it may have to wait for the end of the cycle, which is near then.
    #[must_use]
    pub fn upgrade(self, g: &'g Guard) -> Option<Gc<'g, T>> {
        let object = self.0.upgrade(g)?;
        // SAFETY: the guard is borrowed for `'g`, and the object is alive and shaded if the pin has to. It is of this type.
        Some(unsafe { Gc::of(object.value()) })
    }

    /// Makes a weak pointer that can be kept without a guard.
    #[must_use]
    pub fn root(self, g: &Guard) -> WeakRoot<T::At<'static>> {
        WeakRoot(Root::of(self.0.object(), g))
    }
}

impl<T: ?Sized> Copy for Weak<'_, T> {}

impl<T: ?Sized> Clone for Weak<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: ?Sized> fmt::Debug for Weak<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // To see the object takes a guard.
        f.debug_tuple("Weak").field(&Gc::addr(self.0)).finish()
    }
}

// SAFETY: `At` replaces the brand in both places; the cell is handed over; the pointer never changes.
unsafe impl<'g, T: ?Sized + Branded<'g>> Trace<'g> for Weak<'g, T> {
    type At<'h> = Weak<'h, T::At<'h>>;

    #[inline]
    fn trace(&self, tracer: &mut Tracer<'_>) {
        self.0.trace(tracer);
    }
}

/// A handle to an object in the heap that does not keep it alive, and can be kept without a guard.
///
/// # Examples
///
/// ```
/// use gort_gc::{collect, with};
///
/// let root = with(|g| g.alloc(7).root(g));
/// let weak = root.downgrade();
/// with(|g| assert_eq!(weak.upgrade(g).as_deref(), Some(&7)));
/// drop(root);
/// collect();
/// collect();
/// with(|g| assert!(weak.upgrade(g).is_none()));
/// ```
pub struct WeakRoot<F: ?Sized>(Root<Target<'static, F>>);

impl<F: ?Sized + Branded<'static>> WeakRoot<F> {
    /// Makes a root of a weak pointer to an `F` under another brand.
    pub(crate) fn of<'g>(weak: Weak<'g, F::At<'g>>, g: &Guard) -> Self {
        Self(Root::of(weak.0.object(), g))
    }

    /// Returns the object, unless the collector has found that nothing else leads to it.
    #[must_use]
    pub fn upgrade<'g>(&self, g: &'g Guard) -> Option<Gc<'g, F::At<'g>>> {
        let cell = self.0.get(g);
        let object = cell.upgrade(g)?;
        // SAFETY: as in `Weak::upgrade`. Its type is `F` under another brand.
        Some(unsafe { Gc::of(object.value()) })
    }

    /// The object between this and the target.
    #[cfg(test)]
    pub(crate) fn cell(&self) -> ObjectRef {
        Gc::object(self.0.get(&crate::pin()))
    }

    /// As `upgrade`, or `Err` if the collector is about to decide.
    #[cfg(test)]
    pub(crate) fn try_upgrade<'g>(
        &self,
        g: &'g Guard,
    ) -> Result<Option<Gc<'g, F::At<'g>>>, Undecided> {
        let object = self.0.get(g).try_upgrade(g)?;
        // SAFETY: as in `upgrade`.
        Ok(object.map(|object| unsafe { Gc::of(object.value()) }))
    }
}

impl<F: ?Sized> Clone for WeakRoot<F> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<F: ?Sized> fmt::Debug for WeakRoot<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // To see the object takes a guard.
        f.debug_tuple("WeakRoot").field(&self.0).finish()
    }
}
