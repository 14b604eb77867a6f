//! Which blocks of the range are free.
//!
//! A chunk has two bits for each of its blocks: *free*, and *dirty*, which says that the system has given memory for it.
//! Blocks are given out from the lowest address on, so what is alive gathers there and the end of a shrinking heap falls
//! free. A run of blocks, for a large object, may cross from one chunk to the next.
//!
//! Rejected: a list of runs, merged when they touch. It is faster for large objects, which are rare, and slower for single
//! blocks.

use std::io;
use std::ptr::NonNull;
use std::sync::Mutex;

use super::AllocError;
use super::block::BLOCK;
use super::range::{CHUNK, Range};
use crate::local::lock;

const PER_CHUNK: usize = CHUNK / BLOCK;
const WORDS: usize = PER_CHUNK / 64;

static POOL: Mutex<Option<Pool>> = Mutex::new(None);

/// See the head of the file.
#[derive(Debug)]
struct Pool {
    range: Range,
    /// A bit per block of the committed chunks, set if the block is free.
    free: Vec<u64>,
    /// A bit per block, set if it has been used since its memory was last returned.
    dirty: Vec<u64>,
    /// No word of `free` before this has a bit set.
    first: usize,
    /// How many blocks are free and dirty.
    held: usize,
}

/// Takes adjacent blocks. Their contents are undefined.
pub(super) fn take(blocks: usize) -> Result<NonNull<u8>, AllocError> {
    let mut pool = lock(&POOL);
    if pool.is_none() {
        *pool = Some(Pool::new(Range::reserve()?));
    }
    let pool = pool.as_mut().expect("it has just been made");
    Ok(pool.take(blocks)?)
}

/// Gives blocks back.
///
/// # Safety
///
/// They come from [`take`], and nobody uses them any more.
pub(super) unsafe fn give_back(start: NonNull<u8>, blocks: usize) {
    if let Some(pool) = &mut *lock(&POOL) {
        pool.give_back(start, blocks);
    }
}

/// Returns the memory of free blocks to the system, but for that of about `keep` blocks.
pub(super) fn discard(keep: usize) {
    let mut before = usize::MAX;
    loop {
        let mut guard = lock(&POOL);
        let Some(pool) = &mut *guard else { return };
        let Some((start, blocks)) = pool.take_last_dirty(keep, before) else {
            return;
        };
        let place = pool.place(start);
        // The blocks are ours: nobody who needs one waits for the system.
        drop(guard);
        // SAFETY: in committed chunks, and nobody else's.
        unsafe { Range::discard(place, blocks * BLOCK) };
        // SAFETY: the same.
        unsafe { give_back(place, blocks) };
        before = start;
    }
}

impl Pool {
    fn new(range: Range) -> Self {
        let (free, dirty) = (Vec::new(), Vec::new());
        Self {
            range,
            free,
            dirty,
            first: 0,
            held: 0,
        }
    }

    fn take(&mut self, blocks: usize) -> io::Result<NonNull<u8>> {
        let found = match blocks {
            1 => self.find_one(),
            _ => self.find_run(blocks),
        };
        let start = match found {
            Some(start) => start,
            None => self.grow(blocks)?,
        };
        for block in start..start + blocks {
            let bit = 1 << (block % 64);
            self.free[block / 64] &= !bit;
            self.held -= usize::from(self.dirty[block / 64] & bit != 0);
            self.dirty[block / 64] |= bit;
        }
        Ok(self.place(start))
    }

    fn find_one(&mut self) -> Option<usize> {
        let rest = &self.free[self.first..];
        self.first += rest.iter().take_while(|word| **word == 0).count();
        let word = self.free.get(self.first)?;
        Some(self.first * 64 + word.trailing_zeros() as usize)
    }

    fn find_run(&self, blocks: usize) -> Option<usize> {
        let mut start = self.first * 64;
        let mut block = start;
        while block < self.free.len() * 64 {
            let word = self.free[block / 64];
            if word == 0 {
                block = (block / 64 + 1) * 64;
                start = block;
                continue;
            }
            block += 1;
            if word >> ((block - 1) % 64) & 1 == 0 {
                start = block;
            } else if block - start == blocks {
                return Some(start);
            }
        }
        None
    }

    /// Commits chunks, and returns the start of a free run at the end.
    fn grow(&mut self, blocks: usize) -> io::Result<usize> {
        let end = self.free.len() * 64;
        let last_used = |word: &u64| *word != u64::MAX;
        let start = match self.free.iter().rposition(last_used) {
            Some(word) => (word + 1) * 64 - self.free[word].leading_ones() as usize,
            None => 0,
        };
        let chunks = (blocks - (end - start)).div_ceil(PER_CHUNK);
        self.range.commit(chunks)?;
        let words = self.free.len() + chunks * WORDS;
        self.free.resize(words, u64::MAX);
        self.dirty.resize(words, 0);
        Ok(start)
    }

