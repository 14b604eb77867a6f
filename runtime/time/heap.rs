//! The timers of one shard: a slab of wakers and an indexed 4-ary min-heap of deadlines.
//!
//! ```text
//!             insert                      pop_due
//!   (free) ───────────▶ queued ───────────────────────────▶ spent
//!     ▲                 │   ▲  reset(NEVER)      reset        │
//!     │                 │   └─────────────▶ idle ──▶ queued   │
//!     └───── remove ────┴──────────────────────┴──────────────┘
//! ```
//!
//! A slot belongs to whoever inserted it, until that owner removes it: firing takes the waker but leaves the slot, so a
//! [`Slot`] can never name another timer and needs no generation. `queued` has a waker and an entry in the heap, `idle` has a
//! waker only, `spent` has neither.
//!
//! Invariants: `entries[places[s]].slot == s` for every queued slot `s`; `places[s]` is [`NOWHERE`] for an idle or spent slot and
//! the next free slot for a free one; a parent's deadline is at most its children's.
//!
//! Rejected: **lazy deletion** (Go: dead entries stay until a quarter of the heap is dead, then a sweep). A cancelled timeout has
//! usually a late deadline, so it sits in the last level of the heap, where removing it in place moves nothing; the expected
//! number of moves is below one even for a random victim, since three quarters of a 4-ary heap are leaves. So memory is bounded
//! by what is alive, the earliest deadline is exact, and no cancel pays for a sweep under the lock. Measured: insert and cancel
//! 7 ns against 15 to 36, and a sweep of a million entries took 6 ms; the price, a 4-byte store per moved entry into an array
//! apart from the wakers, does not show in a pop. **Siblings aligned to a cache line**: insert and cancel twice as slow, pops no
//! faster. **A timing wheel**: it rounds deadlines, and its owner must turn it. **`BTreeMap`**: 130 ns to insert and cancel, 270
//! when large.

use std::task::Waker;

use super::clock::NEVER;

/// Children per node: four 16-byte entries fill a cache line.
const ARITY: usize = 4;

/// Not in the heap; also the end of the free list.
const NOWHERE: u32 = u32::MAX;

/// An empty heap that has grown beyond this many slots gives its memory back. Thin air.
const KEEP: usize = 4096;

/// The ownership of one slot of one heap. Not `Clone`: what is removed once cannot be removed again.
#[derive(Debug)]
pub(crate) struct Slot(u32);

#[derive(Clone, Copy)]
struct Entry {
    deadline: u64,
    slot: u32,
}

pub(super) struct Heap {
    entries: Vec<Entry>,
    places: Vec<u32>,
    wakers: Vec<Option<Waker>>,
    first_free: u32,
    live: u32,
}

impl Heap {
    pub(super) const fn new() -> Heap {
        Heap {
            entries: Vec::new(),
            places: Vec::new(),
            wakers: Vec::new(),
            first_free: NOWHERE,
            live: 0,
        }
    }

    /// The earliest deadline.
    #[inline]
    pub(super) fn first(&self) -> u64 {
        self.entries.first().map_or(NEVER, |entry| entry.deadline)
    }

    #[inline]
    pub(super) fn insert(&mut self, deadline: u64, waker: Waker) -> Slot {
        let slot = self.allocate(waker);
        self.enqueue(slot, deadline);
        Slot(slot)
    }

    /// Frees the slot and gives back its waker, if it has not fired.
    #[inline]
    #[must_use = "a waker must be dropped after the unlock"]
    pub(super) fn remove(&mut self, slot: Slot) -> Option<Waker> {
        self.dequeue(slot.0);
        let waker = self.wakers[slot.0 as usize].take();
        self.free(slot.0);
        waker
    }

    /// The waker of a timer that has not fired.
    #[inline]
    pub(super) fn waker(&self, slot: &Slot) -> Option<&Waker> {
        self.wakers[slot.0 as usize].as_ref()
    }

    /// Moves a timer that has not fired to another deadline.
    pub(super) fn reset(&mut self, slot: &Slot, deadline: u64) {
        if self.waker(slot).is_none() {
            return;
        }
        let place = self.places[slot.0 as usize];
        if place == NOWHERE {
            self.enqueue(slot.0, deadline);
        } else if deadline == NEVER {
            self.dequeue(slot.0);
        } else {
            let entry = Entry {
                deadline,
                slot: slot.0,
            };
            self.settle(place as usize, entry);
        }
    }

