//! What an executor, its seats and its tasks share.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::task::{Context, Poll, Waker};

use async_task::{Runnable, Task};
use concurrent_queue::ConcurrentQueue;
use crossbeam_deque::{Steal, Stealer, Worker};
use crossbeam_utils::CachePadded;
use pin_project_lite::pin_project;
use slab::Slab;

use super::run::with_seat;
use super::sleepers::Sleepers;

/// Shards of the list of tasks. Thin air: a few busy threads seldom meet at one lock.
const SHARDS: usize = 8;

/// The most tasks that move into a seat's ring at once. From Go and tokio: half of their rings.
const BATCH: usize = 128;

/// The state of an executor.
pub(super) struct State {
    global: ConcurrentQueue<Runnable>,
    /// The thieves' ends of the seats' rings.
    seats: RwLock<Vec<(u64, Stealer<Runnable>)>>,
    next_seat: AtomicUsize,
    pub(super) sleepers: Sleepers,
    pub(super) active: Active,
}

impl State {
    pub(super) fn new() -> Self {
        Self {
            global: ConcurrentQueue::unbounded(),
            seats: RwLock::new(Vec::new()),
            next_seat: AtomicUsize::new(0),
            sleepers: Sleepers::new(),
            active: Active::default(),
        }
    }

    /// Queues a task: in the seat of this thread if that belongs to this executor, else globally.
    #[inline]
    pub(super) fn schedule(&self, runnable: Runnable) {
        let left = with_seat(self, |ring| match ring {
            Some(ring) => {
                ring.push(runnable);
                None
            }
            None => Some(runnable),
        });
        if let Some(runnable) = left
            && self.global.push(runnable).is_err()
        {
            unreachable!("the queue is never closed");
        }
        self.notify();
    }

    /// Wakes somebody for a task that was just queued, if nobody is on the way.
    #[inline]
    pub(super) fn notify(&self) {
        // SeqCst: orders the push before the look; pairs with the fence in `Sleepers::sleep`.
        fence(Ordering::SeqCst);
        self.sleepers.wake_one();
    }

    /// Takes a task from anywhere, for somebody without a seat.
    pub(super) fn take(&self) -> Option<Runnable> {
        self.global.pop().ok().or_else(|| {
            let seats = self.seats.read().unwrap_or_else(PoisonError::into_inner);
            seats.iter().find_map(|(_, seat)| steal_one(seat))
        })
    }

    pub(super) fn try_tick(&self) -> bool {
        self.take().map(Runnable::run).is_some()
    }

    /// Returns whether tasks wait in any queue. Exact after a fence.
    #[cold]
    pub(super) fn has_work(&self) -> bool {
        // SeqCst: who relied on our being on the way has pushed before, or sees that we are not any more.
        fence(Ordering::SeqCst);
        let seats = self.seats.read().unwrap_or_else(PoisonError::into_inner);
        !self.global.is_empty() || seats.iter().any(|(_, seat)| !seat.is_empty())
    }

    /// Adds a seat. Returns its name and the owner's end of its ring.
    pub(super) fn open_seat(&self) -> (u64, Worker<Runnable>) {
        let ring = Worker::new_fifo();
        // Relaxed: a name.
        let name = self.next_seat.fetch_add(1, Ordering::Relaxed) as u64;
        let mut seats = self.seats.write().unwrap_or_else(PoisonError::into_inner);
        seats.push((name, ring.stealer()));
        (name, ring)
    }

    /// Removes a seat; what is left in its ring goes to the others.
    pub(super) fn close_seat(&self, name: u64, ring: &Worker<Runnable>) {
        let mut seats = self.seats.write().unwrap_or_else(PoisonError::into_inner);
        seats.retain(|(other, _)| *other != name);
        drop(seats);
        while let Some(runnable) = ring.pop() {
            if self.global.push(runnable).is_err() {
                unreachable!("the queue is never closed");
            }
            self.notify();
        }
    }

    /// Fills a ring from the global queue, and takes one of what it got.
    pub(super) fn take_batch(&self, ring: &Worker<Runnable>) -> Option<Runnable> {
        let first = self.global.pop().ok()?;
        let seats = self.seats.read().map_or(1, |seats| seats.len().max(1));
        for _ in 0..(self.global.len() / seats).min(BATCH) {
            let Ok(runnable) = self.global.pop() else {
                break;
            };
            ring.push(runnable);
        }
        Some(first)
    }

    /// Takes one task from the global queue.
    pub(super) fn take_global(&self) -> Option<Runnable> {
        self.global.pop().ok()
    }

    /// Takes half of another seat's ring.
    pub(super) fn steal(&self, thief: u64, ring: &Worker<Runnable>) -> Option<Runnable> {
        let seats = self.seats.read().unwrap_or_else(PoisonError::into_inner);
        if seats.len() < 2 {
            return None;
        }
        let start = fastrand::usize(..seats.len());
        (0..seats.len())
            .map(|i| &seats[(start + i) % seats.len()])
            .filter(|(name, _)| *name != thief)
            .find_map(|(_, seat)| {
                loop {
                    let half = seat.len().div_ceil(2).clamp(1, BATCH);
                    match seat.steal_batch_with_limit_and_pop(ring, half) {
                        Steal::Success(runnable) => return Some(runnable),
                        Steal::Empty => return None,
                        Steal::Retry => std::hint::spin_loop(),
                    }
                }
            })
    }

