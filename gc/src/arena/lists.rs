//! The blocks of one type: who may allocate in which of them, and which have been swept.
//!
//! ```text
//!              take                  give_back
//! (new) -----------------> Owned ----------> Full --claim--> Sweeping
//!                            ^   ^              \              |  |
//!                            |   |               \             |  |
//!                            |   \--take-- Partial <--settle---/  |
//!                            \---------------------take-----------/
//!                                            (released) <---------/ nothing left
//! ```
//!
//! A thread takes a block that has free slots, and is its only owner until it gives it back. Taking and giving back are under
//! the lock of the lists, which is taken once for as many objects as there are free slots in a block. What the owner does
//! in between needs no lock: it turns FREE slots into live ones, and nobody else does that.
//!
//! # Sweeping
//!
//! `all` is in two parts: blocks before `swept` have been swept since the last cycle ended, or are being swept. Blocks are
//! swept one at a time: by the collector's thread, by one that helps it, or by one that needs a block, and keeps what it has
//! swept.
//!
//! 1. *Claim*, under the lock: a block that is Full becomes Sweeping, and belongs to the one who sweeps.
//! 2. Sweep, without the lock: whoever is suspended meanwhile holds up nobody who needs another block.
//! 3. *Settle*, under the lock: the block finds its place.
//!
//! Blocks with an owner, or at the dropper's, are swept in place, under the lock: sweeping turns dead slots into FREE ones, and
//! so does not meet what those two do. There are few of them.
//!
//! Two sweeps of a block never overlap, because of the claim, and none goes on when the next cycle begins, because the
//! collector waits until all that is claimed is settled: then the colour of the dead is that of new marks.
//!
//! Rejected: to sweep under the lock. The collector held it most of the time that it swept; when it was suspended meanwhile,
//! all who needed a block waited for a turn of the scheduler.

use std::cell::Cell;

use gort_primitives::sync::{Mutex, MutexGuard};

use super::block::Found;
use crate::local::unpoisoned;
use crate::phase::{Color, FREE};
use crate::seeded::bug;

/// How many blocks one who needs one sweeps before it takes a new one. Bounds the time that an allocation takes; thin air.
const PATIENCE: usize = 8;

/// What the lists note of a block, in its header, under their lock.
#[derive(Debug)]
pub(super) struct Standing {
    /// The place in the list of all blocks.
    index: Cell<usize>,
    state: Cell<State>,
    /// Whether the dropper has the block, or will.
    dropping: Cell<bool>,
    /// Whether slots may have become free since the owner took the block.
    gained: Cell<bool>,
}

/// Who may allocate in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The thread that has it in its cache.
    Owned,
    /// Who takes it from the list of those with free slots.
    Partial,
    /// Nobody, until a sweep or the dropper finds free slots.
    Full,
    /// Nobody, until the one who sweeps it, without the lock, is done.
    Sweeping,
}

impl Standing {
    /// That of a new block, which is its maker's.
    pub(super) const fn owned() -> Self {
        Self {
            index: Cell::new(0),
            state: Cell::new(State::Owned),
            dropping: Cell::new(false),
            gained: Cell::new(false),
        }
    }
}

/// What the lists have to know of a block.
pub(super) trait Listed: Copy {
    /// Only touched under the lock of the lists.
    fn standing(&self) -> &Standing;

    fn slots(self) -> usize;

    fn slot_bytes(self) -> usize;

    fn needs_drop(self) -> bool;

    /// How many slots are free.
    fn count_free(self) -> usize;

    fn has_condemned(self) -> bool;

    /// Sweeps a block in which an owner or the dropper may be at work.
    fn sweep(self, live: Color) -> Found;

    /// Sweeps a block that is the caller's alone. If all slots are free then, colours may be wrong until `clear`.
    ///
    /// # Safety
    ///
    /// The caller has claimed the block.
    unsafe fn sweep_claimed(self, live: Color) -> Found;

    /// Makes all slots free.
    ///
    /// # Safety
    ///
    /// The block is the caller's, and there is no object in it.
    unsafe fn clear(self);
}

/// What a sweep has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) live_objects: usize,
    pub(crate) live_bytes: usize,
    pub(crate) freed_objects: usize,
    pub(crate) freed_bytes: usize,
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.live_objects += other.live_objects;
        self.live_bytes += other.live_bytes;
        self.freed_objects += other.freed_objects;
        self.freed_bytes += other.freed_bytes;
    }
}

