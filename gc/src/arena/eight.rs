//! Eight colours at a time, as the bytes of a word: the first is the lowest.
//!
//! A block has up to two thousand of them, and most are alike. All that is done here is arithmetic on the word; who reads it,
//! and whether as a word or byte by byte, is said in [`block`](super::block).

use crate::phase::Color;

/// The colours in a word.
pub(super) const LANES: usize = 8;

/// The lowest bit of each byte.
const LOWEST: u64 = 0x0101_0101_0101_0101;

/// See the head of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Eight(u64);

/// Some of the eight, as the lowest bits of their bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lanes(u64);

impl Eight {
    /// Takes colours as they lie in memory.
    pub(super) fn of_memory(word: u64) -> Self {
        Self(u64::from_le(word))
    }

    /// Takes colours one by one.
    pub(super) fn of_each(color: impl FnMut(usize) -> Color) -> Self {
        Self(u64::from_le_bytes(std::array::from_fn(color)))
    }

    /// The colours as they are to lie in memory.
    pub(super) fn to_memory(self) -> u64 {
        self.0.to_le()
    }

    /// Those that are of this colour.
    pub(super) fn lanes(self, color: Color) -> Lanes {
        let differ = self.0 ^ (LOWEST * u64::from(color));
        // Colours are less than 128, so there is no carry from one byte to the next.
        Lanes(!((differ + LOWEST * 0x7F) >> 7) & LOWEST)
    }

    /// Gives some of them another colour.
    pub(super) fn with(self, lanes: Lanes, color: Color) -> Self {
        Self((self.0 & !(lanes.0 * 0xFF)) | (lanes.0 * u64::from(color)))
    }
}

impl Lanes {
    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// A bit for each: the first is the lowest.
    pub(super) fn bits(self) -> u64 {
        // The bit of lane n goes to the n-th of the highest eight, and all others end below those.
        self.0.wrapping_mul(0x0102_0408_1020_4080) >> 56
    }
}

impl Iterator for Lanes {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let first = (self.0 != 0).then(|| self.0.trailing_zeros() as usize / LANES)?;
        self.0 &= self.0 - 1;
        Some(first)
    }
}

/// Counts lanes: up to 255 words of them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Count(u64);

impl Count {
    pub(super) fn add(&mut self, lanes: Lanes) {
        self.0 += lanes.0;
    }

    pub(super) fn total(self) -> usize {
        const EVEN: u64 = 0x00FF_00FF_00FF_00FF;
        let pairs = (self.0 & EVEN) + (self.0 >> 8 & EVEN);
        // The sum of the four is the highest quarter of the product.
        (pairs.wrapping_mul(0x0001_0001_0001_0001) >> 48) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn colors(seed: u64) -> [Color; LANES] {
        std::array::from_fn(|i| (seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (8 * i)) as u8 % 5)
    }

    #[test]
    fn lanes_are_the_bytes_of_a_colour() {
        for seed in 0..10_000 {
            let colors = colors(seed);
            let eight = Eight::of_memory(u64::from_ne_bytes(colors));
            assert_eq!(Eight::of_each(|i| colors[i]), eight);
            for color in 0..5 {
                let lanes: Vec<usize> = eight.lanes(color).collect();
                let bytes = (0..LANES).filter(|&i| colors[i] == color);
                assert_eq!(lanes, bytes.collect::<Vec<_>>());
                let bits = lanes.iter().fold(0, |bits, lane| bits | 1 << lane);
                assert_eq!(eight.lanes(color).bits(), bits);
                assert_eq!(eight.lanes(color).is_empty(), lanes.is_empty());
                let changed = eight.with(eight.lanes(color), 3).to_memory().to_ne_bytes();
                assert_eq!(changed, colors.map(|c| if c == color { 3 } else { c }));
            }
        }
    }

    #[test]
    fn as_many_are_counted_as_there_are() {
        for words in 0..256 {
            let (mut count, mut wanted) = (Count::default(), 0);
            for seed in 0..words {
                let lanes = Eight::of_each(|i| colors(seed)[i]).lanes(1);
                count.add(lanes);
                wanted += lanes.count();
            }
            assert_eq!(count.total(), wanted);
            let all = Eight::of_each(|_| 1).lanes(1);
            let mut full = Count::default();
            (0..words).for_each(|_| full.add(all));
            assert_eq!(full.total(), LANES * words as usize);
        }
    }
}
