//! Type-stable records: memory that keeps its type for ever and doubles as its own registry.
//!
//! A [`Records`] hands out chunks of records. A record is never freed, moved or reused for another type, so a pointer to
//! one is valid for the rest of the process whatever became of its contents; the owner recycles records through free lists
//! of its own. [`Records::for_each`] walks all of them, chunk by chunk, while other threads take new chunks: this is how Go
//! keeps its list of all goroutines, and why it needs no lock to read it.
//!
//! A record has a *hot* part `H` and a *cold* part `C` in separate arrays of its chunk, so that a hot part of 64 bytes is
//! one cache line and nothing else. Chunks are aligned to their size: the address of the hot part gives the cold part.
//!
//! # Invariants
//!
//! 1. A chunk is initialised before it is published in `head`, and never unlinked.
//! 2. A `&'static H` from [`Records::grow`] or [`Records::for_each`] lies in the `hot` array of a chunk.
//!
//! Rejected: a vector of boxed records behind a lock (a reader of a million goroutines would stop every spawn), and records
//! inside each task's own allocation (then nothing can be walked, or upgraded, without owning a reference to it).

use std::alloc::{Layout, handle_alloc_error};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// The size and alignment of a chunk in bytes. Thin air: 32 KiB is eight pages, and some 300 records of gort's.
pub const CHUNK_BYTES: usize = 32 * 1024;

/// Chunks that are allocated together. An aligned allocation leaves holes before and behind it, which cost a page or two each
/// when thousands of chunks are made one by one. Pages that are not used yet are not resident.
const CHUNKS_PER_SLAB: usize = 32;

/// What is left of the newest slab.
#[derive(Debug)]
struct Slab {
    next: *mut u8,
    chunks: usize,
}

// SAFETY: it owns the memory that it points to.
unsafe impl Send for Slab {}

/// An append-only set of type-stable records, each with a hot and a cold part.
#[derive(Debug)]
pub struct Records<H: 'static, C: 'static> {
    slab: Mutex<Slab>,
    /// The newest chunk.
    head: AtomicPtr<Chunk<H, C>>,
    chunks: AtomicUsize,
}

/// The head of a chunk; the two arrays follow it.
#[derive(Debug)]
struct Chunk<H, C> {
    /// The chunk that was published before this one. Written before publication, then constant.
    next: *mut Chunk<H, C>,
    hot: NonNull<H>,
    cold: NonNull<C>,
}

// SAFETY: the set owns shared references to its records only, and a chunk's head is constant once published.
unsafe impl<H: Sync, C: Sync> Sync for Records<H, C> {}
// SAFETY: as for `Sync`; nothing in a set belongs to a thread.
unsafe impl<H: Sync, C: Sync> Send for Records<H, C> {}

impl<H: Default + Sync + 'static, C: Default + Sync + 'static> Records<H, C> {
    /// The number of records in a chunk.
    pub const PER_CHUNK: usize = {
        let room = CHUNK_BYTES - size_of::<Chunk<H, C>>() - align_of::<H>() - align_of::<C>();
        let n = room / (size_of::<H>() + size_of::<C>());
        assert!(n > 0, "a record must fit into a chunk");
        n
    };

    const HOT_OFFSET: usize = size_of::<Chunk<H, C>>().next_multiple_of(align_of::<H>());
    const COLD_OFFSET: usize =
        (Self::HOT_OFFSET + Self::PER_CHUNK * size_of::<H>()).next_multiple_of(align_of::<C>());

