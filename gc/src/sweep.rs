//! The sweep: what has not been marked becomes free, block by block.
//!
//! It begins as the marking ends, and goes on beside the program. A thread that needs a block sweeps some of its type
//! itself, so memory is used again at once; the collector's thread sweeps all others. Values with destructors are
//! condemned, and their blocks handed to the [`dropper`].

use std::sync::{Mutex, MutexGuard};

use crate::arena::{Block, Space, Tally};
use crate::dropper;
use crate::local::lock;
use crate::object::ObjectRef;
use crate::phase::Color;

/// Locked while objects and blocks may be freed, and by those who look at all of them.
static SWEEPING: Mutex<()> = Mutex::new(());

/// A sweep, which can be stepped.
pub(crate) struct Sweep {
    /// Those that are not swept completely.
    spaces: Vec<&'static Space>,
    condemned: Vec<Block>,
    tally: Tally,
    _alone: MutexGuard<'static, ()>,
}

/// Nobody sweeps, and no block is released, as long as this is held.
pub(crate) fn exclude() -> MutexGuard<'static, ()> {
    lock(&SWEEPING)
}

impl Sweep {
    /// Begins to sweep: all that can be reached has the colour `live`, and so has what is new from when `publish` is called.
    pub(crate) fn begin(live: Color, publish: impl FnOnce()) -> Self {
        let _alone = exclude();
        publish();
        // A space that is made after this has nothing to be swept.
        let spaces = Space::all();
        spaces.iter().for_each(|space| space.begin_sweep(live));
        Self {
            spaces,
            condemned: Vec::new(),
            tally: Tally::default(),
            _alone,
        }
    }

    /// Sweeps a block, and tells whether there was one left.
    pub(crate) fn step(&mut self) -> bool {
        while let Some(space) = self.spaces.last() {
            if space.sweep_one() {
                return true;
            }
            let (tally, condemned) = space.end_sweep();
            self.tally += tally;
            self.condemned.extend(condemned);
            self.spaces.pop();
        }
        false
    }

    /// Sweeps all blocks that are left, and ends.
    pub(crate) fn complete(mut self) -> Tally {
        while self.step() {}
        self.end()
    }

    /// Hands what is condemned to the dropper, and tells what has been found.
    fn end(self) -> Tally {
        if !self.condemned.is_empty() {
            dropper::drop_all(self.condemned);
        }
        self.tally
    }
}

/// Visits all objects there are. They are not swept meanwhile; new ones may be left out.
pub(crate) fn for_each_object(mut visit: impl FnMut(ObjectRef)) {
    let _alone = exclude();
    for space in Space::all() {
        for block in space.blocks() {
            // SAFETY: the object is there, and not freed before the next sweep.
            block.for_each(|value| visit(unsafe { ObjectRef::of(value) }));
        }
    }
}
