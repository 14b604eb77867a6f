//! When a cycle begins, and who slows down when it comes too late.
//!
//! ```text
//!   live                             trigger        goal          1.1 goal
//!    |--------- allocation ------------>|--- cycle --->|              |--- naps --->
//! ```
//!
//! *Live* is what the last cycle has left, and what is [`External`]. The *goal* is what the heap may grow to: by so many per
//! cent of live, but not beyond the memory limit. A cycle begins at the *trigger*, so far before the goal that what is
//! allocated during a cycle, as the last ones have shown, ends below it; but when no less than 70 and no more than 95 per
//! cent of the way are gone (Go's bounds).
//!
//! Beyond 1.1 goal the collector does not keep up. Those who allocate then owe naps: [`NAPS`] for each tenth that the
//! heap is too large, up to [`MOST_NAPS`], for every [`BATCH`](crate::local::debt::BATCH) allocated. They are paid in outermost pins only,
//! where the collector does not wait for the thread, one at a time: many that are short are noticed less than a long one. A thread
//! that finds something to trace or to sweep does that in the place of a nap: an [assist](crate::marker).
//!
//! A memory limit below what is alive would have the collector run without end and find nothing. So a cycle that only the
//! limit wants does not begin before the collector has rested for as long as the last one took: the limit costs half a CPU at
//! most, as in Go. The naps go on: the heap grows slowly, and a report says why.
//!
//! Rejected: a controller that looks at the clock (Go has one; the bytes of a cycle are what it estimates in the end), and
//! waiting for memory inside a pin (the collector waits for the pin).

use std::sync::atomic::{AtomicIsize, AtomicU64, AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex};
use std::time::{Duration, Instant};

use crate::settings::{self, Limits};
use crate::{FieldInfo, Trace, Tracer, TypeInfo, control, local, pin};

/// The smallest goal at 100 per cent. From Go.
const SMALLEST_GOAL: usize = 4 << 20;

/// How many naps a batch of allocations costs for each tenth that the heap is too large. Thin air.
const NAPS: usize = 2;

/// How many it costs at most. Thin air: with 75 us for each, as the system takes it, a thread allocates 20 MB per second.
const MOST_NAPS: usize = 20;

/// What threads count in, and the collector sets. See the head of the file.
static PACER: Pacer = Pacer {
    live: AtomicUsize::new(0),
    allocated: AtomicUsize::new(0),
    external: AtomicIsize::new(0),
    during_cycle: AtomicUsize::new(0),
    goal: AtomicUsize::new(SMALLEST_GOAL),
    trigger: AtomicUsize::new(SMALLEST_GOAL),
    trigger_without_limit: AtomicUsize::new(SMALLEST_GOAL),
    rest_until: AtomicU64::new(0),
    naps: AtomicU64::new(0),
    assists: AtomicU64::new(0),
};

// Relaxed, everywhere in this file: numbers on their own, of which an old one is as good.
struct Pacer {
    /// Bytes in the heap at the end of the last cycle.
    live: AtomicUsize,
    /// Bytes allocated since then, without what is still in `Local::unreported`.
    allocated: AtomicUsize,
    /// Bytes of all [`External`]s.
    external: AtomicIsize,
    /// Bytes allocated during a cycle, averaged over the last ones.
    during_cycle: AtomicUsize,
    goal: AtomicUsize,
    trigger: AtomicUsize,
    trigger_without_limit: AtomicUsize,
    /// When the next cycle may begin that only the limit wants, in us since `START`.
    rest_until: AtomicU64,
    naps: AtomicU64,
    assists: AtomicU64,
}

/// What times are counted from.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The time since the heap was first used, nearly.
pub(crate) fn uptime() -> Duration {
    START.elapsed()
}

/// Where a cycle begins and should end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Targets {
    goal: usize,
    trigger: usize,
    /// The trigger if there were no limit.
    trigger_without_limit: usize,
}

impl Targets {
    fn new(limits: Limits, live: usize, during_cycle: usize) -> Self {
        let by_percent = limits.percent.map_or(usize::MAX, |percent| {
            let of = |bytes: usize| {
                let bytes = bytes as u128 * u128::from(percent) / 100;
                usize::try_from(bytes).unwrap_or(usize::MAX)
            };
            live.saturating_add(of(live)).max(of(SMALLEST_GOAL))
        });
        let goal = by_percent.min(limits.memory.unwrap_or(usize::MAX));
        Self {
            goal,
            trigger: trigger(live, goal, during_cycle),
            trigger_without_limit: trigger(live, by_percent, during_cycle),
        }
    }
}

/// The trigger for a goal.
fn trigger(live: usize, goal: usize, during_cycle: usize) -> usize {
    let way = goal.saturating_sub(live);
    // A fifth more than the last ones, because the next may take longer.
    let ahead = during_cycle.saturating_add(during_cycle / 5);
    goal - ahead.clamp(way / 20, way - way / 10 * 7)
}

