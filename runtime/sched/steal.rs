//! Stealing: what an M without work takes from those that have some.
//!
//! Half of a long ring is taken at once. *Few* goroutines behind an M whose polls are short are left where they are: it comes to
//! them in the next microseconds, while a thief needs about one to move a goroutine with its cache lines; and they often feed each
//! other, so that what was moved waits for the rest at once, and every wake-up crosses over (`select4` at two procs: 71 ns a message,
//! and 56 parks of a sender in 1,000 messages; 115 ns and 170 parks if whatever is seen is taken).
//!
//! That is for goroutines that were woken. New ones are taken at once: they were made to run beside their maker.
//!
//! Left for a moment, not for good. If the M stays in one poll, or if there was something in its ring at each of [`PATIENCE`] looks,
//! it has more to do than it can, and the thief takes its half.

use async_task::Runnable;

use crate::m::{Here, M};
use crate::runq::Stolen;

/// How often all others are looked at. From Go; here the last time is the one that waits.
const ROUNDS: usize = 4;

/// A ring with less than this holds few. Measured with `select4`, where three senders wait behind a receiver that runs.
const FEW: usize = 4;

/// Pauses between two looks at an M: some 3 us, at the 25 ns that a pause takes on the x86 where this was measured. A poll that
/// takes longer counts as long. Go sleeps as long before it takes a `runnext`; with half of it `select4` takes a tenth longer.
const PAUSES: u32 = 128;

/// So many ticks after one was born it has had its turn in a ring that holds few. The ring has its turn after three polls from the slot, and
/// a poll is two ticks.
const NEW: u64 = 2 * 4 * FEW as u64;

/// How many looks in a row find something in the ring of an M that polls one after the other, before some of it is taken: 50 us.
const PATIENCE: u32 = 16;

/// What a thief does about the slot of an M and the few goroutines in its ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Few {
    Leave,
    TakeIfStuck,
    Take,
}

impl Few {
    /// Whether to take from an M with so many in its ring.
    fn takes(self, queued: usize, stuck: impl FnOnce() -> bool) -> bool {
        match self {
            _ if queued >= FEW => true,
            Self::Leave => false,
            Self::TakeIfStuck => stuck(),
            Self::Take => queued != 0,
        }
    }
}

/// What a round of looks came to.
#[derive(Debug, PartialEq, Eq)]
enum Round<R> {
    Found(R),
    /// There is something, but its M seems to be about to take it.
    Left,
    Nothing,
}

impl Here<'_> {
    /// Takes half of what another M has queued.
    pub(super) fn steal(self) -> Option<Runnable> {
        let rt = self.rt();
        if rt.idle.bound() == 1 {
            return self.steal_timers();
        }
        if !self.local().searching.get() {
            if !rt.idle.start_search() {
                return None;
            }
            self.local().searching.set(true);
        }
        for _ in 1..ROUNDS {
            if let Round::Found(runnable) = self.steal_round(Few::Leave) {
                return Some(runnable);
            }
        }
        // What came to the global queue is ours to find, since we are counted as searching.
        outwait(|few| self.steal_round(few), || !rt.inject.is_empty())
            .or_else(|| self.steal_timers())
            .or_else(|| self.take_batch())
    }

    /// One look at every other M, from a random one on, in a random direction.
    fn steal_round(self, few: Few) -> Round<Runnable> {
        let rt = self.rt();
        // At least this M's own P is live.
        let bound = rt.idle.bound();
        let random = self.random() as usize;
        let (start, step) = (
            random % bound,
            if random & 1 << 31 == 0 { 1 } else { bound - 1 },
        );
        let mut round = Round::Nothing;
        for i in 0..bound {
            let victim = rt.ps.get((start + i * step) % bound);
            let Some(victim) = victim.m() else { continue };
            if std::ptr::eq(victim, self.m()) {
                continue;
            }
            match self.steal_from(victim, few) {
                Round::Nothing => {}
                // This one was watched for a while; the next round begins with another.
                Round::Left if few == Few::TakeIfStuck => return Round::Left,
                Round::Left => round = Round::Left,
                found @ Round::Found(_) => return found,
            }
        }
        round
    }

    fn steal_from(self, victim: &M, few: Few) -> Round<Runnable> {
        let queued = victim.thief.len();
        let few = match queued != 0 && victim.ticks_since_spawn() < NEW {
            true => Few::Take,
            false => few,
        };
        let stuck = || (queued != 0 || !victim.slot.is_empty()) && is_stuck(victim);
        if !few.takes(queued, stuck) {
            return match queued {
                0 => Round::Nothing,
                _ => Round::Left,
            };
        }
        match victim.thief.steal_half(&self.local().ring) {
            Stolen::One(runnable) => Round::Found(runnable),
            Stolen::Lost => Round::Left,
            // It was seen to be stuck, or it would not have been taken from.
            Stolen::Nothing if few == Few::TakeIfStuck && queued < FEW => {
                victim.slot.take().map_or(Round::Nothing, Round::Found)
            }
            Stolen::Nothing => Round::Nothing,
        }
    }
}

