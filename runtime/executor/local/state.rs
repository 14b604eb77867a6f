//! What the tasks, the handle and the futures of a [`LocalExecutor`](super::LocalExecutor) share.
//!
//! One thread, the *owner*, makes, polls and drops the tasks: the executor is not Sync, and once it has a task it is not moved to another thread. Other threads may
//! wake a task, and nothing else. The owner is known by a number that no other thread ever gets. Tasks that it wakes go to
//! [`Here`], a plain deque; those that others wake to a concurrent queue, by the protocols of [`Sleepers`] and [`Visitors`].
//!
//! Else as in the [`State`](crate::executor::state::State) of an executor for many threads: where a task is, how the executor
//! ends, and how long the state lives, are told there.

use std::cell::{Cell, UnsafeCell};
use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Waker;

use async_task::{Runnable, Task};
use concurrent_queue::ConcurrentQueue;

use super::pending::{Pending, Ticket};
use crate::executor::body::{Body, Record, Unlisted};
use crate::executor::run::Source;
use crate::executor::sleepers::Sleepers;
use crate::executor::visitors::Visitors;

/// Every so many turns the inbox comes before the deque. Borrowed from Go.
const FAIR: u32 = 61;

/// A number for each thread that asks.
static THREADS: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// This thread's number, or 0. Without a destructor, so that an access is one instruction.
    static THREAD: Cell<u64> = const { Cell::new(0) };
}

/// Returns the number of this thread, never that of another that lives or lived.
fn this_thread() -> u64 {
    match THREAD.get() {
        0 => {
            let number = THREADS.fetch_add(1, Ordering::Relaxed) + 1;
            THREAD.set(number);
            number
        }
        number => number,
    }
}

/// The state of a local executor.
pub(in crate::executor) struct State {
    /// Written only while there is no task, and so nobody else who could read it.
    owner: Cell<u64>,
    /// For the owner.
    here: Here,
    /// Tasks woken by other threads.
    inbox: ConcurrentQueue<Runnable>,
    sleepers: Sleepers,
    visitors: Visitors,
}

/// What only the owner touches.
struct Here {
    ready: UnsafeCell<VecDeque<Runnable>>,
    pending: Pending,
    /// Tasks whose future lives.
    unfinished: Cell<u64>,
    turns: Cell<u32>,
}

impl State {
    /// Makes a state that is owned by this thread, to be ended once.
    pub(super) fn new() -> NonNull<Self> {
        let state = Box::new(Self {
            owner: Cell::new(this_thread()),
            here: Here {
                ready: UnsafeCell::default(),
                pending: Pending::default(),
                unfinished: Cell::new(0),
                turns: Cell::new(0),
            },
            inbox: ConcurrentQueue::unbounded(),
            sleepers: Sleepers::new(),
            visitors: Visitors::new(),
        });
        NonNull::from(Box::leak(state))
    }

    /// What belongs to the owner, if that is this thread.
    #[inline(always)]
    fn here(&self) -> Option<&Here> {
        (THREAD.get() == self.owner.get()).then_some(&self.here)
    }

    /// Makes a task and queues it. Called by the owner.
    ///
    /// # Safety
    ///
    /// What the future and its output borrow outlives the executor, or the executor is never dropped and the task is over before.
    pub(in crate::executor) unsafe fn spawn<F: Future>(&self, future: F) -> Task<F::Output> {
        let here = &self.here;
        here.unfinished.set(here.unfinished.get() + 1);
        // SAFETY: the contract.
        unsafe { self.spawn_body(Body::new(future, Entry::new(self))) }
    }

    /// As [`spawn`](Self::spawn), for an executor that is never dropped. The task is not among the
    /// [`unfinished`](Self::unfinished).
    ///
    /// # Safety
    ///
    /// The executor is never dropped, and the task is over before what the future and its output borrow ends.
    pub(in crate::executor) unsafe fn spawn_unlisted<F: Future>(
        &self,
        future: F,
    ) -> Task<F::Output> {
        // The executor may have been run by another thread and then moved here: it had no task, which would have kept it in place.
        let here = this_thread();
        if self.owner.get() != here {
            self.owner.set(here);
        }
        // SAFETY: the contract.
        unsafe { self.spawn_body(Body::new(future, Unlisted::default())) }
    }

    /// # Safety
    ///
    /// As of the two above.
    unsafe fn spawn_body<B: Future>(&self, body: B) -> Task<B::Output> {
        let here = &self.here;
        let home = Home(NonNull::from(self));
        let builder = async_task::Builder::new().propagate_panic(true);
        // SAFETY: async-task schedules a task only while its future exists.
        let schedule = move |runnable| unsafe { home.schedule(runnable) };
        // SAFETY: the contract, and: the schedule function is Send, Sync and, by its own contract, 'static; the future is only polled and dropped by the owner, which ticks the executor and drops it.
        let (runnable, task) = unsafe { builder.spawn_unchecked(|()| body, schedule) };
        if let Some(sleeper) = self.schedule_here(here, runnable) {
            sleeper.wake();
        }
        task
    }

    /// Queues a task, on the owner. Returns whom to wake for it.
    #[inline]
    fn schedule_here(&self, here: &Here, runnable: Runnable) -> Option<Waker> {
        here.push(runnable);
        // Whoever sleeps has looked at the deque on this thread.
        self.sleepers.take_one_unfenced()
    }

    /// Takes a task that another thread woke.
    fn receive(&self) -> Option<Runnable> {
        // The check saves the fence of a pop that finds nothing.
        if self.inbox.is_empty() {
            return None;
        }
        self.inbox.pop().ok()
    }

