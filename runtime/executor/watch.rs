//! The short wait of a `run()` future before it sleeps: with open eyes, for what others push.
//!
//! To be put to sleep and woken costs both sides more than a wait of some microseconds, and where tasks pass a token on, one thread
//! would be woken for each of them, to find that the other has run it. Three rules keep the wait cheap:
//!
//! * One waits at a time, and while it does, pushes wake nobody; see [`Sleepers`](super::sleepers::Sleepers).
//! * Between two looks it offers its CPU to threads that have none: one that makes tasks, or works on them, goes first.
//! * A lone task in somebody's ring is left to its owner as long as that takes others from there: it is in the owner's
//!   cache, and will be run before long. It is stolen when the owner has not moved between two looks, or at the end of the wait.
//!
//! A wait that ends without a task was worth it if others worked meanwhile.

use std::{ptr, thread};

use async_task::Runnable;
use gort_primitives::hint;
use gort_primitives::seeded::bug;

use super::run::Source;
use super::seat::Seat;
use super::state::{DRY_BATCH, State};

/// How often it looks around.
const LOOKS: u32 = if SMALL { 1 } else { 12 };
/// The pauses before a look: 1.6 us at the 25 ns that one takes on the x86 where it was measured. Shorter ones take the queues' cache lines
/// away from those who push, and find tasks one by one.
const PAUSES: u32 = if SMALL { 0 } else { 64 };
/// In models there are no pauses: one gives all others their turn, and hides what happens if they do not get it.
const SMALL: bool = cfg!(all(test, gort_loom));

/// Waits for a task, if that has been worth it lately and nobody else does.
///
/// # Safety
///
/// The caller holds the seat, whose ring is empty.
#[cold]
pub(super) unsafe fn watch(state: &State, seat: &Seat) -> Option<Runnable> {
    // SAFETY: the contract.
    let patience = unsafe { seat.patience() };
    if !patience.try_now() || !state.sleepers.begin_watch() {
        return None;
    }
    let turns = || {
        state
            .others(seat)
            .fold(0, |sum, other| other.turns().wrapping_add(sum))
    };
    let before = turns();
    let mut lone = None;
    let found = (0..LOOKS).find_map(|_| {
        for _ in 0..PAUSES {
            hint::spin_loop();
        }
        if !SMALL {
            thread::yield_now();
        }
        // SAFETY: the contract, here and below.
        unsafe { state.take_batch(seat, DRY_BATCH) }
            // SAFETY: as above.
            .or_else(|| unsafe { steal_politely(state, seat, &mut lone) })
    });
    patience.learn(found.is_some() || turns() != before);
    state.sleepers.end_watch();
    // What came meanwhile has woken nobody.
    let found = found.or_else(|| match bug("no look after a watch") {
        // SAFETY: the contract.
        false => unsafe { state.take_whatever(seat) },
        true => None,
    });
    if found.is_some() && state.has_work() && !bug("no wake-up after a watch") {
        state.sleepers.wake_one();
    }
    found
}

/// The owner of a ring with one task, and its turns when that was seen.
type Lone = Option<(*const Seat, u32)>;

/// Steals from a ring with several tasks, or with one that was there before.
///
/// # Safety
///
/// The caller holds the seat.
unsafe fn steal_politely(state: &State, seat: &Seat, lone: &mut Lone) -> Option<Runnable> {
    let from = state.others(seat).find(|from| match from.len() {
        0 => false,
        1 => {
            let now = Some((ptr::from_ref(*from), from.turns()));
            std::mem::replace(lone, now) == now
        }
        _ => true,
    })?;
    // SAFETY: the contract.
    unsafe { state.steal_from(from, seat) }
}