/// See the head of the file.
#[derive(Debug)]
pub(super) struct Lists<B>(Mutex<Contents<B>>);

#[derive(Debug)]
struct Contents<B> {
    all: Vec<B>,
    /// How many of `all` have been swept since the last cycle has ended, or are being swept.
    swept: usize,
    /// How many are being swept without the lock.
    claimed: usize,
    /// Those in the state `Partial`, all swept.
    partial: Vec<B>,
    /// The colour of what survives this sweep.
    live: Color,
    /// Those that the dropper is to get.
    condemned: Vec<B>,
    tally: Tally,
}

impl<B: Listed> Lists<B> {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Contents {
            all: Vec::new(),
            swept: 0,
            claimed: 0,
            partial: Vec::new(),
            live: FREE,
            condemned: Vec::new(),
            tally: Tally::default(),
        }))
    }

    fn lock(&self) -> MutexGuard<'_, Contents<B>> {
        unpoisoned(self.0.lock())
    }

    /// Gives the caller a block with free slots, if one is found soon.
    pub(super) fn take(&self) -> Option<B> {
        let mut lists = self.lock();
        for _ in 0..PATIENCE {
            if let Some(block) = lists.take_partial() {
                return Some(block);
            }
            if let Some(claim) = lists.sweep_next()? {
                drop(lists);
                let swept = claim.sweep();
                swept.prepare();
                lists = self.lock();
                if swept.found.free > 0 {
                    lists.settle(swept, State::Owned);
                    return Some(swept.block);
                }
                lists.settle(swept, State::Full);
            }
        }
        None
    }

    /// Adds a new block, which is the caller's and need not be swept.
    pub(super) fn insert(&self, block: B) {
        self.lock().insert(block);
    }

    /// Takes back a block from its owner, who may leave some free slots of those that it has found.
    pub(super) fn give_back(&self, block: B, leaves_some: bool) {
        let mut lists = self.lock();
        let standing = block.standing();
        debug_assert_eq!(standing.state.get(), State::Owned);
        standing.state.set(State::Full);
        // One that has not been swept yet will be looked at then. If it is one slot, and that is free, the next sweep finds it.
        let is_swept = standing.index.get() < lists.swept && block.slots() > 1;
        if is_swept && (leaves_some || standing.gained.get()) && block.count_free() > 0 {
            lists.insert_partial(block);
        }
    }

    /// Begins to sweep, when all that can be reached has the colour `live`.
    pub(super) fn begin_sweep(&self, live: Color) {
        let mut lists = self.lock();
        debug_assert!(lists.claimed == 0 || crate::seeded::is_broken());
        lists.swept = 0;
        lists.live = live;
        lists.tally = Tally::default();
        for block in std::mem::take(&mut lists.partial) {
            block.standing().state.set(State::Full);
        }
    }

    /// Sweeps one block, and tells whether there was one to sweep. Calls `release` with it if there is nothing left in it.
    pub(super) fn sweep_one(&self, release: impl FnMut(B)) -> bool {
        let next = self.lock().sweep_next();
        if let Some(Some(claim)) = next {
            let swept = claim.sweep();
            let mut lists = self.lock();
            lists.settle(swept, State::Full);
            let left = lists.place(swept.block, swept.found.free);
            drop(lists);
            left.into_iter().for_each(release);
        }
        next.is_some()
    }

    /// Takes what the sweep has counted, and the blocks with condemned objects, unless somebody sweeps on.
    pub(super) fn end_sweep(&self) -> Option<(Tally, Vec<B>)> {
        let mut lists = self.lock();
        let is_settled = lists.claimed == 0 || bug("sweeps end before all blocks are settled");
        is_settled.then(|| (lists.tally, std::mem::take(&mut lists.condemned)))
    }

    /// Takes back a block from the dropper. Returns false if more has been condemned meanwhile. Calls `release` with the block if
    /// there is nothing left in it.
    pub(super) fn dropped(&self, block: B, release: impl FnMut(B)) -> bool {
        let mut lists = self.lock();
        if block.has_condemned() {
            return false;
        }
        let standing = block.standing();
        standing.dropping.set(false);
        standing.gained.set(true);
        let is_nobodys =
            standing.state.get() == State::Full || bug("the dropper puts back what has an owner");
        // One that has not been swept yet will be looked at then.
        if is_nobodys && standing.index.get() < lists.swept {
            let left = lists.place(block, block.count_free());
            drop(lists);
            left.into_iter().for_each(release);
        }
        true
    }

    /// The blocks of now. The caller sees to it that none is released.
    pub(super) fn to_vec(&self) -> Vec<B> {
        self.lock().all.clone()
    }
}