    /// Takes the earliest timer, if it is due.
    #[inline]
    pub(super) fn pop_due(&mut self, now: u64) -> Option<Waker> {
        let first = *self.entries.first()?;
        if first.deadline > now {
            return None;
        }
        self.dequeue(first.slot);
        let waker = self.wakers[first.slot as usize].take();
        debug_assert!(waker.is_some(), "a queued timer has a waker");
        waker
    }

    #[inline]
    fn enqueue(&mut self, slot: u32, deadline: u64) {
        if deadline == NEVER {
            self.places[slot as usize] = NOWHERE;
            return;
        }
        let entry = Entry { deadline, slot };
        self.entries.push(entry);
        self.sift_up(self.entries.len() - 1, entry);
    }

    /// Takes the slot's entry out of the heap; the last entry fills the hole.
    #[inline]
    fn dequeue(&mut self, slot: u32) {
        let place = std::mem::replace(&mut self.places[slot as usize], NOWHERE) as usize;
        if place == NOWHERE as usize {
            return;
        }
        let last = self.entries.pop().expect("dequeue: empty heap");
        if place < self.entries.len() {
            self.settle(place, last);
        }
    }

    /// Puts `entry` where it belongs, starting from the hole at `place`.
    fn settle(&mut self, place: usize, entry: Entry) {
        if place > 0 && entry.deadline < self.entries[(place - 1) / ARITY].deadline {
            self.sift_up(place, entry);
        } else {
            self.sift_down(place, entry);
        }
    }

    #[inline]
    fn sift_up(&mut self, mut place: usize, entry: Entry) {
        while place > 0 {
            let parent = (place - 1) / ARITY;
            if self.entries[parent].deadline <= entry.deadline {
                break;
            }
            self.put(place, self.entries[parent]);
            place = parent;
        }
        self.put(place, entry);
    }

    fn sift_down(&mut self, mut place: usize, entry: Entry) {
        while let Some(child) = self.earliest_child(place) {
            if self.entries[child].deadline >= entry.deadline {
                break;
            }
            self.put(place, self.entries[child]);
            place = child;
        }
        self.put(place, entry);
    }

    /// Of four children the least: two independent comparisons and a third, which compile to moves instead of jumps.
    #[inline]
    fn earliest_child(&self, place: usize) -> Option<usize> {
        let first = place * ARITY + 1;
        let Some(&[a, b, c, d]) = self
            .entries
            .get(first..first + ARITY)
            .and_then(|four| four.first_chunk())
        else {
            return (first..self.entries.len()).min_by_key(|&child| self.entries[child].deadline);
        };
        let (left, l) = if b.deadline < a.deadline {
            (1, b.deadline)
        } else {
            (0, a.deadline)
        };
        let (right, r) = if d.deadline < c.deadline {
            (3, d.deadline)
        } else {
            (2, c.deadline)
        };
        Some(first + if r < l { right } else { left })
    }

    #[inline]
    fn put(&mut self, place: usize, entry: Entry) {
        self.entries[place] = entry;
        // `grow` keeps every place below `NOWHERE`.
        self.places[entry.slot as usize] = place as u32;
    }

    #[inline]
    fn allocate(&mut self, waker: Waker) -> u32 {
        self.live += 1;
        let slot = self.first_free;
        if slot == NOWHERE {
            return self.grow(waker);
        }
        self.first_free = self.places[slot as usize];
        self.wakers[slot as usize] = Some(waker);
        slot
    }

    #[cold]
    fn grow(&mut self, waker: Waker) -> u32 {
        let slot = self.places.len();
        assert!(slot < NOWHERE as usize, "too many timers in one shard");
        self.places.push(NOWHERE);
        self.wakers.push(Some(waker));
        slot as u32
    }

    #[inline]
    fn free(&mut self, slot: u32) {
        self.places[slot as usize] = self.first_free;
        self.first_free = slot;
        self.live -= 1;
        if self.live == 0 && self.places.len() > KEEP {
            self.give_memory_back();
        }
    }

    #[cold]
    fn give_memory_back(&mut self) {
        debug_assert!(self.wakers.iter().all(Option::is_none));
        *self = Heap::new();
    }
}

#[cfg(all(test, not(gort_loom)))]
mod tests;
