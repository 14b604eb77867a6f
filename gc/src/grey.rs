//! Grey buffers: what threads have shaded and the collector has not traced, and how it finds out that there is nothing left.
//!
//! # The last look
//!
//! It comes when there is [nothing left](pool) to be traced, on the collector's stack or anywhere else.
//!
//! 1. The collector takes what is in each buffer, one after the other, and notes how much has ever been pushed to it.
//! 2. If there was nothing, it looks at each buffer again, and *closes* it.
//! 3. If nobody has pushed anything in between, there was a moment, between the two rounds, at which all buffers were empty: so
//!    nothing was grey, and nothing can become grey, except by the upgrade of a [weak](crate::weak) pointer. Else it opens all
//!    buffers and marks on.
//!
//! Upgrades happen under the lock of the thread's buffer. Those before it is closed are counted; those after it wait for the
//! decision, and find no object that was found dead.

mod pool;

use gort_primitives::sync::{Mutex, MutexGuard};

use crate::local::unpoisoned;
use crate::phase::Color;
use crate::seeded::bug;

pub(crate) use pool::{Active, CHUNK, Job, Left, Pool, Rest, Work};

/// What can be shaded.
pub(crate) trait Shade: Copy {
    fn color(self) -> Color;
    fn set_color(self, color: Color);
    /// Tells whether there may be pointers in it.
    fn needs_trace(self) -> bool;
}

/// The objects that a thread has shaded. See the head of the file.
#[derive(Debug)]
pub(crate) struct Buffer<T>(Mutex<Contents<T>>);

#[derive(Debug)]
struct Contents<T> {
    objects: Vec<T>,
    /// How many have ever been pushed.
    pushed: u64,
    closing: Closing,
}

/// Whether the collector has had its last look at a buffer. See [`weak`](crate::weak).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closing {
    Open,
    Closed,
    Done,
}

/// The collector is about to decide.
#[derive(Debug)]
pub(crate) struct Undecided;

impl<T: Shade> Contents<T> {
    fn push(&mut self, object: T, color: Color) {
        object.set_color(color);
        if object.needs_trace() {
            self.objects.push(object);
            self.pushed += 1;
        }
    }
}

impl<T: Shade> Buffer<T> {
    pub(crate) fn new(closing: Closing) -> Self {
        Self(Mutex::new(Contents {
            objects: Vec::new(),
            pushed: 0,
            closing,
        }))
    }

    fn lock(&self) -> MutexGuard<'_, Contents<T>> {
        unpoisoned(self.0.lock())
    }

    /// Shades an object that is white.
    pub(crate) fn push(&self, object: T, color: Color) {
        // Marking, pushing and counting are one step for the collector.
        self.lock().push(object, color);
    }

    /// Makes a strong pointer of a weak one, whose target `load` reads, while a cycle marks.
    pub(crate) fn upgrade(
        &self,
        load: impl FnOnce() -> Option<T>,
        color: Color,
    ) -> Result<Option<T>, Undecided> {
        let mut contents = self.lock();
        match contents.closing {
            Closing::Closed if !bug("upgrades after the last look") => Err(Undecided),
            Closing::Open | Closing::Closed => {
                let object = load();
                let white = object.filter(|object| object.color() != color);
                if let Some(object) = white.filter(|_| !bug("no shading of upgrades")) {
                    contents.push(object, color);
                }
                Ok(object)
            }
            Closing::Done => Ok(load()),
        }
    }

    /// Moves all that is in it.
    pub(crate) fn take(&self, into: &mut Vec<T>) {
        into.append(&mut self.lock().objects);
    }

    pub(crate) fn set_closing(&self, closing: Closing) {
        self.lock().closing = closing;
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.lock().objects.is_empty()
    }
}

/// Takes what is in any of the buffers, and tells whether nothing is grey any more: then all of them are closed. The buffers are
/// all that there are.
pub(crate) fn last_look<'a, T: Shade + 'a>(
    buffers: impl Iterator<Item = &'a Buffer<T>> + Clone,
    grey: &mut Vec<T>,
) -> bool {
    let mut pushed = Vec::new();
    for buffer in buffers.clone() {
        let mut contents = buffer.lock();
        grey.append(&mut contents.objects);
        pushed.push(contents.pushed);
    }
    if !grey.is_empty() {
        return false;
    }
    // Closed one by one: what an upgrade shades before that is counted, and after that it shades nothing.
    let changed = buffers.clone().zip(pushed).any(|(buffer, before)| {
        let mut contents = buffer.lock();
        contents.closing = Closing::Closed;
        contents.pushed != before && !bug("no second look at the grey buffers")
    });
    if changed {
        buffers.for_each(|buffer| buffer.set_closing(Closing::Open));
    }
    !changed
}

#[cfg(all(test, gort_loom))]
pub(crate) mod model;
