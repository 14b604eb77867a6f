//! A block: 16 KiB of objects of one type.
//!
//! ```text
//! 0        64          64 + slots     start                                 16 KiB
//! | header | a colour byte per slot | - | slot | slot | slot | ...           |
//! ```
//!
//! Objects have no header of their own. The address of an object with its low bits cleared is that of its block, which
//! knows the type; the offset gives the colour byte. An object that is too large to share a block has a run of adjacent
//! blocks, with one slot, which begins in the first. No pointer leads into the middle of an object.
//!
//! # Who touches what
//!
//! | | by whom |
//! |---|---|
//! | the first part of the header | written when the block is taken from the pool, constant until it is given back |
//! | `index`, `state`, `dropping` | under the lock of the space |
//! | a colour, from FREE to a live one or TAKEN | the thread that owns the block |
//! | a colour, from TAKEN to a live one or FREE | the thread that has taken the slot |
//! | a colour, from white to black | anybody who marks |
//! | a colour, from white to FREE or CONDEMNED | who sweeps, under the lock of the space |
//! | a colour, from CONDEMNED to FREE | the dropper |
//!
//! So no two threads ever want to change one colour byte, but for those who mark and agree, and none needs more than plain
//! loads and stores of bytes.

use std::alloc::Layout;
use std::cell::Cell;
use std::ptr::NonNull;

use super::color::ColorByte;
use super::poison;
use super::space::Space;
use crate::object::VTable;
use crate::phase::{CONDEMNED, Color, FREE, TAKEN, is_object};

/// The size and alignment of a block. Thin air, between Go's 8 KiB and mimalloc's 64 KiB.
pub(crate) const BLOCK: usize = 16 << 10;

const HEADER: usize = 64;

/// What slots are multiples of: that of the allocators of C, and of the address sanitizer.
const GRANULE: usize = 8;

/// Larger alignments would put the object too far from the header of its block.
const MAX_ALIGN: usize = 4096;

/// How the objects of one type lie in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// From one slot to the next.
    pub(crate) slot: usize,
    slots: u32,
    start: u32,
    /// `2^32 / slot`, rounded up: dividing an offset by `slot` is a multiplication and a shift.
    magic: u32,
}

/// How many slots of a slice may share a block; their sizes are about 16, 24, 32, 40, 48, 64 and so on in steps of a quarter
/// of the last power of two, and as large as possible at the end.
pub(crate) const SHARED: [u32; 32] = [
    960, 652, 494, 398, 333, 251, 201, 168, 144, 126, 101, 84, 72, 63, 50, 42, 36, 31, 25, 21, 18,
    15, 12, 10, 9, 8, 7, 6, 5, 4, 3, 2,
];

impl Shape {
    pub(crate) const fn of(value: Layout) -> Self {
        let align = at_least(value.align(), GRANULE);
        assert!(
            align <= MAX_ALIGN,
            "an alignment of more than 4096 is not supported"
        );
        assert!(
            value.size() <= isize::MAX as usize - BLOCK,
            "the value is too large"
        );
        let slot = at_least(value.size(), GRANULE).next_multiple_of(align);
        let mut slots = at_least((BLOCK - HEADER) / (slot + 1), 1);
        while slots > 1 && start(slots, align) + slots * slot > BLOCK {
            slots -= 1;
        }
        let start = start(slots, align);
        Self {
            slot,
            slots: slots as u32,
            start: start as u32,
            magic: magic(slot),
        }
    }

    /// The largest slots of which so many share a block, of size 0 if there is no room for them.
    pub(crate) const fn shared(slots: u32, align: usize) -> Self {
        assert!(
            align <= MAX_ALIGN,
            "an alignment of more than 4096 is not supported"
        );
        let align = at_least(align, GRANULE);
        let start = start(slots as usize, align);
        let slot = (BLOCK - start) / slots as usize / align * align;
        Self {
            slot,
            slots,
            start: start as u32,
            magic: magic(at_least(slot, GRANULE)),
        }
    }

    /// Stands for that of a large object that has its own.
    pub(crate) const LARGE: Self = Self {
        slot: 0,
        slots: 1,
        start: 0,
        magic: 0,
    };

    /// How many blocks are needed; more than 1 for large objects only.
    pub(super) const fn blocks(&self) -> usize {
        (self.start as usize + self.slots as usize * self.slot).div_ceil(BLOCK)
    }

    /// Tells whether an object has blocks of its own.
    #[inline]
    pub(crate) const fn is_large(&self) -> bool {
        self.slots == 1
    }
}

const fn magic(slot: usize) -> u32 {
    (1_u64 << 32).div_ceil(slot as u64) as u32
}

const fn at_least(a: usize, b: usize) -> usize {
    if a < b { b } else { a }
}

const fn start(slots: usize, align: usize) -> usize {
    (HEADER + slots).next_multiple_of(align)
}

