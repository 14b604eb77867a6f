//! What a thread has to allocate from: for each of some types a block, and 64 slots of it at a time.
//!
//! An allocation takes the lowest bit of a mask, writes the object and its colour. There is no lock, no read-modify-write
//! and no shared line in it but that of the colour.
//!
//! An entry is found by the address of the type's vtable; when it has another type's, its neighbour may have it. If neither
//! has, the entry is given up: the block goes back to its space, and another thread may go on with it.

use std::cell::{Cell, RefCell};
use std::ptr::{self, NonNull};

use super::block::Block;
use super::color::ColorByte;
use super::space::Space;
use super::{AllocError, poison};
use crate::object::VTable;
use crate::phase::Color;

/// How many types a thread allocates from without going back to the spaces. Thin air.
const ENTRIES: usize = 64;

/// A free slot that is the caller's.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) object: NonNull<()>,
    color: NonNull<ColorByte>,
}

impl Place {
    /// Makes the slot an object, which has been written.
    #[inline]
    pub(crate) fn set_color(&self, color: Color) {
        // SAFETY: the block stays in use, because the slot is ours.
        unsafe { self.color.as_ref() }.publish(color);
    }

    /// The only slot in a block that is the caller's.
    pub(super) fn in_block(block: Block) -> Self {
        let (object, color) = (block.object(0), block.color_ptr(0));
        // SAFETY: the slot is free, and ours.
        unsafe { poison::take(object.cast(), block.slot_bytes()) };
        Self { object, color }
    }
}

/// See the head of the file.
#[derive(Debug)]
pub(crate) struct Cache {
    entries: [Entry; ENTRIES],
    /// A bit for each entry that may have a block.
    used: Cell<u64>,
}

const _: () = assert!(ENTRIES == u64::BITS as usize);

/// 64 slots of a block.
#[derive(Debug)]
struct Entry {
    /// Null if there is no block.
    vtable: Cell<*const VTable>,
    /// A bit for each of 64 slots, set if the slot is free and ours.
    free: Cell<u64>,
    /// The first of the slots.
    object: Cell<NonNull<()>>,
    /// Its colour.
    color: Cell<NonNull<ColorByte>>,
    block: RefCell<Option<Owned>>,
}

/// A block, and how far it has been looked through.
#[derive(Debug)]
struct Owned {
    space: &'static Space,
    block: Block,
    next: usize,
}

impl Cache {
    pub(crate) const fn new() -> Self {
        Self {
            entries: [const { Entry::new() }; ENTRIES],
            used: Cell::new(0),
        }
    }

    /// Takes a slot for an object of a type, if one is at hand.
    #[inline]
    pub(crate) fn take(&self, vtable: &'static VTable) -> Option<Place> {
        let entry = &self.entries[Self::index(vtable)];
        let free = entry.free.get();
        if !ptr::eq(entry.vtable.get(), vtable) || free == 0 {
            return None;
        }
        entry.free.set(free & (free - 1));
        let slot = free.trailing_zeros() as usize;
        let bytes = vtable.shape.slot;
        // SAFETY: the slot with this number is in the block.
        let object = unsafe { entry.object.get().byte_add(slot * bytes) };
        // SAFETY: there is a colour for each slot.
        let color = unsafe { entry.color.get().add(slot) };
        // SAFETY: the slot is free, and ours.
        unsafe { poison::take(object.cast(), bytes) };
        Some(Place { object, color })
    }

    /// Sees to it that [`take`](Self::take) finds a slot, and returns how many it will find.
    #[cold]
    pub(crate) fn refill(&self, vtable: &'static VTable) -> Result<usize, AllocError> {
        let index = Self::index(vtable);
        let entry = &self.entries[index];
        if !ptr::eq(entry.vtable.get(), vtable) {
            let neighbour = &self.entries[index ^ 1];
            entry.swap(neighbour);
            self.used.set(self.used.get() | 1 << (index ^ 1));
            if !ptr::eq(entry.vtable.get(), vtable) {
                entry.flush();
                entry.vtable.set(vtable);
            }
        }
        self.used.set(self.used.get() | 1 << index);
        entry.refill(vtable)
    }

    /// Gives all blocks back.
    pub(crate) fn flush(&self) {
        let mut used = self.used.take();
        while used != 0 {
            self.entries[used.trailing_zeros() as usize].flush();
            used &= used - 1;
        }
    }

    #[inline]
    fn index(vtable: &'static VTable) -> usize {
        ptr::from_ref(vtable).addr() / align_of::<VTable>() % ENTRIES
    }
}

impl Entry {
    const fn new() -> Self {
        Self {
            vtable: Cell::new(ptr::null()),
            free: Cell::new(0),
            object: Cell::new(NonNull::dangling()),
            color: Cell::new(NonNull::dangling()),
            block: RefCell::new(None),
        }
    }

    fn swap(&self, other: &Self) {
        self.vtable.swap(&other.vtable);
        self.free.swap(&other.free);
        self.object.swap(&other.object);
        self.color.swap(&other.color);
        self.block.swap(&other.block);
    }

    fn refill(&self, vtable: &'static VTable) -> Result<usize, AllocError> {
        let mut block = self.block.borrow_mut();
        loop {
            let owned = match &mut *block {
                Some(owned) if owned.next < owned.block.slots() => owned,
                full => {
                    let space = full
                        .as_ref()
                        .map_or_else(|| Space::of(vtable), |owned| owned.space);
                    if let Some(owned) = full.take() {
                        space.give_back(owned.block, false);
                    }
                    full.insert(Owned {
                        space,
                        block: space.take()?,
                        next: 0,
                    })
                }
            };
            let first = owned.next;
            owned.next = first + 64;
            let free = owned.block.free_from(first);
            if free != 0 {
                self.free.set(free);
                self.object.set(owned.block.object(first));
                self.color.set(owned.block.color_ptr(first));
                return Ok(free.count_ones() as usize);
            }
        }
    }

    fn flush(&self) {
        self.vtable.set(ptr::null());
        let has_free = self.free.take() != 0;
        if let Some(owned) = self.block.take() {
            let leaves_some = has_free || owned.next < owned.block.slots();
            owned.space.give_back(owned.block, leaves_some);
        }
    }
}
