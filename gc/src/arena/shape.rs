//! How slots lie in a block: their size, their number, and where the first one begins.

use std::alloc::Layout;

use super::block::{BLOCK, HEADER};

/// What slots are multiples of: that of the allocators of C, and of the address sanitizer.
const GRANULE: usize = 8;

/// Larger alignments would put the object too far from the header of its block.
const MAX_ALIGN: usize = 4096;

/// How the objects of one type lie in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// From one slot to the next.
    pub(crate) slot: usize,
    pub(super) slots: u32,
    /// Where the first one begins.
    pub(super) start: u32,
    /// `2^32 / slot`, rounded up: dividing an offset by `slot` is a multiplication and a shift.
    pub(super) magic: u32,
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