/// What is at the start of a block.
#[derive(Debug)]
#[repr(C, align(64))]
struct Header {
    vtable: &'static VTable,
    space: &'static Space,
    /// From one slot to the next.
    slot: usize,
    slots: u32,
    start: u32,
    magic: u32,
    needs_trace: bool,
    /// Whether the dropper has the block, or will.
    dropping: Cell<bool>,
    state: Cell<State>,
    /// The place in the space's list of all blocks.
    index: Cell<usize>,
}

const _: () = assert!(size_of::<Header>() == HEADER);

/// Who may allocate in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// The thread that has it in its cache.
    Owned,
    /// Who takes it from the list of those with free slots.
    Partial,
    /// Nobody, until a sweep or the dropper finds free slots.
    Full,
}

/// A block that is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Block(NonNull<Header>);

// SAFETY: the colours are atomic, the cells under the lock of the space, the rest is constant.
unsafe impl Send for Block {}

/// What a sweep has found in a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) live: usize,
    /// What has become FREE or CONDEMNED.
    pub(super) dead: usize,
    /// All that is FREE now.
    pub(super) free: usize,
}

impl Block {
    /// Makes a block of fresh memory.
    ///
    /// # Safety
    ///
    /// The memory is aligned to `BLOCK`, as large as the shape says, and the caller's. The shape is that of the type, or of one
    /// object if those of the type are large.
    pub(super) unsafe fn format(memory: NonNull<u8>, space: &'static Space, shape: Shape) -> Self {
        let (slots, start) = (shape.slots as usize, shape.start as usize);
        // SAFETY: the memory is as large as that.
        unsafe { poison::clear(memory, start) };
        // SAFETY: colours follow the header.
        let colors = unsafe { memory.add(HEADER) };
        // SAFETY: there is one per slot before the start of the slots.
        unsafe { colors.write_bytes(FREE, slots) };
        // SAFETY: the slots follow.
        let first = unsafe { memory.add(start) };
        // SAFETY: as large as that, and nobody uses it.
        unsafe { poison::set(first, slots * shape.slot) };
        let block = Self(memory.cast());
        let header = Header {
            vtable: space.vtable(),
            space,
            slot: shape.slot,
            slots: shape.slots,
            start: shape.start,
            magic: shape.magic,
            needs_trace: space.vtable().needs_trace,
            dropping: Cell::new(false),
            state: Cell::new(State::Owned),
            index: Cell::new(0),
        };
        // SAFETY: aligned as the block, and the caller's.
        unsafe { block.0.write(header) };
        block
    }

    /// The block of an object.
    #[inline]
    pub(crate) fn of(object: NonNull<()>) -> Self {
        let block = object.as_ptr().map_addr(|addr| addr & !(BLOCK - 1));
        // SAFETY: no block begins at 0.
        Self(unsafe { NonNull::new_unchecked(block) }.cast())
    }

    #[inline]
    fn header(&self) -> &Header {
        // SAFETY: a block in use begins with a header.
        unsafe { self.0.as_ref() }
    }

