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
//! | `standing` | under the lock of the [lists](super::lists) that the block is in |
//! | a colour, from FREE to a live one or TAKEN | the thread that owns the block |
//! | a colour, from TAKEN to a live one or FREE | the thread that has taken the slot |
//! | a colour, from white to black | anybody who marks |
//! | a colour, from white to FREE or CONDEMNED | who sweeps: under the lock of the lists, or in the state `Sweeping` |
//! | a colour, from CONDEMNED to FREE | the dropper |
//!
//! So no two threads ever want to change one colour byte, but for those who mark and agree, and none needs more than plain
//! loads and stores of bytes.
//!
//! In the state `Sweeping` nobody changes a colour but who sweeps: there is no owner and no dropper, what is alive has been
//! marked, and a slot is TAKEN only in blocks of slices. So colours are read as words, eight at a time. Others may look at
//! the colour of an object that is alive, as a byte; and one who shades, and has looked before the collector marked, may mark it
//! once more, with the colour that it has. So a word with the colour of such an object is not written, and read by volatile
//! reads, whose result such a store does not change.

use std::ptr::NonNull;

use super::color::ColorByte;
use super::eight::{Eight, LANES};
use super::lists::{Listed, Standing};
use super::poison;
use super::shape::Shape;
use super::space::Space;
use crate::object::VTable;
use crate::phase::{CONDEMNED, Color, FREE, is_object};

mod sweep;

/// The size and alignment of a block. Thin air, between Go's 8 KiB and mimalloc's 64 KiB.
pub(crate) const BLOCK: usize = 16 << 10;

pub(super) const HEADER: usize = 64;

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
    standing: Standing,
}

const _: () = assert!(size_of::<Header>() == HEADER);

/// A block that is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Block(NonNull<Header>);

