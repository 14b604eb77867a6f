//! The sweep: what has not been marked becomes free, block by block.
//!
//! It begins as the marking ends, and goes on beside the program. A thread that needs a block sweeps some of its type
//! itself, so memory is used again at once; threads without anything else to do may [`help`], and those that allocate too fast
//! have to; the collector's thread sweeps all others. Values with destructors are
//! condemned, and their blocks handed to the [`dropper`].

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use crate::arena::{Block, Space, Tally};
use crate::dropper;
use crate::fork;
use crate::local::debt::ASSIST;
use crate::local::lock;
use crate::object::ObjectRef;
use crate::phase::Color;

/// How long the collector waits for one who has claimed a block and goes on sweeping. Thin air.
const NAP: Duration = Duration::from_micros(50);

/// Locked while objects and blocks may be freed, and by those who look at all of them.
static SWEEPING: Mutex<()> = Mutex::new(());

/// The spaces of the sweep that goes on, for those who help: the one that the collector comes to last is taken first.
static SHARED: Mutex<Vec<&'static Space>> = Mutex::new(Vec::new());

/// Set if there are any.
static IS_SHARED: AtomicBool = AtomicBool::new(false);

/// Sweeps a block for the collector, and tells whether there was one.
#[inline]
pub(crate) fn help() -> bool {
    wants_help() && help_slow()
}

/// Tells whether there may be a block to sweep for others than the collector.
#[inline]
pub(crate) fn wants_help() -> bool {
    // Relaxed: a hint; the lock of the spaces orders the rest.
    IS_SHARED.load(Ordering::Relaxed)
}

/// Sweeps blocks for the collector for as long as [`ASSIST`], and tells whether there were any.
pub(crate) fn assist() -> bool {
    let begin = Instant::now();
    let mut swept = false;
    while help() {
        swept = true;
        if begin.elapsed() >= ASSIST {
            break;
        }
    }
    swept
}

#[cold]
fn help_slow() -> bool {
    if fork::is_child() {
        return false;
    }
    loop {
        let Some(space) = lock(&SHARED).last().copied() else {
            return false;
        };
        // This leaves one alone that has been swept, if no other sweep of it has begun.
        if space.sweep_one() {
            return true;
        }
        let mut spaces = lock(&SHARED);
        spaces.pop_if(|last| std::ptr::eq(*last, space));
        // Relaxed: as in `wants_help`.
        IS_SHARED.store(!spaces.is_empty(), Ordering::Relaxed);
    }
}

/// Lets others help, or no more.
fn share(spaces: Vec<&'static Space>) {
    let mut shared = lock(&SHARED);
    *shared = spaces;
    // Relaxed: as in `wants_help`.
    IS_SHARED.store(!shared.is_empty(), Ordering::Relaxed);
}

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
        share(spaces.iter().rev().copied().collect());
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
            let Some((tally, condemned)) = space.end_sweep() else {
                // Somebody has claimed the last block, and may be suspended.
                thread::sleep(NAP);
                continue;
            };
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
        share(Vec::new());
        if !self.condemned.is_empty() {
            dropper::drop_all(self.condemned);
        }
        self.tally
    }
}

/// Visits all objects there are. They are not swept meanwhile; new ones may be left out.
#[track_caller]
pub(crate) fn for_each_object(mut visit: impl FnMut(ObjectRef)) {
    fork::check();
    let _alone = exclude();
    for space in Space::all() {
        for block in space.blocks() {
            // SAFETY: the object is there, and not freed before the next sweep.
            block.for_each(|value| visit(unsafe { ObjectRef::of(value) }));
        }
    }
}