    fn give_back(&mut self, start: NonNull<u8>, blocks: usize) {
        let start = (start.addr().get() - self.range.start().addr().get()) / BLOCK;
        for block in start..start + blocks {
            let bit = 1 << (block % 64);
            self.free[block / 64] |= bit;
            self.held += usize::from(self.dirty[block / 64] & bit != 0);
        }
        self.first = self.first.min(start / 64);
    }

    /// Takes the last run of blocks in a word that are free and dirty and before the given one, if more than `keep` are so.
    /// They are not dirty after this.
    fn take_last_dirty(&mut self, keep: usize, before: usize) -> Option<(usize, usize)> {
        if self.held <= keep {
            return None;
        }
        let below = |word: usize| match before.saturating_sub(word * 64) {
            n @ 0..64 => !(u64::MAX << n),
            _ => u64::MAX,
        };
        let words = self.free.len().min(before.div_ceil(64));
        let (word, bits) = (0..words).rev().find_map(|word| {
            let bits = self.free[word] & self.dirty[word] & below(word);
            (bits != 0).then_some((word, bits))
        })?;
        let end = 64 - bits.leading_zeros();
        let run = (bits << (64 - end)).leading_ones();
        let mask = (u64::MAX >> (64 - run)) << (end - run);
        self.free[word] &= !mask;
        self.dirty[word] &= !mask;
        self.held -= run as usize;
        Some((word * 64 + (end - run) as usize, run as usize))
    }

    fn place(&self, block: usize) -> NonNull<u8> {
        // SAFETY: a committed block is in the range.
        unsafe { self.range.start().add(block * BLOCK) }
    }
}

#[cfg(test)]
impl Pool {
    fn used(&self) -> usize {
        self.free
            .iter()
            .map(|word| word.count_zeros() as usize)
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(chunks: usize) -> Pool {
        Pool::new(Range::of(chunks).expect("there are addresses"))
    }

    #[test]
    fn what_is_taken_is_given_to_nobody_else() {
        let mut pool = pool(2);
        let mut taken: Vec<(usize, usize)> = Vec::new();
        let mut random = 7_u64;
        for _ in 0..20_000 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let blocks = [1, 1, 1, 2, 70, 300][random as usize % 6];
            if random >> 32 & 1 == 0
                && let Ok(start) = pool.take(blocks)
            {
                let start = start.addr().get();
                let end = start + blocks * BLOCK;
                assert!(
                    taken
                        .iter()
                        .all(|&(s, n)| s + n * BLOCK <= start || end <= s)
                );
                taken.push((start, blocks));
            } else if !taken.is_empty() {
                let (start, blocks) = taken.swap_remove(random as usize % taken.len());
                let start = start - pool.range.start().addr().get();
                pool.give_back(pool.place(start / BLOCK), blocks);
            }
            assert_eq!(pool.used(), taken.iter().map(|t| t.1).sum::<usize>());
        }
    }

    #[test]
    fn a_range_that_is_used_up_is_an_error_until_something_is_given_back() {
        let mut pool = pool(1);
        let first = pool.take(PER_CHUNK - 1).expect("there is room");
        let last = pool.take(1).expect("there is room");
        assert!(pool.take(1).is_err());
        assert!(pool.take(PER_CHUNK).is_err());
        pool.give_back(last, 1);
        assert_eq!(pool.take(1).expect("there is room again"), last);
        pool.give_back(last, 1);
        pool.give_back(first, PER_CHUNK - 1);
        assert_eq!(pool.take(PER_CHUNK).expect("all is free"), first);
    }

    #[test]
    fn memory_is_returned_from_the_end_and_is_zero_again() {
        let mut pool = pool(1);
        let start = pool.take(PER_CHUNK).expect("there is room");
        // SAFETY: ours.
        unsafe { start.write_bytes(7, CHUNK) };
        pool.give_back(start, PER_CHUNK);
        let hole = pool.take(3).expect("there is room");
        assert_eq!(pool.held, PER_CHUNK - 3);
        while let Some((start, blocks)) = pool.take_last_dirty(60, usize::MAX) {
            let place = pool.place(start);
            // SAFETY: taken.
            unsafe { Range::discard(place, blocks * BLOCK) };
            pool.give_back(place, blocks);
        }
        assert_eq!((pool.used(), pool.held), (3, 0));
        pool.give_back(hole, 3);
        assert_eq!(pool.take_last_dirty(3, usize::MAX), None);
        assert_eq!(pool.take_last_dirty(2, 2), Some((0, 2)));
        if cfg!(all(target_os = "linux", not(miri))) {
            let last = pool.place(PER_CHUNK - 1);
            // SAFETY: in a chunk that is committed.
            assert_eq!(unsafe { last.read() }, 0);
        }
        // SAFETY: the same.
        assert_eq!(unsafe { start.read() }, 7);
    }
}
