//! The register: all records, who has which, and what new ones begin with.
//!
//! # The life of a record
//!
//! ```text
//!                take              give_back
//! (new) -----------------> taken ------------> free
//!                            ^------ take ------/
//! ```
//!
//! 1. A thread *takes* a free record, or adds one, under the lock of the register. So no two find the same one free.
//! 2. It alone touches the cells of the record.
//! 3. It *gives it back*: first what others can use, like blocks with free slots, then the record. There is no lock in the second
//!    step, so a thread ends while the collector holds the register.
//!
//! What is under the locks of a record (grey objects, deferred functions, cells of weak pointers) is not handed over. It stays
//! where the collector finds it, whoever has the record then.
//!
//! Nobody takes or adds a record while the collector has its [last look](crate::grey) at all buffers. One that is added
//! between that and the end of the cycle begins with what the collector has told the others: see [`Closing`].
//!
//! Rejected: to take a record without the lock, by a read-modify-write. A thread that starts would take the cache lines of all records
//! that are in use from their owners.

use std::ops::Deref;

use gort_primitives::atomic::{AtomicBool, Ordering};
use gort_primitives::sync::{Mutex, MutexGuard};

use crate::grey::{self, Buffer, Closing, Shade};
use crate::local::unpoisoned;
use crate::seeded::bug;

/// Whether a thread has a record.
#[derive(Debug)]
pub(crate) struct Tenure(AtomicBool);

impl Tenure {
    /// That of a new record, which is its maker's.
    pub(super) fn taken() -> Self {
        Self(AtomicBool::new(true))
    }

    /// Takes the record, if it is free. The caller has the register.
    fn try_take(&self) -> bool {
        // Acquire: pairs with the Release in `end`; the cells are ours after that.
        let is_free = !self.0.load(Ordering::Acquire);
        if is_free {
            // Relaxed: whoever looks next has the register after us.
            self.0.store(true, Ordering::Relaxed);
        }
        is_free
    }

    /// Gives the record back. The caller has it.
    fn end(&self) {
        let order = if bug("records are given back without a release") {
            Ordering::Relaxed
        } else {
            // Release: publishes the cells to the Acquire in `try_take`.
            Ordering::Release
        };
        self.0.store(false, order);
    }
}

/// What the register has to know of a record.
pub(crate) trait Record {
    type Object: Shade + 'static;

    fn tenure(&self) -> &Tenure;

    fn grey(&self) -> &Buffer<Self::Object>;

    /// Gives what the owner has at hand to those who can use it. The caller is the owner.
    fn empty(&self);
}

/// See the head of the file. `R` is a reference to a record.
#[derive(Debug)]
pub(crate) struct Register<R>(Mutex<Records<R>>);

/// All records, while nobody can take or add any.
#[derive(Debug)]
pub(crate) struct Records<R> {
    all: Vec<R>,
    /// What new buffers are, which is what all others are.
    closing: Closing,
}

impl<R> Register<R> {
    #[cfg(not(gort_loom))]
    pub(super) const fn new() -> Self {
        Self(Mutex::new(Records::new()))
    }

    #[cfg(gort_loom)]
    pub(super) fn new() -> Self {
        Self(Mutex::new(Records::new()))
    }
}

impl<R: Deref<Target: Record> + Clone> Register<R> {
    pub(super) fn lock(&self) -> MutexGuard<'_, Records<R>> {
        unpoisoned(self.0.lock())
    }

    /// Takes a record that is free, or one that is made with a buffer like those of the others.
    pub(super) fn take(&self, make: impl FnOnce(Closing) -> R) -> R {
        let mut records = self.lock();
        let free = records.iter().find(|record| record.tenure().try_take());
        if let Some(free) = free {
            return free.clone();
        }
        let record = make(match records.closing {
            _ if bug("new buffers are open") => Closing::Open,
            closing => closing,
        });
        records.all.push(record.clone());
        record
    }
}

/// Gives a record to the next thread. The caller is the owner, and is not any more.
pub(super) fn give_back<R: Record>(record: &R) {
    if bug("records are given back before what is at hand") {
        record.tenure().end();
        return record.empty();
    }
    record.empty();
    record.tenure().end();
}

impl<R> Records<R> {
    const fn new() -> Self {
        Self {
            all: Vec::new(),
            closing: Closing::Open,
        }
    }
}

impl<R: Deref<Target: Record> + Clone> Records<R> {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &R> + Clone {
        self.all.iter()
    }

    /// The records of now, without the lock.
    pub(crate) fn to_vec(&self) -> Vec<R> {
        self.all.clone()
    }

    /// Lets all upgrades know how far the collector is.
    pub(crate) fn set_closing(&mut self, closing: Closing) {
        self.closing = closing;
        self.iter()
            .for_each(|record| record.grey().set_closing(closing));
    }

    /// Takes what is in any of the buffers, and tells whether nothing is grey any more: then all of them are closed.
    pub(crate) fn last_look(&mut self, grey: &mut Vec<<R::Target as Record>::Object>) -> bool {
        let nothing = grey::last_look(self.iter().map(|record| record.grey()), grey);
        if nothing {
            self.closing = Closing::Closed;
        }
        nothing
    }
}

#[cfg(all(test, gort_loom))]
mod model;
