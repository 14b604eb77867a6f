//! Free records: a small cache per worker in front of one list for the process (Go's `gfree`).
//!
//! A worker takes and returns records in batches, so a spawn and an exit on a worker cost no locked instruction. Other
//! threads go to the list. Lock rank: leaf.

use std::cell::Cell;
use std::sync::Mutex;

use gort_primitives::atomic::Ordering;

use super::chain::Chain;
use super::{G, RECORDS, State};
use crate::m;

/// How many records move between a cache and the list at a time. Borrowed: Go moves 32.
const BATCH: usize = 32;

static LIST: Mutex<Chain> = Mutex::new(Chain::new());

/// A worker's own free records.
#[derive(Default)]
pub(crate) struct Cache(Cell<Chain>);

impl Cache {
    /// Takes a record.
    #[inline]
    pub(crate) fn take(&self) -> &'static G {
        let mut mine = self.0.take();
        let g = mine.pop().unwrap_or_else(|| refill(&mut mine));
        self.0.set(mine);
        g
    }

    /// Puts a record back.
    #[inline]
    pub(crate) fn put(&self, g: &'static G) {
        let mut mine = self.0.take();
        mine.push_front(g);
        if mine.len() >= 2 * BATCH {
            spill(mine.split(BATCH));
        }
        self.0.set(mine);
    }

    /// Gives everything back to the process.
    pub(crate) fn flush(&self) {
        spill(self.0.take());
    }
}

#[cold]
fn refill(mine: &mut Chain) -> &'static G {
    let mut list = LIST.lock().expect("leaf lock");
    if list.is_empty() {
        drop(list);
        let mut new = Chain::new();
        RECORDS.grow().for_each(|g| new.push(g));
        list = LIST.lock().expect("leaf lock");
        list.append(&mut new);
    }
    mine.append(&mut list.split(BATCH));
    drop(list);
    match mine.pop() {
        Some(g) => g,
        // Others took all that we added.
        None => refill(mine),
    }
}

#[cold]
fn spill(mut chain: Chain) {
    LIST.lock().expect("leaf lock").append(&mut chain);
}

/// Takes a record on a thread that has no cache.
pub(crate) fn take_shared() -> &'static G {
    let mut one = LIST.lock().expect("leaf lock").split(1);
    match one.pop() {
        Some(g) => g,
        None => {
            let g = refill(&mut one);
            spill(one);
            g
        }
    }
}

/// Marks a record as free and puts it back. Its future is gone, and so are all wakers.
#[inline]
pub(crate) fn release(g: &'static G) {
    debug_assert!(g.refs.is_none(), "release: wakers are left");
    // The records of models are in no chunk.
    if cfg!(not(all(test, gort_loom))) {
        g.drop_name();
    }
    // Release: pairs with the Acquire of a walk, which then leaves the record alone.
    g.state.store(State::Free as u8, Ordering::Release);
    if cfg!(not(all(test, gort_loom))) {
        m::with_here(|here| match here {
            Some(here) => here.free_records().put(g),
            None => spill(Chain::of(g)),
        });
    }
}