/// Looks at those who have little until they have nothing, are stuck, or had something each time; or until there is other work.
fn outwait<R>(
    mut look: impl FnMut(Few) -> Round<R>,
    mut other_work: impl FnMut() -> bool,
) -> Option<R> {
    for _ in 0..PATIENCE {
        match look(Few::TakeIfStuck) {
            Round::Found(found) => return Some(found),
            Round::Nothing => return None,
            Round::Left if other_work() => return None,
            Round::Left => {}
        }
    }
    match look(Few::Take) {
        Round::Found(found) => Some(found),
        Round::Left | Round::Nothing => None,
    }
}

/// Whether the M seems to be in a long poll. One between two polls looks at its queues next.
fn is_stuck(victim: &M) -> bool {
    let tick = victim.tick();
    for _ in 0..PAUSES {
        std::hint::spin_loop();
    }
    !tick.is_multiple_of(2) && victim.tick() == tick
}

#[cfg(all(test, not(gort_loom)))]
mod tests {
    use super::*;

    #[test]
    fn few_are_taken_from_an_m_that_is_stuck_and_many_from_any() {
        for (few, queued, stuck, takes) in [
            (Few::Leave, FEW - 1, true, false),
            (Few::Leave, FEW, false, true),
            (Few::TakeIfStuck, FEW - 1, false, false),
            (Few::TakeIfStuck, 1, true, true),
            (Few::TakeIfStuck, FEW, false, true),
            (Few::Take, 1, false, true),
            (Few::Take, 0, true, false),
        ] {
            let taken = few.takes(queued, || stuck);
            assert_eq!(taken, takes, "{few:?} {queued} {stuck}");
        }
    }

    /// Looks that come to what is given, and then see something left; returns what a thief got, and its looks.
    fn thief_that_sees(mut rounds: Vec<Round<u8>>) -> (Option<u8>, Vec<Few>) {
        let mut looks = Vec::new();
        let found = outwait(
            |few| {
                looks.push(few);
                match (few, rounds.len()) {
                    (Few::Take, _) => Round::Found(9),
                    (_, 0) => Round::Left,
                    _ => rounds.remove(0),
                }
            },
            || false,
        );
        (found, looks)
    }

    #[test]
    fn what_stays_in_a_ring_is_taken_in_the_end() {
        let (found, looks) = thief_that_sees(Vec::new());
        let (last, before) = looks.split_last().expect("a look");
        assert_eq!((found, *last), (Some(9), Few::Take));
        assert_eq!(before, vec![Few::TakeIfStuck; PATIENCE as usize]);
    }

    #[test]
    fn a_ring_that_runs_dry_is_left_to_its_m() {
        let (found, looks) = thief_that_sees(vec![Round::Left, Round::Nothing]);
        assert_eq!((found, looks.len()), (None, 2));
        let (found, looks) = thief_that_sees(vec![Round::Left, Round::Found(5)]);
        assert_eq!((found, looks.len()), (Some(5), 2));
    }

    #[test]
    fn a_thief_that_waits_sees_other_work() {
        let mut looks = 0;
        let found = outwait(
            |_| {
                looks += 1;
                Round::<u8>::Left
            },
            || true,
        );
        assert_eq!((found, looks), (None, 1));
    }
}
