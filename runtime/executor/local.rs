//! The executor of one thread: no lock and no locked instruction of ours while tasks of the thread wake each other.
//!
//! # Who may touch what
//!
//! * `local`, `wakers`, `count`: the owner's thread only, which is where the executor is used (it is not `Send`), where tasks are polled, and where their
//!   futures are dropped.
//! * `foreign`, `sleepers`: every thread. A wake-up from another thread puts the task into `foreign`.
//! * `visitors`: counted up by a foreign thread *before* it queues a task, and down when it is done with the state. Until the task is in the queue its
//!   future lives, and so does the executor; after that only the count keeps the executor's destructor from freeing the state.

use std::cell::{Cell, UnsafeCell};
use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::ptr;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering, fence};
use std::task::{Context, Poll, Waker, ready};

use async_task::{Runnable, Task};
use concurrent_queue::ConcurrentQueue;
use pin_project_lite::pin_project;
use slab::Slab;

use super::StaticLocalExecutor;
use super::sleepers::{Look, Name, Sleepers};

/// Tasks that one poll of a `run` future runs before it lets its thread do other things. From async-executor.
const TASKS_PER_POLL: usize = 200;

/// How often what other threads have woken comes first. From Go.
const FOREIGN_EVERY: u32 = 61;

/// An executor for tasks that stay on their thread, and need not be `Send`.
///
/// It runs nothing by itself: [`run`](LocalExecutor::run) and [`tick`](LocalExecutor::tick) do. Tasks may borrow what outlives the executor. Dropping it cancels the
/// tasks that have not ended. Wakers of its tasks may be used on any thread.
///
/// The interface and its meaning are those of `async_executor::LocalExecutor`.
///
/// # Examples
///
/// ```
/// use std::rc::Rc;
///
/// let ex = gort::LocalExecutor::new();
/// let shared = Rc::new(41);
/// let task = ex.spawn({
///     let shared = shared.clone();
///     async move { *shared + 1 }
/// });
/// assert_eq!(gort::block_on(ex.run(task)), 42);
/// ```
pub struct LocalExecutor<'a> {
    /// A `Box<State>` in raw form, made at the first use.
    state: Cell<*mut State>,
    /// Invariant in `'a`, and bound to its thread.
    _tasks: PhantomData<(UnsafeCell<&'a ()>, Rc<()>)>,
}

impl UnwindSafe for LocalExecutor<'_> {}
impl RefUnwindSafe for LocalExecutor<'_> {}

struct State {
    /// The token of the owner's thread.
    owner: u64,
    local: UnsafeCell<VecDeque<Runnable>>,
    /// A waker of each task that has waited.
    wakers: UnsafeCell<Slab<Option<Waker>>>,
    /// Tasks whose future exists.
    count: Cell<usize>,
    turn: Cell<u32>,
    foreign: ConcurrentQueue<Runnable>,
    sleepers: Sleepers,
    visitors: AtomicUsize,
}

/// A number of this thread that no other thread of the process ever has.
#[inline]
fn this_thread() -> u64 {
    thread_local! {
        static TOKEN: Cell<u64> = const { Cell::new(0) };
    }
    #[cold]
    fn new_token() -> u64 {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        // Relaxed: only unique.
        let token = NEXT.fetch_add(1, Ordering::Relaxed);
        TOKEN.set(token);
        token
    }
    match TOKEN.get() {
        0 => new_token(),
        token => token,
    }
}

impl State {
    fn new() -> Self {
        Self {
            owner: this_thread(),
            local: UnsafeCell::default(),
            wakers: UnsafeCell::default(),
            count: Cell::new(0),
            turn: Cell::new(0),
            foreign: ConcurrentQueue::unbounded(),
            sleepers: Sleepers::new(),
            visitors: AtomicUsize::new(0),
        }
    }

    #[inline]
    fn push_local(&self, runnable: Runnable) {
        // SAFETY: on the owner's thread, and nothing below calls back: a push runs no code of the user's.
        unsafe { &mut *self.local.get() }.push_back(runnable);
        // No fence: a sleeper looks again on this thread.
        self.sleepers.wake_one();
    }

    fn pop_local(&self) -> Option<Runnable> {
        // SAFETY: as in `push_local`.
        unsafe { &mut *self.local.get() }.pop_front()
    }

    #[inline]
    fn take(&self) -> Option<Runnable> {
        let turn = self.turn.get().wrapping_add(1);
        self.turn.set(turn);
        let first = turn
            .is_multiple_of(FOREIGN_EVERY)
            .then(|| self.foreign.pop().ok())
            .flatten();
        first
            .or_else(|| self.pop_local())
            .or_else(|| self.foreign.pop().ok())
    }

    /// Calls `f` with the list of wakers.
    fn with_wakers<R>(&self, f: impl FnOnce(&mut Slab<Option<Waker>>) -> R) -> R {
        // SAFETY: on the owner's thread; callers run no code of the user's inside.
        f(unsafe { &mut *self.wakers.get() })
    }

