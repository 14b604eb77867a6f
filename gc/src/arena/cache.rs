//! What a thread has to allocate from: for each of some types a block, and 64 slots of it at a time.
//!
//! An allocation takes the lowest bit of a mask, writes the object and its colour. There is no lock, no read-modify-write
//! and no shared line in it but that of the colour.
//!
//! An entry is found by the address of the type's vtable. If it has another type's, one of its set of four may have the type,
//! which costs a search, until it has to be refilled and gets the place. If none has, and none is free, one gives up its block:
//! that goes back to its space, and another thread may go on with it.

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

/// How many entries a type may be in. Thin air: so many types are rarely used in turns that have the same set.
const SET: usize = 4;

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
    /// The next one of a set to give up its block.
    victim: Cell<usize>,
    /// Bytes of the slots that have come to hand since [`Cache::count`] was called, less those that were given back.
    bytes: Cell<isize>,
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
            victim: Cell::new(0),
            bytes: Cell::new(0),
        }
    }

    /// Takes a slot for an object of a type, if one is at hand.
    #[inline]
    pub(crate) fn take(&self, vtable: &'static VTable) -> Option<Place> {
        self.entries[Self::index(vtable)].take(vtable)
    }

    /// Takes a slot when [`take`](Self::take) has found none.
    #[cold]
    pub(crate) fn take_slow(&self, vtable: &'static VTable) -> Result<Place, AllocError> {
        let home = &self.entries[Self::index(vtable)];
        match self.set(vtable).iter().find(|entry| entry.has(vtable)) {
            Some(entry) => {
                if let Some(place) = entry.take(vtable) {
                    return Ok(place);
                }
                entry.swap(home);
            }
            None => self.make_room(vtable),
        }
        self.add(home.refill(vtable)?);
        Ok(home.take(vtable).expect("it has been refilled"))
    }

    /// Gives the type its own entry, whose contents go to another of the set.
    fn make_room(&self, vtable: &'static VTable) {
        let (index, set) = (Self::index(vtable), self.set(vtable));
        let free = set.iter().find(|entry| entry.vtable.get().is_null());
        let room = free.unwrap_or_else(|| {
            let victim = self.victim.get();
            self.victim.set((victim + 1) % (SET - 1));
            &set[(index + 1 + victim) % SET]
        });
        self.add(-room.flush());
        let home = &self.entries[index];
        home.swap(room);
        home.vtable.set(vtable);
        let bits = (1 << SET) - 1;
        self.used.set(self.used.get() | bits << (index / SET * SET));
    }

    /// Gives all blocks back.
    pub(crate) fn flush(&self) {
        let mut used = self.used.take();
        while used != 0 {
            self.add(-self.entries[used.trailing_zeros() as usize].flush());
            used &= used - 1;
        }
    }

    /// How many bytes of slots have come to hand since the last call; less than none if more were given back.
    pub(crate) fn count(&self) -> isize {
        self.bytes.take()
    }

    fn add(&self, bytes: isize) {
        self.bytes.set(self.bytes.get() + bytes);
    }

    /// The entries that may have a type.
    fn set(&self, vtable: &'static VTable) -> &[Entry] {
        let first = Self::index(vtable) / SET * SET;
        &self.entries[first..first + SET]
    }

    #[inline]
    pub(super) fn index(vtable: &'static VTable) -> usize {
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

    #[inline]
    fn has(&self, vtable: &'static VTable) -> bool {
        ptr::eq(self.vtable.get(), vtable)
    }

    #[inline]
    fn take(&self, vtable: &'static VTable) -> Option<Place> {
        let free = self.free.get();
        if !self.has(vtable) || free == 0 {
            return None;
        }
        self.free.set(free & (free - 1));
        let slot = free.trailing_zeros() as usize;
        let bytes = vtable.shape.slot;
        // SAFETY: the slot with this number is in the block.
        let object = unsafe { self.object.get().byte_add(slot * bytes) };
        // SAFETY: there is a colour for each slot.
        let color = unsafe { self.color.get().add(slot) };
        // SAFETY: the slot is free, and ours.
        unsafe { poison::take(object.cast(), bytes) };
        Some(Place { object, color })
    }

    fn swap(&self, other: &Self) {
        if ptr::eq(self, other) {
            return;
        }
        self.vtable.swap(&other.vtable);
        self.free.swap(&other.free);
        self.object.swap(&other.object);
        self.color.swap(&other.color);
        self.block.swap(&other.block);
    }

    /// Finds free slots, and returns their bytes.
    fn refill(&self, vtable: &'static VTable) -> Result<isize, AllocError> {
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
                return Ok(bytes(free, owned.block));
            }
        }
    }

    /// Gives the block back, and returns the bytes of the slots that were at hand.
    fn flush(&self) -> isize {
        self.vtable.set(ptr::null());
        let free = self.free.take();
        let Some(owned) = self.block.take() else {
            return 0;
        };
        let bytes = bytes(free, owned.block);
        let leaves_some = free != 0 || owned.next < owned.block.slots();
        owned.space.give_back(owned.block, leaves_some);
        bytes
    }
}

/// The bytes of some slots of a block.
fn bytes(slots: u64, block: Block) -> isize {
    (slots.count_ones() as usize * block.slot_bytes()).cast_signed()
}
