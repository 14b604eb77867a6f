//! The colour byte of a slot, which hands the slot from one to the next.
//!
//! | | writes the colour | reads it |
//! |---|---|---|
//! | an object comes | [`publish`](ColorByte::publish), when it has been written | [`visit`](ColorByte::visit), before it is looked at |
//! | it is dead | [`condemn`](ColorByte::condemn), when all who used it have gone | [`is_condemned`](ColorByte::is_condemned), before it is dropped |
//! | it goes | [`free`](ColorByte::free), when it has been dropped | [`claim`](ColorByte::claim), before the next is written |
//!
//! All else that is done with colours is ordered by something else: edges, the lock of a grey buffer or of a space, a grace
//! period. Who may change a colour is said in [`block`](super::block).

use gort_primitives::atomic::{AtomicU8, Ordering};

use crate::phase::{CONDEMNED, Color, FREE};
use crate::seeded::bug;

/// See the head of the file.
#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct ColorByte(AtomicU8);

impl ColorByte {
    /// The colour, for those who know by other means what is in the slot.
    #[inline]
    pub(crate) fn get(&self) -> Color {
        // Relaxed: see the head of the file.
        self.0.load(Ordering::Relaxed)
    }

    /// Changes the colour of what stays in the slot.
    #[inline]
    pub(crate) fn set(&self, color: Color) {
        // Relaxed: see the head of the file.
        self.0.store(color, Ordering::Relaxed);
    }

    /// Says what is in the slot now.
    #[inline]
    pub(crate) fn publish(&self, color: Color) {
        let order = if bug("colours are published without a release") {
            Ordering::Relaxed
        } else {
            // Release: publishes the object to the Acquire in `visit`. Whoever finds it by an edge needs no more than the
            // Release of that.
            Ordering::Release
        };
        self.0.store(color, order);
    }

    /// The colour, before what is in the slot is looked at.
    #[inline]
    pub(crate) fn visit(&self) -> Color {
        // Acquire: pairs with the Release in `publish`, after which the object is initialised.
        self.0.load(Ordering::Acquire)
    }

    /// Lets the dropper have the object. It may be at the block already, for what an earlier sweep has found.
    #[inline]
    pub(crate) fn condemn(&self) {
        let order = if bug("objects are condemned without a release") {
            Ordering::Relaxed
        } else {
            // Release: pairs with the Acquire in `is_condemned`.
            Ordering::Release
        };
        self.0.store(CONDEMNED, order);
    }

    /// Tells the dropper whether the object is its to drop.
    #[inline]
    pub(crate) fn is_condemned(&self) -> bool {
        // Acquire: pairs with the Release in `condemn`: what was done with the object comes before its destructor.
        self.0.load(Ordering::Acquire) == CONDEMNED
    }

    /// Lets the owner of the block have the slot.
    #[inline]
    pub(crate) fn free(&self) {
        let order = if bug("slots are freed without a release") {
            Ordering::Relaxed
        } else {
            // Release: pairs with the Acquire in `claim`.
            Ordering::Release
        };
        self.0.store(FREE, order);
    }

    /// The colour, before the owner of the block fills the slot if it is free.
    #[inline]
    pub(crate) fn claim(&self) -> Color {
        // Acquire: pairs with the Release in `free`: what was done with the last object in the slot comes before the next is
        // written.
        self.0.load(Ordering::Acquire)
    }
}

#[cfg(all(test, gort_loom))]
impl ColorByte {
    pub(crate) fn of(color: Color) -> Self {
        Self(AtomicU8::new(color))
    }
}

#[cfg(all(test, gort_loom))]
mod model;