    fn cancel_all(&self) {
        loop {
            let wakers: Vec<_> = self.with_wakers(|wakers| {
                wakers
                    .iter_mut()
                    .filter_map(|(_, waker)| waker.take())
                    .collect()
            });
            let done = wakers.is_empty();
            for waker in wakers {
                waker.wake();
            }
            while let Some(runnable) = self.take() {
                drop(runnable);
            }
            if done && self.count.get() == 0 {
                break;
            }
            if done {
                // Another thread is about to queue a task.
                std::thread::yield_now();
            }
        }
        // Acquire: pairs with the Release of a visitor that leaves.
        while self.visitors.load(Ordering::Acquire) > 0 {
            std::thread::yield_now();
        }
    }
}

/// What the schedule function knows.
#[derive(Clone, Copy)]
struct Home(*const State);

// SAFETY: see the file's head: other threads touch the shared parts only.
unsafe impl Send for Home {}
// SAFETY: as for Send.
unsafe impl Sync for Home {}

impl Home {
    /// # Safety
    ///
    /// The task's future exists.
    #[inline]
    unsafe fn schedule(self, runnable: Runnable) {
        // SAFETY: the caller's promise: the executor drops the futures before it frees the state.
        let owner = unsafe { (*self.0).owner };
        if owner == this_thread() {
            // SAFETY: as above; the owner's thread is here, so nobody frees the state meanwhile.
            unsafe { &*self.0 }.push_local(runnable);
        } else {
            // SAFETY: as above.
            unsafe { self.schedule_foreign(runnable) };
        }
    }

    /// # Safety
    ///
    /// As for [`schedule`](Self::schedule).
    #[cold]
    unsafe fn schedule_foreign(self, runnable: Runnable) {
        // SAFETY: the caller's promise, until the push; from the count on, by the count.
        let state = unsafe { &*self.0 };
        // Relaxed: the push publishes it to the owner, who cannot be rid of the task before.
        state.visitors.fetch_add(1, Ordering::Relaxed);
        if state.foreign.push(runnable).is_err() {
            unreachable!("the queue is never closed");
        }
        // SeqCst: orders the push before the look; pairs with the fence in `Sleepers::sleep`.
        fence(Ordering::SeqCst);
        state.sleepers.wake_one();
        // Release: the owner may free the state from here on.
        state.visitors.fetch_sub(1, Ordering::Release);
    }
}

/// A task's place in the list.
struct Entry {
    state: *const State,
    key: Option<usize>,
}

impl Entry {
    fn state(&self) -> &State {
        // SAFETY: the executor drops the futures before it frees the state, and this is part of one.
        unsafe { &*self.state }
    }

    #[cold]
    fn register(&mut self, waker: &Waker) {
        let waker = Some(waker.clone());
        self.key = Some(self.state().with_wakers(|wakers| wakers.insert(waker)));
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let state = self.state();
        let waker = self
            .key
            .and_then(|key| state.with_wakers(|wakers| wakers.remove(key)));
        state.count.set(state.count.get() - 1);
        drop(waker);
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

impl<'a> LocalExecutor<'a> {
    /// Creates an executor.
    ///
    /// # Examples
    ///
    /// ```
    /// let ex = gort::LocalExecutor::new();
    /// assert!(ex.is_empty());
    /// ```
    #[must_use]
    pub const fn new() -> Self {
        Self {
            state: Cell::new(ptr::null_mut()),
            _tasks: PhantomData,
        }
    }

    /// Returns whether there are no tasks that have not ended.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.state().count.get() == 0
    }

    /// Spawns a task.
    ///
    /// # Examples
    ///
    /// ```
    /// let ex = gort::LocalExecutor::new();
    /// let task = ex.spawn(async { println!("hello") });
    /// gort::block_on(ex.run(task));
    /// ```
    pub fn spawn<T: 'a>(&self, future: impl Future<Output = T> + 'a) -> Task<T> {
        // SAFETY: the executor may not outlive what the future borrows, and drops it in its destructor at the latest.
        unsafe { self.spawn_unbound(future) }
    }

    /// # Safety
    ///
    /// The future is dropped before anything ends that it borrows.
    pub(super) unsafe fn spawn_unbound<T>(&self, future: impl Future<Output = T>) -> Task<T> {
        let state = self.state();
        state.count.set(state.count.get() + 1);
        let future = Tracked {
            future,
            entry: Entry { state, key: None },
        };
        let home = Home(state);
        let schedule = move |runnable| {
            let home = home;
            // SAFETY: async-task schedules a task only while its future exists.
            unsafe { home.schedule(runnable) };
        };
        let builder = async_task::Builder::new().propagate_panic(true);
        // SAFETY: the schedule function is Send, Sync and 'static. The future is polled and dropped on this thread only:
        // runnables are run and dropped by the executor, which is not Send. For its lifetime the caller vouches.
        let (runnable, task) = unsafe { builder.spawn_unchecked(|()| future, schedule) };
        state.push_local(runnable);
        task
    }

