//! A space: the blocks of one type, where they come from, and where they go.

use std::any::TypeId;
use std::collections::BTreeMap;
use std::ptr::NonNull;
use std::sync::Mutex;

use super::block::Block;
use super::lists::{Lists, Tally};
use super::shape::Shape;
use super::{AllocError, poison, pool};
use crate::local::lock;
use crate::object::VTable;
use crate::phase::Color;

/// See the head of the file.
#[derive(Debug)]
pub(crate) struct Space {
    vtable: &'static VTable,
    lists: Lists<Block>,
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
        let lists = Lists::new();
        Self { vtable, lists }
    }

    pub(super) fn vtable(&self) -> &'static VTable {
        self.vtable
    }

    /// Gives the caller a block with free slots, if possible one that is in use.
    pub(super) fn take(&'static self) -> Result<Block, AllocError> {
        match self.lists.take() {
            Some(block) => Ok(block),
            None => self.take_new(self.vtable.shape),
        }
    }

    /// Gives the caller a block that nobody has used.
    pub(super) fn take_new(&'static self, shape: Shape) -> Result<Block, AllocError> {
        let memory = pool::take(shape.blocks())?;
        // SAFETY: as many blocks as the shape says, and ours.
        let block = unsafe { Block::format(memory, self, shape) };
        self.lists.insert(block);
        Ok(block)
    }

    /// Takes back a block from its owner, who may leave some free slots of those that it has found.
    pub(super) fn give_back(&self, block: Block, leaves_some: bool) {
        self.lists.give_back(block, leaves_some);
    }

    /// Begins to sweep, when all that can be reached has the colour `live`.
    pub(crate) fn begin_sweep(&self, live: Color) {
        self.lists.begin_sweep(live);
    }

    /// Sweeps one block, and tells whether there was one to sweep.
    pub(crate) fn sweep_one(&self) -> bool {
        self.lists.sweep_one(release)
    }

    /// Takes what the sweep has counted, and the blocks with condemned objects, unless somebody sweeps on.
    pub(crate) fn end_sweep(&self) -> Option<(Tally, Vec<Block>)> {
        self.lists.end_sweep()
    }

    /// The blocks of now. The caller sees to it that none is released.
    pub(crate) fn blocks(&self) -> Vec<Block> {
        self.lists.to_vec()
    }
}

#[cfg(test)]
impl Space {
    /// Poisons all free slots anew, where bugs on purpose have been at work.
    pub(crate) fn poison_free(&self) {
        self.blocks().iter().for_each(|block| block.poison_free());
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
        if block.space().lists.dropped(block, release) {
            return;
        }
    }
}
