//! Which blocks of the range are free.
//!
//! A chunk has two bits for each of its blocks: *free*, and *dirty*, which says that the system has given memory for it.
//! Blocks are given out from the lowest address on, so what is alive gathers there and the end of a shrinking heap falls
//! free. A run of blocks, for a large object, may cross from one chunk to the next.
//!
//! # Memory ahead of its use
//!
//! The first touch of a page costs the thread that does it as much as fifty allocations, and one page holds a hundred objects:
//! these are most of what takes longer than usual. So a heap that is large enough has a thread that touches pages before they
//! are needed, and many at a time, in [`ahead`](super::ahead). It goes on as long as less than a part of the heap is held free,
//! and not beyond the goal of the heap, up to which it grows in any case.
//!
//! Rejected: large pages. A virtual machine whose host takes back what is free pays five times as much for their first touch,
//! as was measured. And a list of runs, merged when they touch. It is faster for large objects, which are rare, and slower for single
//! blocks.

use std::io;
use std::ptr::NonNull;
use std::sync::Mutex;

use super::block::BLOCK;
use super::range::{CHUNK, Range};
use super::{AllocError, ahead};
use crate::local::lock;
use crate::{nap, pacer};

const PER_CHUNK: usize = CHUNK / BLOCK;
const WORDS: usize = PER_CHUNK / 64;

/// Blocks that get memory at a time: 1 MiB. Thin air.
const GROUP: usize = u64::BITS as usize;

/// A heap with less than this in use, 16 MiB, gets no memory ahead: all its pages together cost some milliseconds, once. Thin
/// air.
const LARGE_HEAP: usize = (16 << 20) / BLOCK;

/// One in so many of the blocks in use is held ahead, up to [`MOST_AHEAD`]. Thin air.
const AHEAD: usize = 8;

/// At most 16 MiB are held ahead: what a thread takes that writes nothing but large objects while another is woken. Thin air.
const MOST_AHEAD: usize = (16 << 20) / BLOCK;

/// At most so many chunks, 256 MiB, are committed at a time before they are needed. Thin air.
const MOST_COMMITTED: usize = (256 << 20) / CHUNK;

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
    /// How many are free.
    available: usize,
    /// Whether memory ahead has been asked for.
    is_asked: bool,
}

/// Takes adjacent blocks. Their contents are undefined.
pub(super) fn take(blocks: usize) -> Result<NonNull<u8>, AllocError> {
    let mut pool = lock(&POOL);
    if pool.is_none() {
        *pool = Some(Pool::new(Range::reserve()?));
    }
    let taken = pool.as_mut().expect("it has just been made");
    let (start, asks) = (taken.take(blocks)?, taken.asks_for_memory());
    drop(pool);
    if asks {
        ahead::wake();
    }
    Ok(start)
}