    /// Cancels every task, and drops every future.
    pub(super) fn cancel_all(&self) {
        // The futures' destructors may wake, and cancel, other tasks of this executor.
        loop {
            let wakers = self.active.take_wakers();
            let done = wakers.is_empty();
            for waker in wakers {
                waker.wake();
            }
            while let Some(runnable) = self.take() {
                drop(runnable);
            }
            if done && self.active.is_empty() {
                return;
            }
            if done {
                // A thread that cancels a task is between its decision and the queue.
                std::thread::yield_now();
            }
        }
    }

    pub(super) fn describe(&self, debug: &mut fmt::DebugStruct<'_, '_>) -> fmt::Result {
        let seats = self.seats.read().unwrap_or_else(PoisonError::into_inner);
        let rings: Vec<_> = seats.iter().map(|(_, seat)| seat.len()).collect();
        debug
            .field("tasks", &self.active.len())
            .field("global_queue", &self.global.len())
            .field("local_queues", &rings)
            .field("sleepers", &self.sleepers.count())
            .finish()
    }
}

fn steal_one(seat: &Stealer<Runnable>) -> Option<Runnable> {
    loop {
        match seat.steal() {
            Steal::Success(runnable) => return Some(runnable),
            Steal::Empty => return None,
            Steal::Retry => std::hint::spin_loop(),
        }
    }
}

/// The tasks that have not ended: how many, and a waker of each that has waited, by which the executor's destructor reaches it.
///
/// A task that has not been polled is in a queue, so one that ends in its first poll takes no lock.
#[derive(Default)]
pub(super) struct Active {
    shards: [CachePadded<Shard>; SHARDS],
}

#[derive(Default)]
struct Shard {
    count: AtomicUsize,
    wakers: Mutex<Slab<Option<Waker>>>,
}

impl Shard {
    fn lock(&self) -> MutexGuard<'_, Slab<Option<Waker>>> {
        self.wakers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Active {
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn len(&self) -> usize {
        // Acquire: pairs with the Release of `Entry::drop`, so that the futures that are not counted are gone.
        let counts = self.shards.iter();
        counts
            .map(|shard| shard.count.load(Ordering::Acquire))
            .sum()
    }

    /// The shard for tasks that this thread spawns.
    fn here() -> usize {
        thread_local! {
            static SHARD: usize = {
                static NEXT: AtomicUsize = AtomicUsize::new(0);
                // Relaxed: deals them out in turn.
                NEXT.fetch_add(1, Ordering::Relaxed) % SHARDS
            };
        }
        SHARD.try_with(|shard| *shard).unwrap_or(0)
    }

    /// Takes the wakers of all tasks that have one left.
    fn take_wakers(&self) -> Vec<Waker> {
        let mut wakers = Vec::new();
        for shard in &self.shards {
            wakers.extend(
                shard
                    .lock()
                    .iter_mut()
                    .filter_map(|(_, waker)| waker.take()),
            );
        }
        wakers
    }
}

/// A task's place in the list.
struct Entry {
    /// Kept alive by the schedule function of the same task.
    state: *const State,
    shard: u32,
    /// Its place among the wakers, once it has waited.
    key: Option<usize>,
}

// SAFETY: `State` is shared between threads.
unsafe impl Send for Entry {}

impl Entry {
    fn shard(&self) -> &Shard {
        // SAFETY: the schedule function, which holds a reference, lives as long as the memory of the task, and so longer than
        // its future.
        let state = unsafe { &*self.state };
        &state.active.shards[self.shard as usize]
    }

    #[cold]
    fn register(&mut self, waker: &Waker) {
        let waker = waker.clone();
        let key = self.shard().lock().insert(Some(waker));
        self.key = Some(key);
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            let waker = self.shard().lock().remove(key);
            // Outside the lock: it may be the last reference to something of the user's.
            drop(waker);
        }
        // Release: pairs with the Acquire in `Active::len`.
        self.shard().count.fetch_sub(1, Ordering::Release);
    }
}

pin_project! {
    struct Tracked<F> {
        // Dropped first: the entry says that the future is gone.
        #[pin]
        future: F,
        entry: Entry,
    }
}

impl<F: Future> Future for Tracked<F> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let poll = this.future.poll(cx);
        if poll.is_pending() && this.entry.key.is_none() {
            this.entry.register(cx.waker());
        }
        poll
    }
}

/// Makes a task of an executor, and keeps track of it.
///
/// # Safety
///
/// The executor cancels its tasks before anything ends that the future borrows, and the future may go to every thread that
/// runs the executor or drops it.
pub(super) unsafe fn spawn<T, F: Future<Output = T>>(
    state: Arc<State>,
    future: F,
) -> (Runnable, Task<T>) {
    let shard = Active::here();
    // Relaxed: the destructor of the executor comes after every spawn.
    state.active.shards[shard]
        .count
        .fetch_add(1, Ordering::Relaxed);
    let future = Tracked {
        future,
        entry: Entry {
            state: Arc::as_ptr(&state),
            shard: shard as u32,
            key: None,
        },
    };
    let schedule = move |runnable| state.schedule(runnable);
    let builder = async_task::Builder::new().propagate_panic(true);
    // SAFETY: the schedule function is Send, Sync and 'static; for the future the caller vouches.
    unsafe { builder.spawn_unchecked(|()| future, schedule) }
}