// SAFETY: the colours are atomic, `standing` is under the lock of the lists, the rest is constant.
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
        // SAFETY: the memory is as large as that.
        unsafe { poison::clear(memory, shape.start as usize) };
        let block = Self(memory.cast());
        let header = Header {
            vtable: space.vtable(),
            space,
            slot: shape.slot,
            slots: shape.slots,
            start: shape.start,
            magic: shape.magic,
            needs_trace: space.vtable().needs_trace,
            standing: Standing::owned(),
        };
        // SAFETY: aligned as the block, and the caller's.
        unsafe { block.0.write(header) };
        // SAFETY: the block is the caller's, and new.
        unsafe { block.clear() };
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

    /// The colour byte of a slot, or one behind those of all slots that makes the last word complete. It is there as long as the
    /// block is in use.
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
        let slots = self.slots() - first;
        // What makes the last eight complete looks free.
        let there = u64::MAX >> (64 - slots.min(64));
        let words = (0..slots.min(64)).step_by(LANES);
        words.fold(0, |bits, word| {
            let free = Eight::of_each(|lane| self.color(first + word + lane).claim());
            bits | free.lanes(FREE).bits() << word
        }) & there
    }

    /// Makes all slots free.
    ///
    /// # Safety
    ///
    /// The block is the caller's, and there is no object in it.
    pub(super) unsafe fn clear(self) {
        let slots = self.slots();
        // The last eight are complete, though not all of them are colours of slots.
        let colors = self.color_ptr(0).cast::<u8>();
        // SAFETY: there is room for them before the start of the slots, which is a multiple of 8.
        unsafe { colors.write_bytes(FREE, slots.next_multiple_of(LANES)) };
        // SAFETY: the slots are the caller's, and nobody uses them.
        unsafe { poison::set(self.object(0).cast(), slots * self.slot_bytes()) };
    }

    /// Makes a slot free.
    pub(super) fn free(self, slot: usize) {
        self.poison(slot);
        self.color(slot).free();
    }

    /// Poisons a slot that holds no object any more, before its colour says so.
    fn poison(self, slot: usize) {
        // SAFETY: it is nobody's until then.
        unsafe { poison::set(self.object(slot).cast(), self.slot_bytes()) };
    }

    /// Calls `drop` for each condemned object, and frees it.
    pub(super) fn drop_condemned(self, mut drop: impl FnMut(NonNull<()>)) {
        for slot in 0..self.slots() {
            // A sweep may condemn more of them meanwhile. Those that are not seen now will be the next time.
            if self.color(slot).is_condemned() {
                drop(self.object(slot));
                self.free(slot);
            }
        }
    }

    fn count(self, color: Color) -> usize {
        // The caller holds the lock of the lists. What the owner or the dropper does meanwhile is seen the next time.
        let same = |slot: &usize| self.color(*slot).get() == color;
        (0..self.slots()).filter(same).count()
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

impl Listed for Block {
    fn standing(&self) -> &Standing {
        &self.header().standing
    }

    fn slots(self) -> usize {
        self.slots()
    }

    fn slot_bytes(self) -> usize {
        self.slot_bytes()
    }

    fn needs_drop(self) -> bool {
        self.vtable().needs_drop
    }

    fn count_free(self) -> usize {
        self.count(FREE)
    }

    fn has_condemned(self) -> bool {
        self.count(CONDEMNED) > 0
    }

    fn sweep(self, live: Color) -> Found {
        self.sweep(live)
    }

    unsafe fn sweep_claimed(self, live: Color) -> Found {
        if self.vtable().is_filled_slowly {
            self.sweep(live)
        } else {
            // SAFETY: the caller has claimed the block.
            unsafe { self.sweep_alone(live) }
        }
    }

    unsafe fn clear(self) {
        // SAFETY: the caller vouches for the same.
        unsafe { self.clear() }
    }
}

#[cfg(all(test, not(gort_loom)))]
mod tests {
    use std::alloc::{Layout, alloc};

    use super::*;
    use crate::object::Promoted;
    use crate::phase::other;
    use crate::phase::{TAKEN, is_object};

    /// Their 494 slots are no multiple of eight.
    type Plain = [u64; 4];
    type Dropped = (Box<u8>, [u64; 3]);

    /// A block in no space's lists, with colours that a seed decides.
    fn block(vtable: &'static VTable, colors: &[Color]) -> Block {
        let layout = Layout::from_size_align(BLOCK, BLOCK).expect("a layout");
        // SAFETY: it has a size.
        let memory = NonNull::new(unsafe { alloc(layout) }).expect("there is memory");
        // SAFETY: as large as a block, and never freed.
        let block = unsafe { Block::format(memory, Space::of(vtable), vtable.shape) };
        for slot in 0..block.slots() {
            block.color(slot).set(colors[slot % colors.len()]);
        }
        block
    }

    fn colors(block: Block) -> Vec<Color> {
        (0..block.slots())
            .map(|slot| block.color(slot).get())
            .collect()
    }

    fn patterns() -> Vec<Vec<Color>> {
        let mut random = 7_u64;
        let mut patterns = vec![vec![1], vec![2], vec![FREE], vec![1, FREE], vec![2, FREE]];
        for length in 1..40 {
            let mut next = |kinds: &[Color]| {
                random = random.wrapping_mul(6_364_136_223_846_793_005) + 1;
                kinds[(random >> 33) as usize % kinds.len()]
            };
            patterns.push((0..length).map(|_| next(&[FREE, 1, 2])).collect());
            patterns.push(
                (0..length)
                    .map(|_| next(&[FREE, 1, 2, CONDEMNED, TAKEN]))
                    .collect(),
            );
            // Runs, so that whole words are alike.
            patterns.push(
                (0..16 * length)
                    .map(|i| if i % 16 < 9 { 1 } else { next(&[1, 2]) })
                    .collect(),
            );
        }
        patterns
    }

    #[test]
    fn a_sweep_frees_what_is_not_alive() {
        for vtable in [Promoted::<Plain>::VTABLE, Promoted::<Dropped>::VTABLE] {
            for (pattern, live) in patterns().iter().flat_map(|p| [(p, 1), (p, 2)]) {
                let swept = block(vtable, pattern);
                let before = colors(swept);
                let count = |color| before.iter().filter(|c| **c == color).count();
                let freed = if vtable.needs_drop { CONDEMNED } else { FREE };
                let wanted = Found {
                    live: count(live),
                    dead: count(other(live)),
                    free: count(FREE) + if freed == FREE { count(other(live)) } else { 0 },
                };
                assert_eq!(swept.sweep(live), wanted);
                let after = before.iter().map(|&color| match color {
                    color if is_object(color) && color != live => freed,
                    other => other,
                });
                assert_eq!(colors(swept), after.collect::<Vec<_>>());
                let alone = block(vtable, pattern);
                // SAFETY: nobody else knows it.
                assert_eq!(unsafe { alone.sweep_alone(live) }, wanted);
                if wanted.free == alone.slots() {
                    // SAFETY: the same.
                    unsafe { alone.clear() };
                }
                assert_eq!(colors(alone), colors(swept));
            }
        }
    }
}
