//! A space: the blocks of one type, and who may allocate in which of them.
//!
//! ```text
//!              take                    give_back
//! (pool) -------------------> Owned ---------------> Full
//!    ^                          ^  \----give_back--> Partial --\
//!    |                          |                              |
//!    |                          \-------------take-------------/
//!    \---sweep, dropped: nothing left in it--- Full, Partial
//! ```
//!
//! A thread takes a block that has free slots, and is its only owner until it gives it back. Taking and giving back are under
//! the lock of the space, which is taken once for as many objects as there are free slots in a block. What the owner does
//! in between needs no lock: it turns FREE slots into live ones, and nobody else does that.
//!
//! # Sweeping
//!
//! `all` is in two parts: blocks before `swept` have been swept since the last cycle ended. Blocks are swept under the lock,
//! one at a time: by the collector's thread, or by one that needs a block. Owned blocks are swept in place: sweeping turns
//! dead slots into FREE ones, and so does not meet what the owner does.
//!
//! Two sweeps of a block never overlap, because of the lock, and none goes on when the next cycle begins, because the
//! collector does not begin before `swept` has reached the end: then the colour of the dead is that of new marks.
//!
//! Rejected: to claim blocks by a compare-and-exchange and sweep without the lock. A block takes half a microsecond, and
//! the collector would have to wait for those who have claimed one and are suspended.

use std::any::TypeId;
use std::collections::BTreeMap;
use std::ptr::NonNull;
use std::sync::Mutex;

use super::AllocError;
use super::block::{Block, Shape, State};
use super::pool;
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
    /// How many of `all` have been swept since the last cycle has ended.
    swept: usize,
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
        let mut patience = PATIENCE;
        while blocks.partial.is_empty() && patience > 0 && self.sweep_next(&mut blocks) {
            patience -= 1;
        }
        if let Some(block) = blocks.partial.pop() {
            block.set_state(State::Owned);
            return Ok(block);
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

    /// Takes back a block from its owner, who may know that it has free slots.
    pub(super) fn give_back(&self, block: Block, has_free: bool) {
        let mut blocks = lock(&self.blocks);
        debug_assert_eq!(block.state(), State::Owned);
        block.set_state(State::Full);
        // One that has not been swept yet will be looked at then. If it is one slot, and that is free, the next sweep finds it.
        if block.index() < blocks.swept && block.slots() > 1 && (has_free || block.count_free() > 0)
        {
            blocks.insert_partial(block);
        }
    }

    /// Begins to sweep, when all that can be reached has the colour `live`.
    pub(crate) fn begin_sweep(&self, live: Color) {
        let mut blocks = lock(&self.blocks);
        blocks.swept = 0;
        blocks.live = live;
        blocks.tally = Tally::default();
        for block in std::mem::take(&mut blocks.partial) {
            block.set_state(State::Full);
        }
    }

    /// Sweeps one block, and tells whether there was one to sweep.
    pub(crate) fn sweep_one(&self) -> bool {
        self.sweep_next(&mut lock(&self.blocks))
    }

    fn sweep_next(&self, blocks: &mut Blocks) -> bool {
        let Some(&block) = blocks.all.get(blocks.swept) else {
            return false;
        };
        blocks.swept += 1;
        let found = block.sweep(blocks.live);
        let slot = block.slot_bytes();
        blocks.tally += Tally {
            live_objects: found.live,
            live_bytes: found.live * slot,
            freed_objects: found.dead,
            freed_bytes: found.dead * slot,
        };
        if self.vtable.needs_drop && found.dead > 0 && !block.is_dropping() {
            block.set_dropping(true);
            blocks.condemned.push(block);
        }
        if block.state() == State::Full {
            blocks.sort(block, found.free);
        }
        true
    }

    /// Takes what the sweep has counted, and the blocks with condemned objects.
    pub(crate) fn end_sweep(&self) -> (Tally, Vec<Block>) {
        let mut blocks = lock(&self.blocks);
        (blocks.tally, std::mem::take(&mut blocks.condemned))
    }

    /// Takes back a block from the dropper. Returns false if more has been condemned meanwhile.
    fn dropped(&self, block: Block) -> bool {
        let mut blocks = lock(&self.blocks);
        if block.has_condemned() {
            return false;
        }
        block.set_dropping(false);
        // One that has not been swept yet will be looked at then.
        if block.state() == State::Full && block.index() < blocks.swept {
            blocks.sort(block, block.count_free());
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

    /// Finds the place of a swept block that nobody owns.
    fn sort(&mut self, block: Block, free: usize) {
        if block.slots() == free && !block.is_dropping() {
            self.release(block);
        } else if free > 0 && block.state() == State::Full {
            self.insert_partial(block);
        }
    }

    /// Gives a swept block without objects back to the pool.
    fn release(&mut self, block: Block) {
        self.swept -= 1;
        self.swap(block.index(), self.swept);
        self.all.swap_remove(self.swept);
        if let Some(moved) = self.all.get(self.swept) {
            moved.set_index(self.swept);
        }
        let blocks = block.blocks();
        // SAFETY: the block is in no list any more, and there is no object in it.
        unsafe { pool::give_back(block.memory(), blocks) };
    }

    fn swap(&mut self, a: usize, b: usize) {
        self.all.swap(a, b);
        self.all[a].set_index(a);
        self.all[b].set_index(b);
    }
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