    /// The number of tasks whose future lives. Called by the owner.
    pub(super) fn unfinished(&self) -> u64 {
        self.here.unfinished.get()
    }

    pub(super) fn debug(
        &self,
        name: &str,
        counted: bool,
        f: &mut fmt::Formatter<'_>,
    ) -> fmt::Result {
        let mut fields = f.debug_struct(name);
        if counted {
            fields.field("tasks", &self.unfinished());
        }
        fields
            .field("local_queue", &self.here.len())
            .field("woken_elsewhere", &self.inbox.len())
            .field("sleepers", &self.sleepers.len())
            .finish()
    }

    /// Cancels all tasks, and frees the state. Called by the owner.
    ///
    /// # Safety
    ///
    /// The state came from [`new`](Self::new), and no `run()` or `tick()` is being polled or will be.
    pub(super) unsafe fn end(state: NonNull<Self>) {
        // SAFETY: it lives until the end of this function.
        let this = unsafe { state.as_ref() };
        let here = &this.here;
        // What is left in there was leaked.
        this.sleepers.clear();
        here.pending.wake_all();
        loop {
            while let Some(runnable) = this.take_any() {
                drop(runnable);
            }
            if here.unfinished.get() == 0 {
                break;
            }
            // Another thread has marked a task as scheduled and is about to push it.
            std::thread::yield_now();
        }
        this.visitors.wait();
        // SAFETY: `new` made it from a box. No future is left that could use it, and nobody is inside.
        drop(unsafe { Box::from_raw(state.as_ptr()) });
    }
}

impl Here {
    #[inline]
    fn push(&self, runnable: Runnable) {
        // SAFETY: only the owner gets here, and no foreign code runs inside, so this is the only reference.
        let ready = unsafe { &mut *self.ready.get() };
        ready.push_back(runnable);
    }

    #[inline]
    fn pop(&self) -> Option<Runnable> {
        // SAFETY: as in `push`.
        let ready = unsafe { &mut *self.ready.get() };
        ready.pop_front()
    }

    fn len(&self) -> usize {
        // SAFETY: as in `push`.
        let ready = unsafe { &*self.ready.get() };
        ready.len()
    }
}

impl Source for State {
    type Seat = ();
    type Seated<'p> = ();

    fn claim(&self) {}

    fn sit((): &()) {}

    #[inline]
    fn take(&self, (): &()) -> Option<Runnable> {
        self.take_any()
    }

    #[inline]
    fn take_any(&self) -> Option<Runnable> {
        let here = &self.here;
        let turns = here.turns.get() + 1;
        here.turns.set(turns % FAIR);
        if turns == FAIR
            && let Some(runnable) = self.receive()
        {
            return Some(runnable);
        }
        here.pop().or_else(|| self.receive())
    }

    fn has_work(&self) -> bool {
        !self.inbox.is_empty() || self.here.len() != 0
    }

    fn sleepers(&self) -> &Sleepers {
        &self.sleepers
    }
}

/// What the schedule function of a task knows.
#[derive(Clone, Copy)]
struct Home(NonNull<State>);

// SAFETY: what other threads do through it is atomic.
unsafe impl Send for Home {}
// SAFETY: as above.
unsafe impl Sync for Home {}

impl Home {
    /// Queues a task and wakes somebody for it.
    ///
    /// # Safety
    ///
    /// The future of the task exists.
    #[inline]
    unsafe fn schedule(self, runnable: Runnable) {
        // SAFETY: the caller's promise: the destructor drops all futures before it frees the state.
        let state = unsafe { self.0.as_ref() };
        let sleeper = match state.here() {
            // The destructor runs on this thread too, so not meanwhile.
            Some(here) => state.schedule_here(here, runnable),
            // SAFETY: as above.
            None => unsafe { self.visit(runnable) },
        };
        // At the end: this is foreign code.
        if let Some(sleeper) = sleeper {
            sleeper.wake();
        }
    }

    /// As [`schedule`](Self::schedule), by another thread.
    ///
    /// # Safety
    ///
    /// As there.
    #[cold]
    unsafe fn visit(self, runnable: Runnable) -> Option<Waker> {
        // SAFETY: the caller's promise until the push; from then on the count keeps the state.
        let state = unsafe { self.0.as_ref() };
        state.visitors.enter();
        if state.inbox.push(runnable).is_err() {
            unreachable!("the inbox is never closed");
        }
        let sleeper = state.sleepers.take_one();
        state.visitors.leave();
        sleeper
    }
}

/// A task's record, in its future: lives as long as that, which the executor outlives. Used by the owner.
struct Entry {
    state: NonNull<State>,
    ticket: Option<Ticket>,
}

impl Entry {
    fn new(state: &State) -> Self {
        Self {
            state: NonNull::from(state),
            ticket: None,
        }
    }

    fn here(&self) -> &Here {
        // SAFETY: we are part of a future, and the destructor drops all of them before it frees the state.
        &unsafe { self.state.as_ref() }.here
    }
}

impl Record for Entry {
    #[inline]
    fn keep(&mut self, waker: &Waker) {
        if self.ticket.is_none() {
            self.ticket = Some(self.here().pending.keep(waker.clone()));
        }
    }
}

impl Drop for Entry {
    #[inline]
    fn drop(&mut self) {
        let ticket = self.ticket.take();
        let here = self.here();
        let waker = ticket.and_then(|ticket| here.pending.forget(ticket));
        drop(waker);
        here.unfinished.set(here.unfinished.get() - 1);
    }
}
