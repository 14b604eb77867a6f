//! Executors that the user's own threads drive: what `async-executor` offers, name for name.
//!
//! An [`Executor`] has no threads. Each `run()` future is a *seat*: it has a ring of its own, as an M of the runtime has, which
//! the tasks that it polls push into, and which other seats, `tick` and `try_tick` steal from. A `run()` future may be polled once and then be
//! moved, parked or dropped, so nothing about it may rest on the thread: the seat is the thread's for the length of one poll, and a seat that goes gives its
//! ring to the global queue. (async-executor shipped local queues twice and took them back twice over this.)
//!
//! The schedule function only queues. It never runs or drops a task: it may be called on a thread to which the task must not go.

use std::cell::UnsafeCell;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, Ordering};

use async_task::Task;

use run::{Run, Tick};
use state::State;

pub use local::LocalExecutor;
pub use statics::{StaticExecutor, StaticLocalExecutor};

mod local;
mod run;
mod sleepers;
mod state;
mod statics;

/// An executor for tasks that may run on any thread.
///
/// It runs nothing by itself: threads that [`run`](Executor::run) it, or call [`tick`](Executor::tick), do. Tasks may borrow what outlives the executor. Dropping
/// it cancels the tasks that have not ended.
///
/// The interface and its meaning are those of `async_executor::Executor`.
///
/// # Examples
///
/// ```
/// use gort::Executor;
///
/// let name = String::from("gort");
/// let ex = Executor::new();
/// let task = ex.spawn(async { name.len() });
/// assert_eq!(gort::block_on(ex.run(task)), 4);
/// ```
pub struct Executor<'a> {
    /// An `Arc<State>` in raw form, made at the first use so that `new` can be const.
    state: AtomicPtr<State>,
    /// Invariant in `'a`, and neither `Send` nor `Sync` by itself.
    _tasks: PhantomData<UnsafeCell<&'a ()>>,
}

// SAFETY: the state is shared memory made for that; tasks are Send.
unsafe impl Send for Executor<'_> {}
// SAFETY: as for Send.
unsafe impl Sync for Executor<'_> {}

impl UnwindSafe for Executor<'_> {}
impl RefUnwindSafe for Executor<'_> {}

impl<'a> Executor<'a> {
    /// Creates an executor.
    ///
    /// # Examples
    ///
    /// ```
    /// let ex = gort::Executor::new();
    /// assert!(ex.is_empty());
    /// ```
    #[must_use]
    pub const fn new() -> Self {
        Self {
            state: AtomicPtr::new(ptr::null_mut()),
            _tasks: PhantomData,
        }
    }

    /// Returns whether there are no tasks that have not ended.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.state().active.is_empty()
    }

    /// Spawns a task.
    ///
    /// # Examples
    ///
    /// ```
    /// let ex = gort::Executor::new();
    /// let task = ex.spawn(async { println!("hello") });
    /// gort::block_on(ex.run(task));
    /// ```
    pub fn spawn<T: Send + 'a>(&self, future: impl Future<Output = T> + Send + 'a) -> Task<T> {
        let state = self.share();
        // SAFETY: the future is Send, and the executor, which may not outlive what the future borrows, drops it in its own
        // destructor at the latest.
        let (runnable, task) = unsafe { state::spawn(state, future) };
        self.state().schedule(runnable);
        task
    }

    /// Spawns many tasks, and puts their handles into `handles`.
    ///
    /// # Examples
    ///
    /// ```
    /// let ex = gort::Executor::new();
    /// let mut tasks = Vec::new();
    /// ex.spawn_many([std::future::ready(1), std::future::ready(2)], &mut tasks);
    /// let sum = gort::block_on(ex.run(async {
    ///     let mut sum = 0;
    ///     for task in tasks {
    ///         sum += task.await;
    ///     }
    ///     sum
    /// }));
    /// assert_eq!(sum, 3);
    /// ```
    pub fn spawn_many<T: Send + 'a, F: Future<Output = T> + Send + 'a>(
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
    /// let ex = gort::Executor::new();
    /// assert!(!ex.try_tick());
    /// let _task = ex.spawn(async {});
    /// assert!(ex.try_tick());
    /// ```
    pub fn try_tick(&self) -> bool {
        self.state().try_tick()
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
    /// let ex = gort::Executor::new();
    /// let _task = ex.spawn(async {});
    /// gort::block_on(ex.tick());
    /// ```
    pub async fn tick(&self) {
        Tick::new(self.state()).await;
    }

    /// Runs tasks until `future` is ready, and returns its output.
    ///
    /// # Cancel safety
    ///
    /// Tasks that wait in this future's ring go to the others when it is dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// let ex = gort::Executor::new();
    /// let task = ex.spawn(async { 1 + 2 });
    /// let sum = gort::block_on(ex.run(async { task.await * 2 }));
    /// assert_eq!(sum, 6);
    /// ```
    pub async fn run<T>(&self, future: impl Future<Output = T>) -> T {
        Run::new(self.state(), future).await
    }

    /// Turns this into an executor that is never dropped, and whose tasks need not be kept track of. Tasks there are stay with it.
    #[must_use]
    pub fn leak(self) -> &'static StaticExecutor {
        let state = self.share();
        std::mem::forget(self);
        Box::leak(Box::new(StaticExecutor::of(state)))
    }

    #[inline]
    fn state(&self) -> &State {
        // Acquire: pairs with the Release in `make_state`.
        let state = self.state.load(Ordering::Acquire);
        let state = if state.is_null() {
            self.make_state()
        } else {
            state
        };
        // SAFETY: from `Arc::into_raw`; the executor owns that reference until it is dropped.
        unsafe { &*state }
    }

    /// A reference of its own.
    fn share(&self) -> Arc<State> {
        let state = ptr::from_ref(self.state());
        // SAFETY: as in `state`.
        unsafe { Arc::increment_strong_count(state) };
        // SAFETY: that is the reference just counted.
        unsafe { Arc::from_raw(state) }
    }

    #[cold]
    fn make_state(&self) -> *mut State {
        let new = Arc::into_raw(Arc::new(State::new())).cast_mut();
        // Release: publishes the state. Acquire: if another thread was faster, its state is used.
        match self.state.compare_exchange(
            ptr::null_mut(),
            new,
            Ordering::Release,
            Ordering::Acquire,
        ) {
            Ok(_) => new,
            Err(theirs) => {
                // SAFETY: ours, from `into_raw` above, and nobody has seen it.
                drop(unsafe { Arc::from_raw(new) });
                theirs
            }
        }
    }
}

impl Default for Executor<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Executor<'_> {
    fn drop(&mut self) {
        let state = *self.state.get_mut();
        if state.is_null() {
            return;
        }
        // SAFETY: the executor's own reference, given back once.
        let state = unsafe { Arc::from_raw(state) };
        state.cancel_all();
    }
}

impl fmt::Debug for Executor<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state.load(Ordering::Acquire);
        let mut debug = f.debug_struct("Executor");
        // SAFETY: as in `state`.
        match unsafe { state.as_ref() } {
            None => debug.field("tasks", &0).finish(),
            Some(state) => state.describe(&mut debug),
        }
    }
}
