//! A space: the blocks of one type, and who may allocate in which of them.
//!
//! ```text
//!              take                  give_back
//! (pool) -------------------> Owned ----------> Full --claim--> Sweeping
//!    ^                        ^   ^                \              |  |
//!    |                        |   |                 \             |  |
//!    |                        |   \--take-- Partial <--settle-----/  |
//!    |                        \---------------------take------------/|
//!    \-------------------------------------------nothing left-------/
//! ```
//!
//! A thread takes a block that has free slots, and is its only owner until it gives it back. Taking and giving back are under
//! the lock of the space, which is taken once for as many objects as there are free slots in a block. What the owner does
//! in between needs no lock: it turns FREE slots into live ones, and nobody else does that.
//!
//! # Sweeping
//!
//! `all` is in two parts: blocks before `swept` have been swept since the last cycle ended, or are being swept. Blocks are
//! swept one at a time: by the collector's thread, or by one that needs a block, and keeps what it has swept.
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

use std::any::TypeId;
use std::collections::BTreeMap;
use std::ptr::NonNull;
use std::sync::Mutex;

use super::block::{Block, Found, State};
use super::shape::Shape;
use super::{AllocError, poison, pool};
use crate::local::lock;
use crate::object::VTable;
use crate::phase::{Color, FREE};
use crate::seeded::bug;

/// How many blocks one who needs one sweeps before it takes a new one. Bounds the time that an allocation takes; thin air.
const PATIENCE: usize = 8;

/// See the head of the file.
#[derive(Debug)]
pub(crate) struct Space {
    vtable: &'static VTable,
    blocks: Mutex<Blocks>,
}

#[derive(Debug)]
struct Blocks {
    all: Vec<Block>,
    /// How many of `all` have been swept since the last cycle has ended, or are being swept.
    swept: usize,
    /// How many are being swept without the lock.
    claimed: usize,
    /// Those in the state `Partial`, all swept.
    partial: Vec<Block>,
    /// The colour of what survives this sweep.
    live: Color,
    /// Those that the dropper is to get.
    condemned: Vec<Block>,
    tally: Tally,
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

/// All spaces, by the type under the brand `'static`, and the size of a slot: a vtable may have several addresses.
static SPACES: Mutex<BTreeMap<(TypeId, usize), &'static Space>> = Mutex::new(BTreeMap::new());

impl Space {
    /// The space of a type.
    pub(super) fn of(vtable: &'static VTable) -> &'static Space {
        let mut spaces = lock(&SPACES);
        spaces
            .entry(((vtable.type_id)(), vtable.shape.slot))
            .or_insert_with(|| Box::leak(Box::new(Self::new(vtable))))
    }

    /// All spaces that there are.
    pub(crate) fn all() -> Vec<&'static Space> {
        lock(&SPACES).values().copied().collect()
    }

    fn new(vtable: &'static VTable) -> Self {
        let blocks = Mutex::new(Blocks {
            all: Vec::new(),
            swept: 0,
            claimed: 0,
            partial: Vec::new(),
            live: FREE,
            condemned: Vec::new(),
            tally: Tally::default(),
        });
        Self { vtable, blocks }
    }

    pub(super) fn vtable(&self) -> &'static VTable {
        self.vtable
    }

    /// Gives the caller a block with free slots, if possible one that is in use.
    pub(super) fn take(&'static self) -> Result<Block, AllocError> {
        let mut blocks = lock(&self.blocks);
        for _ in 0..PATIENCE {
            if let Some(block) = blocks.take_partial() {
                return Ok(block);
            }
            let Some(next) = blocks.sweep_next() else {
                break;
            };
            if let Some(claim) = next {
                drop(blocks);
                let swept = claim.sweep();
                swept.prepare();
                blocks = lock(&self.blocks);
                if swept.found.free > 0 {
                    blocks.settle(swept, State::Owned);
                    return Ok(swept.block);
                }
                blocks.settle(swept, State::Full);
            }
        }
        drop(blocks);
        self.take_new(self.vtable.shape)
    }