    #[inline]
    pub(crate) fn vtable(self) -> &'static VTable {
        self.header().vtable
    }

    /// The same as that of the vtable, but close at hand.
    #[inline]
    pub(crate) fn needs_trace(self) -> bool {
        self.header().needs_trace
    }

    pub(super) fn space(self) -> &'static Space {
        self.header().space
    }

    pub(super) fn memory(self) -> NonNull<u8> {
        self.0.cast()
    }

    pub(super) fn slots(self) -> usize {
        self.header().slots as usize
    }

    /// The bytes from one slot to the next.
    pub(crate) fn slot_bytes(self) -> usize {
        self.header().slot
    }

    /// How many adjacent blocks this is.
    pub(super) fn blocks(self) -> usize {
        let header = self.header();
        (header.start as usize + self.slots() * header.slot).div_ceil(BLOCK)
    }

    /// The number of the slot of an object in this block.
    #[inline]
    pub(crate) fn slot_of(self, object: NonNull<()>) -> usize {
        let offset = (object.addr().get() - self.0.addr().get()) as u64;
        let header = self.header();
        (((offset - u64::from(header.start)) * u64::from(header.magic)) >> 32) as usize
    }

    #[inline]
    pub(super) fn color_ptr(self, slot: usize) -> NonNull<ColorByte> {
        // SAFETY: colours follow the header.
        let colors = unsafe { self.0.add(1) }.cast::<ColorByte>();
        // SAFETY: there is one for each slot.
        unsafe { colors.add(slot) }
    }

    /// The colour byte of a slot. It is there as long as the block is in use.
    #[inline]
    pub(crate) fn color(&self, slot: usize) -> &ColorByte {
        // SAFETY: initialised when the block was made.
        unsafe { self.color_ptr(slot).as_ref() }
    }

    /// The place of the object in a slot.
    #[inline]
    pub(crate) fn object(self, slot: usize) -> NonNull<()> {
        let header = self.header();
        let offset = header.start as usize + slot * header.slot;
        // SAFETY: the slot is in the block, or the run of blocks.
        unsafe { self.memory().add(offset) }.cast()
    }

    /// Which of the 64 slots from `first` on are free, as bits. They are the owner's then.
    pub(super) fn free_from(self, first: usize) -> u64 {
        let last = self.slots().min(first + 64);
        (first..last).rev().fold(0, |mask, slot| {
            (mask << 1) | u64::from(self.color(slot).is_free())
        })
    }

    pub(super) fn count_free(self) -> usize {
        self.count(FREE)
    }

    /// Frees all objects without the colour `live`, when all that can be reached have it; condemns them if they must be
    /// dropped. The caller holds the lock of the space.
    pub(super) fn sweep(self, live: Color) -> Found {
        let needs_drop = self.vtable().needs_drop;
        let mut found = Found::default();
        for slot in 0..self.slots() {
            let color = self.color(slot);
            // An owner that allocates in this slot meanwhile gives it the live colour.
            match color.get() {
                c if c == live => found.live += 1,
                FREE => found.free += 1,
                CONDEMNED | TAKEN => {}
                _ => {
                    found.dead += 1;
                    if needs_drop {
                        // The lock of the space orders this and what the dropper does.
                        color.set(CONDEMNED);
                    } else {
                        found.free += 1;
                        self.free(slot);
                    }
                }
            }
        }
        found
    }

    /// Makes a slot free.
    pub(super) fn free(self, slot: usize) {
        let bytes = self.slot_bytes();
        // SAFETY: the slot holds no object any more, and is nobody's until its colour says so.
        unsafe { poison::set(self.object(slot).cast(), bytes) };
        self.color(slot).free();
    }

    /// Calls `drop` for each condemned object, and frees it.
    pub(super) fn drop_condemned(self, mut drop: impl FnMut(NonNull<()>)) {
        for slot in 0..self.slots() {
            // If it was condemned after the lock was last released, it will be seen the next time.
            if self.color(slot).get() == CONDEMNED {
                drop(self.object(slot));
                self.free(slot);
            }
        }
    }

    pub(super) fn has_condemned(self) -> bool {
        self.count(CONDEMNED) > 0
    }

    fn count(self, color: Color) -> usize {
        let slots = 0..self.slots();
        // The caller holds the lock of the space. What the owner or the dropper does meanwhile is seen the next time.
        let same = |slot: &usize| self.color(*slot).get() == color;
        slots.filter(same).count()
    }

    /// Visits the objects that are there.
    pub(crate) fn for_each(self, mut visit: impl FnMut(NonNull<()>)) {
        for slot in 0..self.slots() {
            if is_object(self.color(slot).visit()) {
                visit(self.object(slot));
            }
        }
    }
}

#[cfg(test)]
impl Block {
    /// Poisons free slots, when nobody allocates.
    pub(super) fn poison_free(self) {
        for slot in 0..self.slots() {
            if self.color(slot).get() == FREE {
                self.free(slot);
            }
        }
    }
}

/// What is under the lock of the space.
impl Block {
    pub(super) fn index(self) -> usize {
        self.header().index.get()
    }

    pub(super) fn set_index(self, index: usize) {
        self.header().index.set(index);
    }

    pub(super) fn state(self) -> State {
        self.header().state.get()
    }

    pub(super) fn set_state(self, state: State) {
        self.header().state.set(state);
    }

    pub(super) fn is_dropping(self) -> bool {
        self.header().dropping.get()
    }

    pub(super) fn set_dropping(self, dropping: bool) {
        self.header().dropping.set(dropping);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(size: usize, align: usize) -> Shape {
        Shape::of(Layout::from_size_align(size, align).expect("a layout"))
    }

    #[test]
    fn slots_lie_behind_their_colours_and_within_the_block() {
        for align in (0..=12).map(|n| 1 << n) {
            for size in (0..20_000).step_by(align) {
                let shape = shape(size, align);
                let (slots, start) = (shape.slots as usize, shape.start as usize);
                assert!(shape.slot >= size && start >= HEADER + slots);
                assert_eq!((shape.slot % align, start % align), (0, 0));
                assert!(start + slots * shape.slot <= shape.blocks() * BLOCK);
                assert!(shape.is_large() || shape.blocks() == 1);
                let offsets = (0..slots).map(|slot| slot * shape.slot);
                for (slot, offset) in offsets.enumerate() {
                    let product = offset as u64 * u64::from(shape.magic);
                    assert_eq!(product >> 32, slot as u64);
                }
            }
        }
    }

    #[test]
    fn the_metadata_is_a_byte_per_object_and_64_per_block() {
        assert_eq!(shape(16, 8).slots, (16_384 - 64) / 17);
        assert_eq!(shape(48, 8).slots, (16_384 - 64) / 49);
        assert_eq!(shape(0, 1).slot, 8);
        assert_eq!(shape(8_200, 8).blocks(), 1);
        assert_eq!(shape(1 << 20, 8).blocks(), 65);
    }
}
