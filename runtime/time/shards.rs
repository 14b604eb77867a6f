//! The shards of the process, and which one the current thread arms its timers in.
//!
//! Shards are never freed and never move, so a timer may keep a plain reference to its own. A P that retires gives its shard
//! back; the timers left in it are run by the others, and the next P takes it over with them. So there are never more shards
//! than there were Ps at one time, and a thread may read all of them without a lock.
//!
//! A thread without a P uses one of [`FOREIGN`] shards, which belong to nobody: they are run by whoever finds them overdue.

use std::cell::Cell;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex, OnceLock, PoisonError};
use std::task::Waker;

use crossbeam_utils::CachePadded;

use super::alarm::{Alarms, Watch};
use super::clock::NEVER;
use super::shard::Shard;

/// Shards for the threads without a P. Thin air: enough that a few busy threads seldom meet at one lock.
const FOREIGN: usize = 4;

/// Shards per chunk of the registry. Thin air: most machines need one chunk.
const CHUNK: usize = 32;

static REGISTRY: Registry = Registry::new();

static ALARMS: LazyLock<CachePadded<Alarms>> = LazyLock::new(|| CachePadded::new(Alarms::new()));

thread_local! {
    /// The shard of the P that this thread holds.
    static HERE: Cell<Option<&'static Shard>> = const { Cell::new(None) };
    /// The foreign shard of this thread, chosen when it first needs one.
    static FOREIGN_HERE: Cell<Option<&'static Shard>> = const { Cell::new(None) };
}

/// Whether this thread answers for the timers of a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Duty {
    /// It holds the shard's P: it runs its timers, or looks before it parks.
    Ours,
    /// Somebody else does.
    Theirs,
}

/// Takes a shard for a P.
pub(crate) fn acquire() -> &'static Shard {
    REGISTRY.acquire()
}

/// Gives the shard of a retired P back. Its timers go on to fire.
pub(crate) fn release(shard: &'static Shard) {
    REGISTRY.release(shard);
    see_to(shard.next());
}

/// Says that this thread holds the P of `shard`, or none, from now on; returns what was said before.
#[inline]
pub(crate) fn enter(shard: Option<&'static Shard>) -> Option<&'static Shard> {
    HERE.replace(shard)
}

/// The earliest deadline of all shards.
#[inline]
pub(crate) fn next_deadline() -> u64 {
    earliest(REGISTRY.iter())
}

fn earliest(shards: impl Iterator<Item = &'static Shard>) -> u64 {
    shards.map(Shard::next).min().unwrap_or(NEVER)
}

/// Moves the wakers of all timers that are due, whatever their shard, into `due`; the caller wakes them. Says how many.
pub(crate) fn run_overdue(now: u64, due: &mut Vec<Waker>) -> usize {
    REGISTRY
        .iter()
        .map(|shard| shard.run_due(now, due, usize::MAX))
        .sum()
}

/// Announces that the driver of the reactor is about to sleep until `wanted`; returns until when it may.
pub(crate) fn announce(wanted: u64) -> u64 {
    ALARMS.driver.announce(wanted, next_deadline)
}

/// Announces that the driver is awake; it, or who drives next, looks at [`next_deadline`] again.
pub(crate) fn clear() {
    ALARMS.driver.clear();
}

/// Wakes the driver if it sleeps past the earliest deadline. A worker asks for it that parks without the baton.
pub(crate) fn look() {
    if ALARMS.driver.look(next_deadline()) == Watch::Oversleeps {
        super::notify_driver();
    }
}

/// Sees to the timers of others while the current thread, which has driven, does something else.
pub(crate) fn driver_leaves() {
    ALARMS.driver_leaves(next_deadline(), super::wake_monitor);
}

/// Whether the driver of the reactor sleeps, and is to wake for the next deadline.
pub(crate) fn driver_sleeps() -> bool {
    ALARMS.driver.sleeps()
}

/// Announces that the monitor is about to sleep deeply; returns until when it may. [`monitor_wakes`] follows.
pub(crate) fn monitor_sleeps() -> u64 {
    ALARMS.monitor_sleeps(next_deadline, super::notify_driver)
}

/// Announces that the monitor's next look at the timers is at `wanted`; returns until when it may sleep. [`monitor_wakes`] follows.
///
/// It sleeps past the deadlines of Ps, which are seldom all late.
pub(crate) fn monitor_pauses(wanted: u64) -> u64 {
    ALARMS.monitor_pauses(wanted, || earliest(REGISTRY.iter().take(FOREIGN)))
}

/// Announces that the monitor is awake. It looks at the timers before it sleeps again.
pub(crate) fn monitor_wakes() {
    ALARMS.monitor_wakes();
}

/// Sees to it that somebody wakes for `deadline`, the earliest of a shard that this thread does not answer for.
#[cold]
pub(super) fn see_to(deadline: u64) {
    ALARMS.see_to(deadline, super::notify_driver, super::wake_monitor);
}

/// The shard to arm a timer in.
#[inline]
pub(super) fn here() -> (&'static Shard, Duty) {
    match HERE.get() {
        Some(shard) => (shard, Duty::Ours),
        None => (foreign(), Duty::Theirs),
    }
}

/// Who answers for a shard in which a timer was armed some time ago.
#[inline]
pub(super) fn duty(shard: &'static Shard) -> Duty {
    match HERE.get() {
        Some(here) if ptr::eq(here, shard) => Duty::Ours,
        _ => Duty::Theirs,
    }
}

fn foreign() -> &'static Shard {
    /// Deals the foreign shards out in turn.
    static TURN: AtomicUsize = AtomicUsize::new(0);

    FOREIGN_HERE.get().unwrap_or_else(|| {
        // Relaxed: a counter.
        let turn = TURN.fetch_add(1, Ordering::Relaxed);
        let shard = REGISTRY.foreign(turn % FOREIGN);
        FOREIGN_HERE.set(Some(shard));
        shard
    })
}

