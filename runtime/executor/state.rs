//! What the tasks, the handles and the futures of an [`Executor`](super::Executor) share.
//!
//! # Where a task is
//!
//! In one of these places, so that dropping the executor finds it: in the global queue; in the ring of a seat; on the stack of
//! a thread that runs it, or of one that has marked it as scheduled and is about to push it; or waiting, with its waker in
//! [`Pending`]. Its future is polled and dropped by who took it from a queue, and by nobody else: the schedule function, which
//! any thread may call, only queues.
//!
//! # The life of the state
//!
//! It lives as long as the executor, whose destructor returns when every future is dropped and no other thread is inside.
//! What outlives it, the memory of finished tasks, points to it and never looks; see [`Visitors`].

use std::future::Future;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU32, AtomicU64};

use async_task::{Runnable, Task};
use crossbeam_utils::CachePadded;
use gort_primitives::atomic::{AtomicPtr, Ordering};
use gort_primitives::seeded::bug;

use super::body::{Body, Unlisted};
use super::home::{Entry, Home};
use super::pending::Pending;
use super::queues::Global;
use super::run::Source;
use super::seat::{self, Seat, Seated, bump};
use super::sleepers::Sleepers;
use super::visitors::Visitors;
use super::watch;

#[cfg(all(test, gort_loom))]
mod model;

/// Every so many turns the global queue comes before the ring. Borrowed from Go.
const FAIR: u32 = if SMALL { 2 } else { 61 };
/// How many tasks then move from the global queue to the ring, at most. Thin air.
const BATCH: usize = 16;
/// How many move when the ring is empty, at most. As for theft.
pub(super) const DRY_BATCH: usize = 128;
/// Models get by with few of everything.
const SMALL: bool = cfg!(all(test, gort_loom));

/// The state of an executor.
pub(super) struct State {
    /// Tasks that no seat has: made or woken outside of any `run()` of this executor.
    inject: Global,
    pub(super) sleepers: Sleepers,
    /// The seat that was made last.
    seats: AtomicPtr<Seat>,
    pub(super) pending: Pending,
    /// Apart from what the holders of seats read all the time.
    pub(super) outside: CachePadded<Outside>,
}

/// What threads without a seat write.
pub(super) struct Outside {
    pub(super) visitors: Visitors,
    /// Tasks made.
    spawned: AtomicU64,
    /// Tasks whose future was dropped.
    pub(super) finished: AtomicU64,
    /// Counts the ticks, roughly.
    ticks: AtomicU32,
}

impl State {
    /// Makes a state, to be ended once.
    pub(super) fn new() -> NonNull<Self> {
        let state = Box::new(Self {
            inject: Global::new(),
            sleepers: Sleepers::new(),
            seats: AtomicPtr::new(ptr::null_mut()),
            pending: Pending::new(),
            outside: CachePadded::new(Outside {
                visitors: Visitors::new(),
                spawned: AtomicU64::new(0),
                finished: AtomicU64::new(0),
                ticks: AtomicU32::new(0),
            }),
        });
        NonNull::from(Box::leak(state))
    }

    /// Makes a task and queues it.
    ///
    /// # Safety
    ///
    /// 1. The future is Send, or nothing but the caller's thread ticks the executor or drops it.
    /// 2. What the future and its output borrow outlives the executor, or the executor is never dropped and the task is over before.
    pub(super) unsafe fn spawn<F: Future>(&self, future: F) -> Task<F::Output> {
        self.count_spawn();
        // SAFETY: the contract.
        unsafe { self.spawn_body(Body::new(future, Entry::new(self))) }
    }

    /// As [`spawn`](Self::spawn), for an executor that is never dropped. The task is not among the
    /// [`unfinished`](Self::unfinished).
    ///
    /// # Safety
    ///
    /// 1. The future is Send.
    /// 2. The executor is never dropped, and the task is over before what the future and its output borrow ends.
    pub(super) unsafe fn spawn_unlisted<F: Future>(&self, future: F) -> Task<F::Output> {
        // SAFETY: the contract.
        unsafe { self.spawn_body(Body::new(future, Unlisted::default())) }
    }

    /// # Safety
    ///
    /// As of the two above.
    unsafe fn spawn_body<B: Future>(&self, body: B) -> Task<B::Output> {
        let home = Home::new(self);
        let builder = async_task::Builder::new().propagate_panic(true);
        // SAFETY: async-task schedules a task only while its future exists.
        let schedule = move |runnable| unsafe { home.schedule(runnable) };
        // SAFETY: the contract, and: the schedule function is Send, Sync and, by its own contract, 'static; the
        // future is only polled and dropped by a thread that ticks the executor, or drops it.
        let (runnable, task) = unsafe { builder.spawn_unchecked(|()| body, schedule) };
        // Directly, not through the task: that would take a reference to it meanwhile.
        seat::with_current(self, |seat| match seat {
            // SAFETY: the current seat is held by this thread; `wake_one` follows.
            Some(seat) => unsafe { seat.push(runnable) },
            None => self.inject(runnable),
        });
        self.sleepers.wake_one();
        task
    }