/// How many naps are owed for a batch when there are `now` bytes.
fn naps_at(now: usize, goal: usize) -> usize {
    let beyond = now.saturating_sub(goal);
    let tenths = beyond / (goal / 10).max(1);
    tenths.saturating_mul(NAPS).min(MOST_NAPS)
}

/// Bytes in the heap and [`External`], nearly.
pub(crate) fn heap() -> usize {
    let heap = PACER.live.load(Ordering::Relaxed) + PACER.allocated.load(Ordering::Relaxed);
    heap + external()
}

/// Bytes of all [`External`]s.
pub(crate) fn external() -> usize {
    PACER
        .external
        .load(Ordering::Relaxed)
        .max(0)
        .cast_unsigned()
}

/// Bytes that the heap may grow to, with those that are [`External`].
pub(crate) fn goal() -> usize {
    PACER.goal.load(Ordering::Relaxed)
}

/// Bytes allocated since the last cycle ended, nearly.
pub(crate) fn allocated() -> usize {
    PACER.allocated.load(Ordering::Relaxed)
}

/// Counts a nap.
pub(crate) fn napped() {
    PACER.naps.fetch_add(1, Ordering::Relaxed);
}

/// Naps that have been taken.
pub(crate) fn naps() -> u64 {
    PACER.naps.load(Ordering::Relaxed)
}

/// Counts an assist.
pub(crate) fn assisted() {
    PACER.assists.fetch_add(1, Ordering::Relaxed);
}

/// Assists that have been made.
pub(crate) fn assists() -> u64 {
    PACER.assists.load(Ordering::Relaxed)
}

/// Counts what has been allocated, begins a cycle if it is time, and returns how many naps the thread owes.
pub(crate) fn count(bytes: usize) -> usize {
    PACER.allocated.fetch_add(bytes, Ordering::Relaxed);
    look()
}

fn look() -> usize {
    let now = heap();
    if now >= PACER.trigger.load(Ordering::Relaxed) && (is_due_without_limit(now) || is_rested()) {
        control::request();
    }
    naps_at(now, goal())
}

/// How many naps one who has allocated a batch would owe now.
pub(crate) fn naps_now() -> usize {
    naps_at(heap(), goal())
}

fn is_due_without_limit(now: usize) -> bool {
    now >= PACER.trigger_without_limit.load(Ordering::Relaxed)
}

/// Tells whether the collector has rested long enough for a cycle that only the limit wants.
fn is_rested() -> bool {
    uptime().as_micros() >= u128::from(PACER.rest_until.load(Ordering::Relaxed))
}

/// A cycle has ended: sets the goal for the next one.
///
/// `live` is what it has left; [`allocated`] was `begin` when it began and `end` when it began to sweep.
pub(crate) fn cycle_ended(live: usize, begin: usize, end: usize, duration: Duration) {
    let (before, during) = (PACER.during_cycle.load(Ordering::Relaxed), end - begin);
    PACER
        .during_cycle
        .store(before / 2 + during / 2, Ordering::Relaxed);
    // In this order: for a moment the heap looks too small, and not too large.
    PACER.allocated.fetch_sub(end, Ordering::Relaxed);
    PACER.live.store(live, Ordering::Relaxed);
    let rest_until = (uptime() + duration).as_micros();
    let rest_until = u64::try_from(rest_until).unwrap_or(u64::MAX);
    PACER.rest_until.store(rest_until, Ordering::Relaxed);
    aim();
}

/// Sets the goal by what is known now.
pub(crate) fn aim() {
    // Who knows more is to be the last to write.
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = local::lock(&ALONE);
    let live = PACER.live.load(Ordering::Relaxed) + external();
    let during_cycle = PACER.during_cycle.load(Ordering::Relaxed);
    let targets = Targets::new(settings::limits(), live, during_cycle);
    PACER.goal.store(targets.goal, Ordering::Relaxed);
    PACER.trigger.store(targets.trigger, Ordering::Relaxed);
    let without_limit = targets.trigger_without_limit;
    PACER
        .trigger_without_limit
        .store(without_limit, Ordering::Relaxed);
}

/// Sets the goal after a change of settings, and begins a cycle if it is time by the new ones.
pub(crate) fn aim_anew() {
    aim();
    look();
}

/// The right to so many bytes outside the heap.
///
/// The collector knows the objects in its heap, and not what they own outside of it: the buffer of a `Vec`, a mapped file. If
/// that is much, put one of these beside it: its bytes count as if they were in the heap, until it is dropped. They bring the
/// next cycle nearer, and count for the memory limit.
///
/// # Examples
///
/// ```
/// use gort_gc::{External, Trace, stats, with};
///
/// #[derive(Trace)]
/// struct Image {
///     pixels: Vec<u8>,
///     counted: External,
/// }
///
/// with(|g| {
///     let pixels = vec![0; 1 << 20];
///     let counted = External::new(pixels.capacity());
///     let image = g.alloc(Image { pixels, counted });
///     assert!(stats().external_bytes >= image.pixels.len());
/// });
/// ```
#[derive(Debug, Default)]
pub struct External(usize);