    /// Spawns many tasks, and puts their handles into `handles`.
    ///
    /// # Examples
    ///
    /// ```
    /// let ex = gort::LocalExecutor::new();
    /// let mut tasks = Vec::new();
    /// ex.spawn_many([std::future::ready(1), std::future::ready(2)], &mut tasks);
    /// assert_eq!(tasks.len(), 2);
    /// ```
    pub fn spawn_many<T: 'a, F: Future<Output = T> + 'a>(
        &self,
        futures: impl IntoIterator<Item = F>,
        handles: &mut impl Extend<Task<F::Output>>,
    ) {
        handles.extend(futures.into_iter().map(|future| self.spawn(future)));
    }

    /// Runs one task that is ready, if there is one. Returns whether there was.
    ///
    /// # Examples
    ///
    /// ```
    /// let ex = gort::LocalExecutor::new();
    /// assert!(!ex.try_tick());
    /// let _task = ex.spawn(async {});
    /// assert!(ex.try_tick());
    /// ```
    pub fn try_tick(&self) -> bool {
        self.state().take().map(Runnable::run).is_some()
    }

    /// Runs one task, waiting until one is ready.
    ///
    /// # Cancel safety
    ///
    /// A tick that is dropped has run no task, and passes a wake-up that it has had to another.
    ///
    /// # Examples
    ///
    /// ```
    /// let ex = gort::LocalExecutor::new();
    /// let _task = ex.spawn(async {});
    /// gort::block_on(ex.tick());
    /// ```
    pub async fn tick(&self) {
        let one = Ticks {
            state: self.state(),
            name: Name::default(),
        };
        std::future::poll_fn(|cx| one.poll_one(cx)).await.run();
    }

    /// Runs tasks until `future` is ready, and returns its output.
    ///
    /// # Examples
    ///
    /// ```
    /// let ex = gort::LocalExecutor::new();
    /// let task = ex.spawn(async { 1 + 2 });
    /// let sum = gort::block_on(ex.run(async { task.await * 2 }));
    /// assert_eq!(sum, 6);
    /// ```
    pub async fn run<T>(&self, future: impl Future<Output = T>) -> T {
        Run {
            future,
            ticks: Ticks {
                state: self.state(),
                name: Name::default(),
            },
        }
        .await
    }

    #[inline]
    fn state(&self) -> &State {
        if self.state.get().is_null() {
            self.state.set(Box::into_raw(Box::new(State::new())));
        }
        // SAFETY: made above, and freed by the destructor only.
        unsafe { &*self.state.get() }
    }
}

impl LocalExecutor<'static> {
    /// Turns this into an executor that is never dropped.
    #[must_use]
    pub fn leak(self) -> &'static StaticLocalExecutor {
        Box::leak(Box::new(StaticLocalExecutor::of(self)))
    }
}

impl Default for LocalExecutor<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for LocalExecutor<'_> {
    fn drop(&mut self) {
        let state = self.state.get();
        if state.is_null() {
            return;
        }
        // SAFETY: it lives until the end of this function.
        unsafe { &*state }.cancel_all();
        // SAFETY: from `Box::into_raw`. No future is left that could use it, and no visitor.
        drop(unsafe { Box::from_raw(state) });
    }
}

impl fmt::Debug for LocalExecutor<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        // SAFETY: on the owner's thread, for a look.
        let queued = unsafe { &*state.local.get() }.len();
        f.debug_struct("LocalExecutor")
            .field("tasks", &state.count.get())
            .field("local_queue", &queued)
            .field("woken_elsewhere", &state.foreign.len())
            .field("sleepers", &state.sleepers.count())
            .finish()
    }
}

/// A wait for tasks.
struct Ticks<'e> {
    state: &'e State,
    name: Name,
}

impl Ticks<'_> {
    #[inline]
    fn poll_one(&self, cx: &mut Context<'_>) -> Poll<Runnable> {
        let sleepers = &self.state.sleepers;
        loop {
            if let Some(runnable) = self.state.take() {
                if sleepers.wake_up(&self.name) {
                    // Others relied on us, and this one may take long.
                    sleepers.wake_one();
                }
                return Poll::Ready(runnable);
            }
            if sleepers.sleep(&self.name, cx.waker()) == Look::No {
                return Poll::Pending;
            }
        }
    }
}

impl Drop for Ticks<'_> {
    fn drop(&mut self) {
        if self.state.sleepers.wake_up(&self.name) {
            self.state.sleepers.wake_one();
        }
    }
}

pin_project! {
    struct Run<'e, F> {
        #[pin]
        future: F,
        ticks: Ticks<'e>,
    }
}

impl<F: Future> Future for Run<'_, F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        if let Poll::Ready(output) = this.future.poll(cx) {
            return Poll::Ready(output);
        }
        for _ in 0..TASKS_PER_POLL {
            ready!(this.ticks.poll_one(cx)).run();
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