    pub(super) fn inject(&self, runnable: Runnable) {
        self.inject.push(runnable);
    }

    /// Counts a task that is about to be made.
    #[inline]
    fn count_spawn(&self) {
        seat::with_current(self, |seat| match seat {
            Some(seat) => bump(&seat.tally.spawned),
            None => {
                // Release: as in `bump`.
                self.outside.spawned.fetch_add(1, Ordering::Release);
            }
        });
    }

    fn seats(&self) -> impl Iterator<Item = &Seat> {
        // Acquire: pairs with the Release in `add_seat`.
        let mut next = self.seats.load(Ordering::Acquire).cast_const();
        std::iter::from_fn(move || {
            // SAFETY: a seat in the list lives as long as the state.
            let seat = unsafe { next.as_ref() }?;
            next = seat.next();
            Some(seat)
        })
    }

    fn add_seat(&self) -> &Seat {
        let seat = Box::into_raw(Box::new(Seat::new(self)));
        let mut first = self.seats.load(Ordering::Relaxed);
        loop {
            // SAFETY: nobody has seen the seat yet.
            let new = unsafe { &mut *seat };
            new.set_next(first);
            // Release: publishes the seat to the Acquire in `seats`.
            match self.seats.compare_exchange_weak(
                first,
                seat,
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                // SAFETY: it lives as long as the state.
                Ok(_) => return unsafe { &*seat },
                Err(now) => first = now,
            }
        }
    }

    /// The number of tasks whose future lives. If it is 0, there was a moment during the call when that was true.
    pub(super) fn unfinished(&self) -> u64 {
        // Both numbers only grow, and this reads them in this order: what is counted as finished was counted as made, so
        // they can be equal only if all that was made before the second reading was finished before.
        // Acquire: pairs with the Release of those who count; keeps the readings in order.
        let count = |number: &AtomicU64| number.load(Ordering::Acquire);
        let finished = self.seats().map(|seat| count(&seat.tally.finished));
        let finished = finished.sum::<u64>() + count(&self.outside.finished);
        let spawned = self.seats().map(|seat| count(&seat.tally.spawned));
        let spawned = spawned.sum::<u64>() + count(&self.outside.spawned);
        spawned - finished
    }

    pub(super) fn global_len(&self) -> usize {
        self.inject.len()
    }

    /// The lengths of the queues of all seats.
    pub(super) fn local_lens(&self) -> Vec<usize> {
        self.seats().map(Seat::len).collect()
    }

    /// Takes from the global queue: one task to run, and up to `most` with those that go to the ring. This leaves whoever pushes alone
    /// with the queue meanwhile.
    ///
    /// # Safety
    ///
    /// The caller holds the seat.
    #[inline]
    pub(super) unsafe fn take_batch(&self, seat: &Seat, most: usize) -> Option<Runnable> {
        // The check saves the fence of a search that finds nothing.
        if self.inject.is_empty() {
            return None;
        }
        // SAFETY: the caller holds the seat; `wake_for_rest` follows.
        let first = unsafe { seat.take_from(&self.inject, most) };
        // SAFETY: the caller holds the seat.
        unsafe { self.wake_for_rest(seat) };
        first
    }

    /// The seats but one, beginning behind that.
    pub(super) fn others<'s>(&'s self, but: &'s Seat) -> impl Iterator<Item = &'s Seat> {
        let behind = self.seats().skip_while(|seat| !ptr::eq(*seat, but)).skip(1);
        behind.chain(self.seats().take_while(|seat| !ptr::eq(*seat, but)))
    }

    /// Takes a task wherever there is one.
    ///
    /// # Safety
    ///
    /// The caller holds the seat.
    #[cold]
    pub(super) unsafe fn take_whatever(&self, seat: &Seat) -> Option<Runnable> {
        // SAFETY: the contract, here and below.
        unsafe { seat.pop() }
            // SAFETY: as above.
            .or_else(|| unsafe { self.take_batch(seat, DRY_BATCH) })
            // SAFETY: as above.
            .or_else(|| unsafe { self.steal(seat, 1) })
    }

    /// Steals half of another ring, if it has so many tasks.
    ///
    /// # Safety
    ///
    /// The caller holds the seat.
    unsafe fn steal(&self, to: &Seat, least: usize) -> Option<Runnable> {
        self.others(to)
            .filter(|from| from.len() >= least)
            // SAFETY: the caller holds the seat.
            .find_map(|from| unsafe { self.steal_from(from, to) })
    }

    /// Steals half of a ring.
    ///
    /// # Safety
    ///
    /// The caller holds the seat it goes to.
    pub(super) unsafe fn steal_from(&self, from: &Seat, to: &Seat) -> Option<Runnable> {
        // SAFETY: the caller holds the seat; `wake_for_rest` follows.
        let stolen = unsafe { from.steal_half(to) };
        // SAFETY: as above.
        unsafe { self.wake_for_rest(to) };
        stolen
    }