impl<B: Listed> Contents<B> {
    fn insert(&mut self, block: B) {
        block.standing().index.set(self.all.len());
        self.all.push(block);
        if bug("new blocks are swept") {
            return;
        }
        self.swap(self.all.len() - 1, self.swept);
        self.swept += 1;
    }

    fn insert_partial(&mut self, block: B) {
        block.standing().state.set(State::Partial);
        self.partial.push(block);
    }

    fn take_partial(&mut self) -> Option<B> {
        let block = self.partial.pop()?;
        block.standing().state.set(State::Owned);
        block.standing().gained.set(false);
        Some(block)
    }

    /// Goes on to the next block that has not been swept: sweeps it, or claims it for the caller to sweep.
    fn sweep_next(&mut self) -> Option<Option<Claim<B>>> {
        let block = *self.all.get(self.swept)?;
        self.swept += 1;
        let standing = block.standing();
        let is_nobodys = standing.state.get() == State::Full && !standing.dropping.get();
        if is_nobodys || bug("blocks with an owner are claimed") {
            standing.state.set(State::Sweeping);
            self.claimed += 1;
            let live = self.live;
            return Some(Some(Claim { block, live }));
        }
        let found = block.sweep(self.live);
        self.count(block, found);
        match standing.state.get() {
            // It is the dropper's, who finds its place.
            State::Full if found.free > 0 => self.insert_partial(block),
            _ => standing.gained.set(true),
        }
        Some(None)
    }

    /// Counts what has been found in a block.
    fn count(&mut self, block: B, found: Found) {
        let slot = block.slot_bytes();
        self.tally += Tally {
            live_objects: found.live,
            live_bytes: found.live * slot,
            freed_objects: found.dead,
            freed_bytes: found.dead * slot,
        };
        let dropping = &block.standing().dropping;
        if block.needs_drop() && found.dead > 0 && !dropping.replace(true) {
            self.condemned.push(block);
        }
    }

    /// Takes back a claim.
    fn settle(&mut self, swept: Swept<B>, state: State) {
        self.claimed -= 1;
        self.count(swept.block, swept.found);
        let standing = swept.block.standing();
        standing.state.set(state);
        standing.gained.set(false);
    }

    /// Finds the place of a swept block that nobody owns. The caller releases it if it comes back.
    #[must_use]
    fn place(&mut self, block: B, free: usize) -> Option<B> {
        if block.slots() == free && !block.standing().dropping.get() {
            self.remove(block);
            return Some(block);
        }
        if free > 0 {
            self.insert_partial(block);
        }
        None
    }

    /// Takes a swept block out of the lists.
    fn remove(&mut self, block: B) {
        self.swept -= 1;
        self.swap(block.standing().index.get(), self.swept);
        self.all.swap_remove(self.swept);
        if let Some(moved) = self.all.get(self.swept) {
            moved.standing().index.set(self.swept);
        }
    }

    fn swap(&mut self, a: usize, b: usize) {
        self.all.swap(a, b);
        self.all[a].standing().index.set(a);
        self.all[b].standing().index.set(b);
    }
}

/// A block for the caller to sweep.
#[derive(Clone, Copy, Debug)]
#[must_use]
struct Claim<B> {
    block: B,
    live: Color,
}

/// A block that the caller has swept.
#[derive(Clone, Copy, Debug)]
#[must_use]
struct Swept<B> {
    block: B,
    found: Found,
}

impl<B: Listed> Claim<B> {
    fn sweep(self) -> Swept<B> {
        let Self { block, live } = self;
        // SAFETY: the block is claimed.
        let found = unsafe { block.sweep_claimed(live) };
        Swept { block, found }
    }
}

impl<B: Listed> Swept<B> {
    /// Makes the colours say what has been found, if the block is to stay in use. It is still claimed.
    fn prepare(self) {
        if self.found.free == self.block.slots() {
            // SAFETY: the block is claimed, and there is no object in it.
            unsafe { self.block.clear() };
        }
    }
}

#[cfg(all(test, gort_loom))]
mod model;
