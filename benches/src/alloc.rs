//! The counting allocator: how many times did this process allocate?
//!
//! Every thread counts in a cell of its own, so the count costs a plain load and store and never a
//! contended cache line; [`allocations`] adds the cells up. Cells are handed out once and never
//! reused. Threads beyond the last private cell share it, and there they pay for an atomic add.
//! A `thread_local!` sum alone was rejected: the count of a finished thread would be lost.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

#[cfg(feature = "mimalloc")]
use mimalloc::MiMalloc as Source;
#[cfg(not(feature = "mimalloc"))]
use std::alloc::System as Source;

/// The allocator's name as the tables print it.
pub(crate) const NAME: &str = if cfg!(feature = "mimalloc") {
    "mimalloc"
} else {
    "system"
};

/// More threads than any case starts; thin air.
const CELLS: usize = 128;

/// The cell that all threads share that came too late for one of their own.
const SHARED: usize = CELLS - 1;

/// Marks a thread that has no cell yet.
const UNASSIGNED: usize = usize::MAX;

/// A counter that shares its cache lines with no other.
#[repr(align(128))]
struct Padded(AtomicU64);

static COUNTS: [Padded; CELLS] = [const { Padded(AtomicU64::new(0)) }; CELLS];
static NEXT_CELL: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    // `const` and without a destructor: reading it never allocates, even while a thread ends.
    static CELL: Cell<usize> = const { Cell::new(UNASSIGNED) };
}

/// Returns the number of allocations and reallocations of the process so far.
///
/// A thread that allocates meanwhile may or may not be counted up to its last allocation.
pub(crate) fn allocations() -> u64 {
    // Relaxed: a statistic; the caller has already been woken by the tasks whose work it counts.
    COUNTS
        .iter()
        .map(|cell| cell.0.load(Ordering::Relaxed))
        .sum()
}

fn count() {
    let cell = CELL.get();
    if cell < SHARED {
        let count = &COUNTS[cell].0;
        // Relaxed: only this thread stores to its cell, so no increment is lost.
        count.store(count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    } else {
        count_slow(cell);
    }
}

#[cold]
fn count_slow(mut cell: usize) {
    if cell == UNASSIGNED {
        // Relaxed: the number alone matters, and each is handed out once.
        cell = NEXT_CELL.fetch_add(1, Ordering::Relaxed).min(SHARED);
        CELL.set(cell);
    }
    // Relaxed: a statistic. An add, because the last cell is shared.
    COUNTS[cell].0.fetch_add(1, Ordering::Relaxed);
}

/// The allocator that counts, and leaves the work to the system's or to mimalloc.
pub(crate) struct Counting;

// SAFETY: every call is passed on unchanged to an allocator that keeps the contract; counting
// neither allocates nor unwinds.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: our caller keeps the contract of `alloc`, which is `Source`'s.
        unsafe { Source.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: our caller keeps the contract of `alloc_zeroed`, which is `Source`'s.
        unsafe { Source.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: `block` came from `Source` with this layout, and our caller vouches for `size`.
        unsafe { Source.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: `block` came from `Source` with this layout.
        unsafe { Source.dealloc(block, layout) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_allocation_is_counted_on_the_thread_that_made_it() {
        let before = allocations();
        std::thread::spawn(|| {
            let mine = CELL.get();
            drop(std::hint::black_box(Box::new(1)));
            assert!(CELL.get() < CELLS, "{mine}");
        })
        .join()
        .unwrap();
        assert!(allocations() > before);
    }
}