/// An append-only list of shards. Its cells fill up in order, so the first empty one is the end.
struct Registry {
    first: Chunk,
    /// Shards of retired Ps. The lock is also held to append.
    free: Mutex<Vec<&'static Shard>>,
}

struct Chunk {
    shards: [OnceLock<&'static Shard>; CHUNK],
    following: OnceLock<Box<Chunk>>,
}

impl Registry {
    const fn new() -> Registry {
        Registry {
            first: Chunk::new(),
            free: Mutex::new(Vec::new()),
        }
    }

    fn iter(&self) -> impl Iterator<Item = &'static Shard> {
        self.chunks()
            .flat_map(|chunk| &chunk.shards)
            .map_while(|cell| cell.get().copied())
    }

    fn chunks(&self) -> impl Iterator<Item = &Chunk> {
        std::iter::successors(Some(&self.first), |chunk| {
            chunk.following.get().map(|c| &**c)
        })
    }

    fn acquire(&self) -> &'static Shard {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        self.reserve_foreign();
        free.pop().unwrap_or_else(|| self.append())
    }

    fn release(&self, shard: &'static Shard) {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        debug_assert!(!free.iter().any(|other| ptr::eq(*other, shard)));
        free.push(shard);
    }

    /// The foreign shards are the first of the list.
    #[cold]
    fn foreign(&self, index: usize) -> &'static Shard {
        let _append = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        self.reserve_foreign();
        self.first.shards[index]
            .get()
            .expect("foreign: shard not made")
    }

    /// Makes the foreign shards, once. The caller holds the lock.
    fn reserve_foreign(&self) {
        if self.first.shards[0].get().is_none() {
            for _ in 0..FOREIGN {
                self.append();
            }
        }
    }

    /// Makes a shard and fills the first empty cell with it. The caller holds the lock.
    fn append(&self) -> &'static Shard {
        let padded: &'static CachePadded<Shard> =
            Box::leak(Box::new(CachePadded::new(Shard::new())));
        let mut chunk = &self.first;
        loop {
            for cell in &chunk.shards {
                if cell.get().is_none() {
                    return cell.get_or_init(|| padded);
                }
            }
            chunk = chunk.following.get_or_init(|| Box::new(Chunk::new()));
        }
    }
}

impl Chunk {
    const fn new() -> Chunk {
        Chunk {
            shards: [const { OnceLock::new() }; CHUNK],
            following: OnceLock::new(),
        }
    }
}

#[cfg(all(test, not(gort_loom)))]
mod tests {
    use super::*;

    fn leaked() -> &'static Registry {
        Box::leak(Box::new(Registry::new()))
    }

    #[test]
    fn a_released_shard_is_used_again_with_its_timers() {
        let registry = leaked();
        let shard = registry.acquire();
        let (slot, _) = shard.arm(7, Waker::noop().clone());
        registry.release(shard);
        assert_eq!(registry.iter().map(Shard::next).min(), Some(7));
        let again = registry.acquire();
        assert!(ptr::eq(shard, again));
        let mut due = Vec::new();
        assert_eq!(again.run_due(7, &mut due, usize::MAX), 1);
        assert!(!again.cancel(slot));
        assert_eq!(again.next(), NEVER);
    }

    #[test]
    fn the_registry_grows_past_a_chunk_and_keeps_every_shard() {
        let registry = leaked();
        let shards: Vec<_> = (0..3 * CHUNK).map(|_| registry.acquire()).collect();
        assert_eq!(registry.iter().count(), FOREIGN + shards.len());
        for shard in &shards {
            assert!(registry.iter().any(|other| ptr::eq(other, *shard)));
        }
        for index in 0..FOREIGN {
            assert!(!shards.iter().any(|s| ptr::eq(*s, registry.foreign(index))));
        }
    }

    #[test]
    fn a_limit_leaves_the_rest_due() {
        let shard = leaked().acquire();
        for deadline in 1..=5 {
            let _ = shard.arm(deadline, Waker::noop().clone());
        }
        let mut due = Vec::new();
        assert_eq!(shard.run_due(4, &mut due, 3), 3);
        assert_eq!(shard.next(), 4);
        assert_eq!(shard.run_due(4, &mut due, 3), 1);
        assert_eq!(shard.run_due(4, &mut due, 3), 0);
        assert_eq!(shard.next(), 5);
        assert_eq!(due.len(), 4);
    }

    #[test]
    fn a_thread_arms_in_the_shard_it_entered() {
        std::thread::spawn(|| {
            assert_eq!(here().1, Duty::Theirs);
            let shard = acquire();
            assert!(enter(Some(shard)).is_none());
            assert!(ptr::eq(here().0, shard));
            assert_eq!(duty(shard), Duty::Ours);
            assert!(enter(None).is_some_and(|was| ptr::eq(was, shard)));
            assert_eq!(duty(shard), Duty::Theirs);
            release(shard);
        })
        .join()
        .unwrap();
    }
}