    /// Gives the caller a block that nobody has used.
    pub(super) fn take_new(&'static self, shape: Shape) -> Result<Block, AllocError> {
        let memory = pool::take(shape.blocks())?;
        // SAFETY: as many blocks as the shape says, and ours.
        let block = unsafe { Block::format(memory, self, shape) };
        lock(&self.blocks).insert(block);
        Ok(block)
    }

    /// Takes back a block from its owner, who may leave some free slots of those that it has found.
    pub(super) fn give_back(&self, block: Block, leaves_some: bool) {
        let mut blocks = lock(&self.blocks);
        debug_assert_eq!(block.state(), State::Owned);
        block.set_state(State::Full);
        // One that has not been swept yet will be looked at then. If it is one slot, and that is free, the next sweep finds it.
        let is_swept = block.index() < blocks.swept && block.slots() > 1;
        if is_swept && (leaves_some || block.has_gained()) && block.count_free() > 0 {
            blocks.insert_partial(block);
        }
    }

    /// Begins to sweep, when all that can be reached has the colour `live`.
    pub(crate) fn begin_sweep(&self, live: Color) {
        let mut blocks = lock(&self.blocks);
        debug_assert_eq!(blocks.claimed, 0);
        blocks.swept = 0;
        blocks.live = live;
        blocks.tally = Tally::default();
        for block in std::mem::take(&mut blocks.partial) {
            block.set_state(State::Full);
        }
    }

    /// Sweeps one block, and tells whether there was one to sweep.
    pub(crate) fn sweep_one(&self) -> bool {
        let next = lock(&self.blocks).sweep_next();
        if let Some(Some(claim)) = next {
            let swept = claim.sweep();
            let mut blocks = lock(&self.blocks);
            blocks.settle(swept, State::Full);
            let left = blocks.place(swept.block, swept.found.free);
            drop(blocks);
            left.into_iter().for_each(release);
        }
        next.is_some()
    }

    /// Takes what the sweep has counted, and the blocks with condemned objects, unless somebody sweeps on.
    pub(crate) fn end_sweep(&self) -> Option<(Tally, Vec<Block>)> {
        let mut blocks = lock(&self.blocks);
        (blocks.claimed == 0).then(|| (blocks.tally, std::mem::take(&mut blocks.condemned)))
    }

    /// Takes back a block from the dropper. Returns false if more has been condemned meanwhile.
    fn dropped(&self, block: Block) -> bool {
        let mut blocks = lock(&self.blocks);
        if block.has_condemned() {
            return false;
        }
        block.set_dropping(false);
        block.set_gained(true);
        // One that has not been swept yet will be looked at then.
        if block.state() == State::Full && block.index() < blocks.swept {
            let left = blocks.place(block, block.count_free());
            drop(blocks);
            left.into_iter().for_each(release);
        }
        true
    }

    /// The blocks of now. The caller sees to it that none is released.
    pub(crate) fn blocks(&self) -> Vec<Block> {
        lock(&self.blocks).all.clone()
    }
}

#[cfg(test)]
impl Space {
    /// Poisons all free slots anew, where bugs on purpose have been at work.
    pub(crate) fn poison_free(&self) {
        let blocks = lock(&self.blocks);
        blocks.all.iter().for_each(|block| block.poison_free());
    }
}

impl Blocks {
    /// Adds a new block, which need not be swept.
    fn insert(&mut self, block: Block) {
        block.set_index(self.all.len());
        self.all.push(block);
        if bug("new blocks are swept") {
            return;
        }
        self.swap(self.all.len() - 1, self.swept);
        self.swept += 1;
    }

    fn insert_partial(&mut self, block: Block) {
        block.set_state(State::Partial);
        self.partial.push(block);
    }

    fn take_partial(&mut self) -> Option<Block> {
        let block = self.partial.pop()?;
        block.set_state(State::Owned);
        block.set_gained(false);
        Some(block)
    }