    /// Creates an empty set.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            slab: Mutex::new(Slab {
                next: ptr::null_mut(),
                chunks: 0,
            }),
            head: AtomicPtr::new(ptr::null_mut()),
            chunks: AtomicUsize::new(0),
        }
    }

    /// Adds a chunk and returns its records, all of them new.
    ///
    /// # Examples
    ///
    /// ```
    /// use gort_gc::records::Records;
    /// use std::sync::atomic::{AtomicU64, Ordering};
    ///
    /// static COUNTERS: Records<AtomicU64, AtomicU64> = Records::new();
    ///
    /// let mut records = COUNTERS.grow();
    /// let mine = records.next().expect("a chunk holds at least one record");
    /// mine.store(7, Ordering::Relaxed);
    /// assert_eq!(COUNTERS.capacity(), records.count() + 1);
    /// ```
    pub fn grow(&self) -> impl Iterator<Item = &'static H> + use<H, C> {
        let chunk = self.new_chunk();
        let mut next = self.head.load(Ordering::Relaxed);
        loop {
            // SAFETY: nobody else knows the chunk yet.
            unsafe { (*chunk.as_ptr()).next = next };
            // Release: publishes the initialised chunk to the Acquire load in `for_each`.
            match self.head.compare_exchange_weak(
                next,
                chunk.as_ptr(),
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                Ok(_) => break,
                Err(newer) => next = newer,
            }
        }
        self.chunks.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the chunk is initialised and never freed.
        let hot = unsafe { chunk.as_ref() }.hot;
        (0..Self::PER_CHUNK).map(move |i| {
            // SAFETY: `i` is within the array.
            let record = unsafe { hot.add(i) };
            // SAFETY: the record is initialised, shared only by reference, and never freed.
            unsafe { record.as_ref() }
        })
    }

    /// Calls `visit` with each record there is, in no particular order.
    ///
    /// Records that are added meanwhile may be left out.
    pub fn for_each(&self, mut visit: impl FnMut(&'static H)) {
        // Acquire: pairs with the Release in `grow`. Older chunks were published before, by the same chain of releases.
        let mut chunk = self.head.load(Ordering::Acquire);
        while let Some(head) = NonNull::new(chunk) {
            // SAFETY: published chunks are initialised and never freed.
            let head = unsafe { head.as_ref() };
            for i in 0..Self::PER_CHUNK {
                // SAFETY: `i` is within the array.
                let record = unsafe { head.hot.add(i) };
                // SAFETY: as in `grow`.
                visit(unsafe { record.as_ref() });
            }
            chunk = head.next;
        }
    }

    /// Returns the number of records in the set.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.chunks.load(Ordering::Relaxed) * Self::PER_CHUNK
    }

    /// Returns the cold part of a record.
    ///
    /// # Safety
    ///
    /// `hot` comes from a set of exactly these two types.
    #[must_use]
    #[inline]
    pub unsafe fn cold(hot: &'static H) -> &'static C {
        let at = ptr::from_ref(hot);
        let offset = at.addr() & (CHUNK_BYTES - 1);
        let index = (offset - Self::HOT_OFFSET) / size_of::<H>();
        let chunk = at.cast::<u8>().wrapping_sub(offset);
        // SAFETY: the caller vouches that `hot` lies in a chunk, so this is the chunk's head.
        let cold = unsafe { &*chunk.cast::<Chunk<H, C>>() }.cold;
        // SAFETY: a chunk has as many cold parts as hot ones.
        let cold = unsafe { cold.add(index) };
        // SAFETY: initialised in `new_chunk`, shared by reference only, never freed.
        unsafe { cold.as_ref() }
    }

    /// Takes the memory of a chunk.
    fn take_chunk(&self) -> NonNull<u8> {
        let layout = const {
            match Layout::from_size_align(CHUNKS_PER_SLAB * CHUNK_BYTES, CHUNK_BYTES) {
                Ok(layout) => layout,
                Err(_) => panic!("a chunk's size is a power of two"),
            }
        };
        let mut slab = self.slab.lock().unwrap_or_else(PoisonError::into_inner);
        if slab.chunks == 0 {
            // SAFETY: the layout has a size.
            slab.next = unsafe { std::alloc::alloc(layout) };
            if slab.next.is_null() {
                handle_alloc_error(layout);
            }
            slab.chunks = CHUNKS_PER_SLAB;
        }
        let taken = slab.next;
        slab.chunks -= 1;
        // SAFETY: one chunk further is inside the slab, or just behind it.
        slab.next = unsafe { taken.add(CHUNK_BYTES) };
        // SAFETY: inside a slab.
        unsafe { NonNull::new_unchecked(taken) }
    }

    fn new_chunk(&self) -> NonNull<Chunk<H, C>> {
        let bytes = self.take_chunk();
        // SAFETY: the offset is within the allocation, and aligned for `H`.
        let hot = unsafe { bytes.add(Self::HOT_OFFSET) }.cast::<H>();
        // SAFETY: the offset is within the allocation, and aligned for `C`.
        let cold = unsafe { bytes.add(Self::COLD_OFFSET) }.cast::<C>();
        for i in 0..Self::PER_CHUNK {
            // SAFETY: `PER_CHUNK` leaves room for as many hot parts.
            let record = unsafe { hot.add(i) };
            // SAFETY: ours alone, aligned, uninitialised.
            unsafe { record.write(H::default()) };
            // SAFETY: `PER_CHUNK` leaves room for as many cold parts.
            let record = unsafe { cold.add(i) };
            // SAFETY: ours alone, aligned, uninitialised.
            unsafe { record.write(C::default()) };
        }
        let chunk = bytes.cast::<Chunk<H, C>>();
        let head = Chunk {
            next: ptr::null_mut(),
            hot,
            cold,
        };
        // SAFETY: the chunk's head comes first and is aligned, because the chunk is.
        unsafe { chunk.write(head) };
        chunk
    }
}

impl<H: Default + Sync + 'static, C: Default + Sync + 'static> Default for Records<H, C> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::sync::atomic::AtomicU64;

    #[derive(Default)]
    #[repr(align(64))]
    struct Hot(AtomicU64);
    #[derive(Default)]
    struct Cold(
        AtomicU64,
        #[expect(dead_code, reason = "makes the size odd")] u8,
    );

    #[test]
    fn each_hot_part_has_its_own_cold_part() {
        let set: Records<Hot, Cold> = Records::new();
        let mut colds = HashSet::new();
        for record in set.grow().chain(set.grow()) {
            assert_eq!(ptr::from_ref(record).addr() % 64, 0);
            // SAFETY: from a set of these types.
            let cold = unsafe { Records::<Hot, Cold>::cold(record) };
            assert!(colds.insert(ptr::from_ref(cold).addr()));
            assert_eq!(cold.0.swap(1, Ordering::Relaxed), 0);
        }
        assert_eq!(colds.len(), set.capacity());
    }

    #[test]
    fn a_walk_sees_every_record_that_was_there_when_it_began() {
        static SET: Records<Hot, Cold> = Records::new();
        let threads = 4;
        let rounds = 8;
        std::thread::scope(|s| {
            for _ in 0..threads {
                s.spawn(|| {
                    for _ in 0..rounds {
                        SET.grow().for_each(|r| {
                            r.0.fetch_add(1, Ordering::Relaxed);
                        });
                        let mut seen = 0;
                        SET.for_each(|_| seen += 1);
                        assert!(seen >= Records::<Hot, Cold>::PER_CHUNK);
                    }
                });
            }
        });
        let mut ones = 0;
        SET.for_each(|r| ones += usize::from(r.0.load(Ordering::Relaxed) == 1));
        assert_eq!(ones, threads * rounds * Records::<Hot, Cold>::PER_CHUNK);
    }
}