impl External {
    /// Counts so many bytes.
    ///
    /// It may start a cycle, and slow down the next pins of the thread, as an allocation in the heap does.
    #[must_use = "the bytes count until this is dropped"]
    pub fn new(bytes: usize) -> Self {
        // A guard, so that a thread that is ending has a record for as long as this takes.
        let g = pin();
        // More than that cannot be allocated.
        let bytes = bytes.min(isize::MAX.cast_unsigned());
        PACER
            .external
            .fetch_add(bytes.cast_signed(), Ordering::Relaxed);
        g.local().owe(look());
        Self(bytes)
    }

    /// Returns how many bytes are counted.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0
    }

    /// Changes how many bytes are counted.
    pub fn set(&mut self, bytes: usize) {
        // The old ones first: both together were never there.
        drop(std::mem::take(self));
        *self = Self::new(bytes);
    }
}

impl Drop for External {
    fn drop(&mut self) {
        PACER
            .external
            .fetch_sub(self.0.cast_signed(), Ordering::Relaxed);
    }
}

// SAFETY: it holds no pointers.
unsafe impl<'g> Trace<'g> for External {
    type At<'h> = External;
    const NEEDS_TRACE: bool = false;
    const INFO: TypeInfo = TypeInfo::new(&[FieldInfo::new(
        "bytes",
        Some(0),
        std::any::type_name::<usize>,
    )]);

    #[inline]
    fn trace(&self, _: &mut Tracer<'_>) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    fn targets(percent: Option<u32>, memory: Option<usize>, live: usize, during: usize) -> Targets {
        Targets::new(Limits { percent, memory }, live, during)
    }

    #[test]
    fn the_goal_is_so_many_per_cent_above_what_is_alive() {
        assert_eq!(targets(Some(100), None, 10 * MIB, 0).goal, 20 * MIB);
        assert_eq!(targets(Some(50), None, 10 * MIB, 0).goal, 15 * MIB);
        assert_eq!(targets(Some(0), None, 10 * MIB, 0).goal, 10 * MIB);
        assert_eq!(targets(None, None, 10 * MIB, 0).goal, usize::MAX);
        assert_eq!(
            targets(Some(u32::MAX), None, usize::MAX / 2, 0).goal,
            usize::MAX
        );
    }

    #[test]
    fn a_small_heap_has_a_goal_that_is_worth_a_cycle() {
        assert_eq!(targets(Some(100), None, 0, 0).goal, 4 * MIB);
        assert_eq!(targets(Some(200), None, MIB, 0).goal, 8 * MIB);
    }

    #[test]
    fn the_limit_bounds_the_goal_whatever_the_percentage() {
        for percent in [None, Some(100), Some(1_000)] {
            assert_eq!(targets(percent, Some(15 * MIB), 10 * MIB, 0).goal, 15 * MIB);
        }
        let generous = targets(Some(100), Some(100 * MIB), 10 * MIB, 0);
        assert_eq!(generous, targets(Some(100), None, 10 * MIB, 0));
    }

    #[test]
    fn a_limit_below_what_is_alive_is_a_goal_that_is_reached() {
        let below = targets(Some(100), Some(MIB), 10 * MIB, 5 * MIB);
        assert_eq!((below.goal, below.trigger), (MIB, MIB));
        assert!(below.trigger_without_limit > 10 * MIB);
    }

    #[test]
    fn a_cycle_begins_so_early_that_it_ends_below_the_goal() {
        let trigger = |during| targets(Some(100), None, 100 * MIB, during).trigger;
        assert_eq!(trigger(0), 195 * MIB);
        assert_eq!(trigger(10 * MIB), 188 * MIB);
        // But not so early that cycles follow each other at once.
        assert_eq!(trigger(90 * MIB), 170 * MIB);
        assert_eq!(trigger(usize::MAX), 170 * MIB);
    }

    #[test]
    fn who_allocates_too_much_too_early_owes_more_and_more_naps() {
        assert_eq!(naps_at(100 * MIB, 100 * MIB), 0);
        assert_eq!(naps_at(109 * MIB, 100 * MIB), 0);
        assert_eq!(naps_at(111 * MIB, 100 * MIB), NAPS);
        assert_eq!(naps_at(155 * MIB, 100 * MIB), 5 * NAPS);
        assert_eq!(naps_at(usize::MAX, 100 * MIB), MOST_NAPS);
        assert_eq!(naps_at(MIB, 0), MOST_NAPS);
        assert_eq!(naps_at(usize::MAX, usize::MAX), 0);
    }
}