    /// Tasks that moved to the ring were out of sight for a moment: wakes a sleeper that may have missed them.
    ///
    /// # Safety
    ///
    /// The caller holds the seat.
    unsafe fn wake_for_rest(&self, seat: &Seat) {
        // SAFETY: the contract.
        if !unsafe { seat.is_empty_here() } && !bug("no wake-up for the rest of a batch") {
            self.sleepers.wake_one();
        }
    }

    /// Cancels all tasks, and frees the state.
    ///
    /// # Safety
    ///
    /// The state came from [`new`](Self::new). The caller owns the executor: no `run()` or `tick()` is being polled or will be, and
    /// all that they did happened before.
    pub(super) unsafe fn end(state: NonNull<Self>) {
        // SAFETY: it lives until the end of this function.
        let this = unsafe { state.as_ref() };
        // What is left in there was leaked.
        this.sleepers.clear();
        // SAFETY: nobody polls or drops a task but we, later; waking only queues.
        unsafe { this.pending.wake_all() };
        loop {
            while let Some(runnable) = this.take_any() {
                drop(runnable);
            }
            if this.unfinished() == 0 {
                break;
            }
            // Another thread has marked a task as scheduled and is about to push it.
            std::thread::yield_now();
        }
        this.outside.visitors.wait();
        // SAFETY: `new` made it from a box. No future is left that could use it, and nobody is inside.
        drop(unsafe { Box::from_raw(state.as_ptr()) });
    }
}

impl Drop for State {
    fn drop(&mut self) {
        // Relaxed: ours alone.
        let mut next = self.seats.load(Ordering::Relaxed);
        while !next.is_null() {
            // SAFETY: `add_seat` made it from a box, and this takes each once.
            let seat = unsafe { Box::from_raw(next) };
            next = seat.next().cast_mut();
        }
    }
}

impl Source for State {
    type Seat = Claim;
    type Seated<'p> = Seated;

    fn claim(&self) -> Claim {
        let free = self.seats().find(|seat| seat.try_claim());
        Claim {
            seat: NonNull::from(free.unwrap_or_else(|| self.add_seat())),
            state: NonNull::from(self),
        }
    }

    fn sit(seat: &Claim) -> Seated {
        // SAFETY: the claim holds the seat; the guard stays on the stack of the poll.
        unsafe { seat.seat().sit() }
    }

    #[inline]
    fn take(&self, claim: &Claim) -> Option<Runnable> {
        let seat = claim.seat();
        // SAFETY: the claim holds the seat, here and below.
        if unsafe { seat.every(FAIR) }
            // SAFETY: as above.
            && let Some(runnable) = unsafe { self.take_batch(seat, BATCH) }
        {
            return Some(runnable);
        }
        // SAFETY: as above.
        unsafe { seat.pop() }
            // SAFETY: as above.
            .or_else(|| unsafe { self.take_batch(seat, DRY_BATCH) })
            // SAFETY: as above.
            .or_else(|| unsafe { self.steal(seat, 2) })
    }

    fn watch(&self, claim: &Claim) -> Option<Runnable> {
        // SAFETY: the claim holds the seat.
        unsafe { watch::watch(self, claim.seat()) }
    }

    fn take_last(&self, claim: &Claim) -> Option<Runnable> {
        // SAFETY: the claim holds the seat.
        unsafe { self.take_whatever(claim.seat()) }
    }

    fn take_any(&self) -> Option<Runnable> {
        let stealing = || self.seats().find_map(Seat::steal_one);
        // A queue that never runs dry must not keep the others waiting. A tick that gets lost does no harm.
        let ticks = self.outside.ticks.load(Ordering::Relaxed).wrapping_add(1);
        self.outside.ticks.store(ticks, Ordering::Relaxed);
        if ticks.is_multiple_of(FAIR) {
            return stealing().or_else(|| self.inject.pop());
        }
        self.inject.pop().or_else(stealing)
    }

    fn has_work(&self) -> bool {
        !self.inject.is_empty() || self.seats().any(|seat| !seat.is_empty())
    }

    fn sleepers(&self) -> &Sleepers {
        &self.sleepers
    }
}

/// A seat in the hands of a `run()` future.
pub(super) struct Claim {
    seat: NonNull<Seat>,
    state: NonNull<State>,
}

// SAFETY: the seat and the state are shared; what belongs to the holder of the seat moves with the claim.
unsafe impl Send for Claim {}
// SAFETY: a claim is only used through a pinned `&mut` of the future that has it.
unsafe impl Sync for Claim {}

impl Claim {
    fn seat(&self) -> &Seat {
        // SAFETY: it lives as long as the state, which the `run()` future borrows.
        unsafe { self.seat.as_ref() }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // SAFETY: the `run()` future borrows the executor, whose reference keeps the state.
        let state = unsafe { self.state.as_ref() };
        let seat = self.seat();
        // SAFETY: we hold the seat, here and below.
        while let Some(runnable) = unsafe { seat.pop() } {
            state.inject(runnable);
            state.sleepers.wake_one();
        }
        // SAFETY: as above; this is the last use.
        unsafe { seat.free() };
    }
}
