//! The memory of the heap: typed blocks, with the colours of their objects beside them.
//!
//! | | what it is |
//! |---|---|
//! | [`range`] | the addresses: one reserved range, committed in chunks of 4 MiB |
//! | [`pool`] | which blocks of it are free, and which of those hold memory |
//! | [`ahead`] | a thread that gets memory for them before it is needed |
//! | [`block`] | 16 KiB of objects of one type: a header, a byte per object, the objects |
//! | [`shape`] | how many slots it has, and where |
//! | [`eight`] | how colours are looked at and counted, eight at a time |
//! | [`lists`] | the blocks of one type: who may allocate in which, and the sweep |
//! | [`space`] | where they come from, and where they go |
//! | [`cache`] | what a thread has at hand to allocate from |
//!
//! Locks are taken in this order: the sweep's, that of lists, that of the pool.
//!
//! Rejected: an allocation by malloc for each object, with a header that links all of them. It cost three words and 88 ns
//! for each node of a tree, and the sweep had to visit every object.

mod ahead;
mod block;
mod cache;
mod color;
mod eight;
mod lists;
mod poison;
mod pool;
mod range;
mod shape;
mod space;

use std::{error, fmt, io};

pub(crate) use block::Block;
pub(crate) use cache::{Cache, Place};
pub(crate) use lists::Tally;
pub(crate) use shape::{SHARED, Shape};
pub(crate) use space::{Space, drop_condemned};

use crate::object::VTable;

/// There is no memory for an object.
#[derive(Debug)]
pub struct AllocError(io::Error);

impl From<io::Error> for AllocError {
    fn from(error: io::Error) -> Self {
        Self(error)
    }
}

impl fmt::Display for AllocError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no memory for the gc heap: {}", self.0)
    }
}

impl error::Error for AllocError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(&self.0)
    }
}

/// Takes a slot for an object that has blocks of its own. They are the caller's until [`settle`].
pub(crate) fn take_large(vtable: &'static VTable, shape: Shape) -> Result<Place, AllocError> {
    Space::of(vtable).take_new(shape).map(Place::in_block)
}

/// Gives the blocks of a large object to the heap, when the object has been written and coloured.
pub(crate) fn settle(place: &Place) {
    let block = Block::of(place.object);
    block.space().give_back(block, false);
}

/// Makes a slot free that was to become an object. Blocks of its own are still the caller's until [`settle`].
pub(crate) fn abandon(place: &Place) {
    let block = Block::of(place.object);
    block.free(block.slot_of(place.object));
}

/// Returns memory to the system, but for about `keep` bytes of what is free.
pub(crate) fn return_memory(keep: usize) {
    pool::discard(keep / block::BLOCK);
}

#[cfg(test)]
mod tests {
    use super::{Cache, Space};
    use crate::local::debt::BATCH;
    use crate::local::{Local, lock};
    use crate::object::Promoted;
    use crate::seeded::with_bug;
    use crate::simulator::ALONE;
    use crate::{pacer, pin, with};

    #[test]
    fn threads_that_come_and_go_leave_their_blocks_to_others() {
        let _alone = lock(&ALONE);
        for _ in 0..100 {
            let thread = std::thread::spawn(|| with(|g| *g.alloc([7_u8; 3])));
            assert_eq!(thread.join().expect("it ends"), [7; 3]);
        }
        let space = Space::of(Promoted::<[u8; 3]>::VTABLE);
        assert!(space.blocks().len() <= 1);
    }

    #[test]
    fn types_that_share_an_entry_of_the_cache_have_blocks_of_their_own() {
        fn turn<const N: usize>(round: u8) {
            with(|g| {
                let gc = g.alloc([round; N]);
                assert_eq!(*gc, [round; N]);
                assert_eq!(gc.object().vtable().value.size(), N);
            });
        }
        macro_rules! turns {
            ($round:expr, $($n:literal)*) => {$(
                turn::<{ 100 + $n }>($round);
                turn::<{ 200 + $n }>($round);
                turn::<{ 300 + $n }>($round);
                turn::<{ 400 + $n }>($round);
                turn::<{ 500 + $n }>($round);
                turn::<{ 600 + $n }>($round);
                turn::<{ 700 + $n }>($round);
                turn::<{ 800 + $n }>($round);
            )*};
        }
        let _alone = lock(&ALONE);
        // 160 types, and 64 entries.
        for round in 0..10 {
            turns!(round, 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19);
        }
    }

    #[test]
    fn types_that_share_entries_of_the_cache_lose_no_slots() {
        const OBJECTS: usize = 50;
        type Alloc = fn();
        fn alloc<const N: usize>() {
            with(|g| assert_eq!(*g.alloc([7_u8; N]), [7; N]));
        }
        macro_rules! types {
            ($($n:literal)*) => {[$(
                (Promoted::<[u8; { 901 + $n }]>::VTABLE, alloc::<{ 901 + $n }> as Alloc),
                (Promoted::<[u8; { 931 + $n }]>::VTABLE, alloc::<{ 931 + $n }> as Alloc),
                (Promoted::<[u8; { 961 + $n }]>::VTABLE, alloc::<{ 961 + $n }> as Alloc),
            )*]};
        }
        let _alone = lock(&ALONE);
        // 90 types, and 64 entries.
        let types =
            types!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29);
        let local = Local::current().expect("this is no child");
        for (i, (one, alloc_one)) in types.iter().enumerate() {
            for (other, alloc_other) in &types[i + 1..] {
                if Cache::index(one).abs_diff(Cache::index(other)) > 1 {
                    continue;
                }
                let before = pacer::allocated();
                for object in 0..OBJECTS {
                    alloc_one();
                    alloc_other();
                    // What was at hand and is given back is not counted.
                    if object % 10 == 0 {
                        local.flush();
                    }
                }
                let objects = OBJECTS * (one.shape.slot + other.shape.slot);
                let at_hand = one.shape.slots as usize * one.shape.slot * 2 + 2 * BATCH;
                assert!(pacer::allocated() <= before + objects + at_hand);
            }
        }
    }

    #[test]
    fn a_value_that_finds_no_memory_is_given_back() {
        let _alone = lock(&ALONE);
        let g = pin();
        with_bug(Some("no memory"), || {
            // More than there ever was.
            let mut kept = Vec::new();
            let (error, value) = loop {
                match g.try_alloc([7_u8; 1 << 16]) {
                    Ok(gc) => kept.push(gc),
                    Err(error) => break error,
                }
            };
            assert!(error.to_string().starts_with("no memory for the gc heap"));
            assert_eq!(value, [7; 1 << 16]);
            assert!(kept.iter().all(|gc| **gc == [7; 1 << 16]));
        });
    }
}