/// Gets memory for free blocks, until there is enough. Returns false if the system does not do that.
pub(super) fn populate() -> bool {
    loop {
        let mut guard = lock(&POOL);
        let Some(pool) = &mut *guard else { return true };
        let Some(group) = pool.take_clean_group(goal()) else {
            return true;
        };
        let place = pool.place(group);
        // The blocks are ours: nobody waits for the system.
        drop(guard);
        // SAFETY: in a committed chunk, at a multiple of its size.
        let populated = unsafe { Range::populate(place, GROUP * BLOCK) };
        if let Some(pool) = &mut *lock(&POOL) {
            pool.give_back_group(group, populated);
        }
        if !populated {
            return false;
        }
        // Meanwhile nobody could map memory, or change its rights: not the heap, nor an allocator for something large. One who
        // waits for that would be overtaken by the next group again and again.
        nap::give_way();
    }
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

/// How many bytes the heap is to grow to.
fn goal() -> usize {
    pacer::goal().saturating_sub(pacer::external())
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
            available: 0,
            is_asked: false,
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
        self.available -= blocks;
        Ok(self.place(start))
    }

    fn used(&self) -> usize {
        self.free.len() * 64 - self.available
    }

    /// Tells whether more blocks should hold memory than do, if so many bytes may be held and used.
    fn wants_memory(&self, goal: usize) -> bool {
        let used = self.used();
        used >= LARGE_HEAP
            && self.held < (used / AHEAD).min(MOST_AHEAD)
            && (used + self.held + GROUP) * BLOCK <= goal
    }

    /// Tells whether the caller should see to it that somebody calls [`populate`]. It says so once.
    fn asks_for_memory(&mut self) -> bool {
        let asks = !self.is_asked && self.wants_memory(goal());
        self.is_asked |= asks;
        asks
    }

    /// Takes a group of free blocks none of which holds memory, unless there is enough of that.
    fn take_clean_group(&mut self, goal: usize) -> Option<usize> {
        if !self.wants_memory(goal) {
            self.is_asked = false;
            return None;
        }
        let is_clean = |(free, dirty): (&u64, &u64)| *free == u64::MAX && *dirty == 0;
        let word = match self.free.iter().zip(&self.dirty).position(is_clean) {
            Some(word) => word,
            None => {
                let end = self.free.len();
                // It stays asked for if there is no more: nobody need try again.
                self.commit(1).ok()?;
                end
            }
        };
        self.free[word] = 0;
        self.available -= GROUP;
        Some(word * 64)
    }

    /// Gives a group back from [`take_clean_group`](Self::take_clean_group).
    fn give_back_group(&mut self, group: usize, is_populated: bool) {
        if is_populated {
            self.dirty[group / 64] = u64::MAX;
        }
        self.give_back(self.place(group), GROUP);
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
        self.commit((blocks - (end - start)).div_ceil(PER_CHUNK))?;
        Ok(start)
    }

    /// Commits so many chunks, or as many more as there are if the system lets us.
    ///
    /// A change of rights waits until the system has given or taken back memory that others have asked it for, which takes as
    /// long as a thousand allocations. So there are few.
    fn commit(&mut self, least: usize) -> io::Result<()> {
        let all = (self.free.len() / WORDS).min(MOST_COMMITTED);
        let chunks = if all > least && self.range.commit(all).is_ok() {
            all
        } else {
            self.range.commit(least)?;
            least
        };
        let words = self.free.len() + chunks * WORDS;
        self.free.resize(words, u64::MAX);
        self.dirty.resize(words, 0);
        self.available += chunks * PER_CHUNK;
        Ok(())
    }

    fn give_back(&mut self, start: NonNull<u8>, blocks: usize) {
        let start = (start.addr().get() - self.range.start().addr().get()) / BLOCK;
        for block in start..start + blocks {
            let bit = 1 << (block % 64);
            self.free[block / 64] |= bit;
            self.held += usize::from(self.dirty[block / 64] & bit != 0);
        }
        self.first = self.first.min(start / 64);
        self.available += blocks;
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
        self.available -= run as usize;
        Some((word * 64 + (end - run) as usize, run as usize))
    }

    fn place(&self, block: usize) -> NonNull<u8> {
        // SAFETY: a committed block is in the range.
        unsafe { self.range.start().add(block * BLOCK) }
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
    fn a_large_heap_gets_memory_ahead_up_to_its_goal() {
        let mut pool = pool(8);
        let small = pool.take(LARGE_HEAP - 1).expect("there is room");
        assert_eq!(pool.take_clean_group(usize::MAX), None);
        let block = pool.take(1).expect("there is room");
        assert!(pool.wants_memory(usize::MAX));
        // The first one is refused, as if the system could not.
        let group = pool.take_clean_group(usize::MAX).expect("there is room");
        pool.give_back_group(group, false);
        assert_eq!((pool.used(), pool.held), (LARGE_HEAP, 0));
        while let Some(group) = pool.take_clean_group(usize::MAX) {
            let (start, end) = (pool.place(group), pool.place(group + GROUP));
            assert!(start.addr().get().is_multiple_of(GROUP * BLOCK));
            assert!(block < start && small < start && start < end);
            // SAFETY: taken.
            unsafe { Range::populate(start, GROUP * BLOCK) };
            pool.give_back_group(group, true);
        }
        assert_eq!(pool.used(), LARGE_HEAP);
        assert_eq!(pool.held, (LARGE_HEAP / AHEAD).next_multiple_of(GROUP));
        // Blocks that hold memory are the first to be taken, and nothing is done beyond the goal.
        pool.take(GROUP).expect("there is room");
        assert_eq!(
            pool.held,
            (LARGE_HEAP / AHEAD).next_multiple_of(GROUP) - GROUP
        );
        let bytes = (pool.used() + pool.held + GROUP) * BLOCK;
        assert!(pool.wants_memory(bytes) && !pool.wants_memory(bytes - 1));
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