    /// Goes on to the next block that has not been swept: sweeps it, or claims it for the caller to sweep.
    fn sweep_next(&mut self) -> Option<Option<Claim>> {
        let block = *self.all.get(self.swept)?;
        self.swept += 1;
        if block.state() == State::Full && !block.is_dropping() {
            block.set_state(State::Sweeping);
            self.claimed += 1;
            let live = self.live;
            return Some(Some(Claim { block, live }));
        }
        let found = block.sweep(self.live);
        self.count(block, found);
        match block.state() {
            // It is the dropper's, who finds its place.
            State::Full if found.free > 0 => self.insert_partial(block),
            _ => block.set_gained(true),
        }
        Some(None)
    }

    /// Counts what has been found in a block.
    fn count(&mut self, block: Block, found: Found) {
        let slot = block.slot_bytes();
        self.tally += Tally {
            live_objects: found.live,
            live_bytes: found.live * slot,
            freed_objects: found.dead,
            freed_bytes: found.dead * slot,
        };
        if block.vtable().needs_drop && found.dead > 0 && !block.is_dropping() {
            block.set_dropping(true);
            self.condemned.push(block);
        }
    }

    /// Takes back a claim.
    fn settle(&mut self, swept: Swept, state: State) {
        self.claimed -= 1;
        self.count(swept.block, swept.found);
        swept.block.set_state(state);
        swept.block.set_gained(false);
    }

    /// Finds the place of a swept block that nobody owns. The caller releases it if it comes back.
    #[must_use]
    fn place(&mut self, block: Block, free: usize) -> Option<Block> {
        if block.slots() == free && !block.is_dropping() {
            self.remove(block);
            return Some(block);
        }
        if free > 0 {
            self.insert_partial(block);
        }
        None
    }

    /// Takes a swept block out of the lists.
    fn remove(&mut self, block: Block) {
        self.swept -= 1;
        self.swap(block.index(), self.swept);
        self.all.swap_remove(self.swept);
        if let Some(moved) = self.all.get(self.swept) {
            moved.set_index(self.swept);
        }
    }

    fn swap(&mut self, a: usize, b: usize) {
        self.all.swap(a, b);
        self.all[a].set_index(a);
        self.all[b].set_index(b);
    }
}

/// A block for the caller to sweep.
#[derive(Clone, Copy, Debug)]
#[must_use]
struct Claim {
    block: Block,
    live: Color,
}

/// A block that the caller has swept.
#[derive(Clone, Copy, Debug)]
#[must_use]
struct Swept {
    block: Block,
    found: Found,
}

impl Claim {
    fn sweep(self) -> Swept {
        let Self { block, live } = self;
        let found = if block.vtable().is_filled_slowly {
            block.sweep(live)
        } else {
            // SAFETY: the block is claimed.
            unsafe { block.sweep_alone(live) }
        };
        Swept { block, found }
    }
}

impl Swept {
    /// Makes the colours say what has been found, if the block is to stay in use. It is still claimed.
    fn prepare(self) {
        if self.found.free == self.block.slots() {
            // SAFETY: the block is claimed, and there is no object in it.
            unsafe { self.block.clear() };
        }
    }
}

/// Gives a block that is in no list, and has no object in it, back to the pool.
fn release(block: Block) {
    if poison::IS_ON {
        // SAFETY: nobody else knows it any more.
        unsafe { block.clear() };
    }
    let blocks = block.blocks();
    // SAFETY: the same.
    unsafe { pool::give_back(block.memory(), blocks) };
}

/// Calls `drop` for each condemned object in a block from [`Space::end_sweep`], and frees it.
///
/// `alone` is held while the block is put back into its place, where it may be released.
pub(crate) fn drop_condemned<L>(
    block: Block,
    mut drop: impl FnMut(NonNull<()>),
    alone: impl Fn() -> L,
) {
    loop {
        block.drop_condemned(&mut drop);
        let _alone = alone();
        if block.space().dropped(block) {
            return;
        }
    }
}
