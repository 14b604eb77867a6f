//! Executors without threads of their own: whoever polls their `run()` or `tick()` futures lends the thread.
//!
//! The face of async-executor 1.14, and its semantics: tasks may borrow, futures of `run()` may be polled once, parked, moved to
//! another thread, nested and dropped, and a `tick()` finds every task. Below it are queues of gort's own kind.
//!
//! | | |
//! |---|---|
//! | `state.rs` | what tasks and drivers of an [`Executor`] share; where a task is at any time; how the executor ends |
//! | `queues.rs` | the global queue, and rings |
//! | `seat.rs` | what a `run()` future holds: a ring, and numbers that only it writes |
//! | `sleepers.rs` | who sleeps, and who wakes whom |
//! | `watch.rs` | the short wait before a sleep |
//! | `pending.rs` | the wakers of tasks that wait, for the end |
//! | `visitors.rs` | why the state is not freed under a thread that wakes a task |
//! | `run.rs`, `body.rs`, `home.rs` | the futures of drivers, and of tasks; what a task knows of its executor |
//! | `local.rs` | [`LocalExecutor`], the same for one thread |
//! | `leaked.rs` | executors that are never dropped |

use std::cell::UnsafeCell;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicPtr, Ordering};

use async_task::Task;

use run::{Run, Source, Tick};
use state::State;

pub use leaked::{StaticExecutor, StaticLocalExecutor};
pub use local::LocalExecutor;

mod body;
mod home;
mod leaked;
mod local;
mod pending;
mod queues;
mod run;
mod seat;
mod sleepers;
mod state;
mod visitors;
mod watch;

/// An executor that any number of threads drive, and whose tasks may borrow what outlives it.
///
/// It has no threads. Tasks run while somebody polls [`run`](Self::run) or [`tick`](Self::tick) or calls
/// [`try_tick`](Self::try_tick). A task that is woken or spawned by a task goes to the queue of the `run()` that runs it; others
/// steal it from there.
///
/// Dropping the executor cancels its tasks: every unfinished future is dropped before `drop` returns. Awaiting the
/// [`Task`] of one of them panics afterwards, and [`Task::fallible`] gives `None`.
///
/// # Examples
///
/// ```
/// let numbers = [1, 2, 3];
/// let ex = gort::Executor::new();
/// // The task borrows.
/// let sum = ex.spawn(async { numbers.iter().sum::<i32>() });
/// assert_eq!(gort::block_on(ex.run(sum)), 6);
/// ```
///
/// Two threads:
///
/// ```
/// use futures_lite::future;
///
/// static EX: gort::Executor<'static> = gort::Executor::new();
///
/// // A thread that is left to itself.
/// std::thread::spawn(|| gort::block_on(EX.run(future::pending::<()>())));
/// assert_eq!(gort::block_on(EX.spawn(async { 42 })), 42);
/// ```
pub struct Executor<'a> {
    /// Null until first used, so that `new` can be const.
    state: AtomicPtr<State>,
    /// Makes `'a` invariant.
    _borrows: PhantomData<UnsafeCell<&'a ()>>,
}

// SAFETY: a state is Sync, and the tasks in it are Send.
unsafe impl Send for Executor<'_> {}
// SAFETY: as above.
unsafe impl Sync for Executor<'_> {}

impl UnwindSafe for Executor<'_> {}
impl RefUnwindSafe for Executor<'_> {}

impl<'a> Executor<'a> {
    /// Creates an executor. Allocates nothing until it is used.
    ///
    /// # Examples
    ///
    /// ```
    /// static EX: gort::Executor<'static> = gort::Executor::new();
    /// assert!(EX.is_empty());
    /// ```
    #[must_use]
    pub const fn new() -> Self {
        Self {
            state: AtomicPtr::new(ptr::null_mut()),
            _borrows: PhantomData,
        }
    }

    /// Returns whether there are no unfinished tasks.
    ///
    /// # Examples
    ///
    /// ```
    /// let ex = gort::Executor::new();
    /// let task = ex.spawn(async {});
    /// assert!(!ex.is_empty());
    /// assert!(ex.try_tick());
    /// assert!(ex.is_empty());
    /// # drop(task);
    /// ```
    pub fn is_empty(&self) -> bool {
        self.existing().is_none_or(|state| state.unfinished() == 0)
    }

    /// Spawns a task. It is queued, and runs when the executor does.
    ///
    /// Dropping the [`Task`] cancels it; [`Task::detach`] lets it run on. A panic of the task is raised again from
    /// whoever awaits the handle, and never from `run`, `tick` or `try_tick`.
    ///
    /// # Examples
    ///
    /// ```
    /// let ex = gort::Executor::new();
    /// let task = ex.spawn(async { 1 + 2 });
    /// assert_eq!(gort::block_on(ex.run(task)), 3);
    /// ```
    pub fn spawn<T: Send + 'a>(&self, future: impl Future<Output = T> + Send + 'a) -> Task<T> {
        // SAFETY: the future is Send, and what it borrows outlives the executor.
        unsafe { self.state().spawn(future) }
    }

    /// Spawns a task for each future of an iterator, and appends the handles to `handles`.
    ///
    /// Tasks start to run before the iterator ends. If it panics, those that it gave are spawned.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::future::ready;
    ///
    /// let ex = gort::Executor::new();
    /// let mut tasks = Vec::new();
    /// ex.spawn_many((0..3).map(ready), &mut tasks);
    /// gort::block_on(ex.run(async {
    ///     for (n, task) in tasks.into_iter().enumerate() {
    ///         assert_eq!(task.await, n);
    ///     }
    /// }));
    /// ```
    pub fn spawn_many<T: Send + 'a, F: Future<Output = T> + Send + 'a>(
        &self,
        futures: impl IntoIterator<Item = F>,
        handles: &mut impl Extend<Task<F::Output>>,
    ) {
        let state = self.state();
        // SAFETY: as in `spawn`.
        handles.extend(
            futures
                .into_iter()
                .map(|future| unsafe { state.spawn(future) }),
        );
    }

    /// Runs one task if one is ready. Returns whether it did.
    ///
    /// # Examples
    ///
    /// ```
    /// let ex = gort::Executor::new();
    /// assert!(!ex.try_tick());
    /// ex.spawn(async {}).detach();
    /// assert!(ex.try_tick());
    /// ```
    pub fn try_tick(&self) -> bool {
        self.existing().is_some_and(try_tick)
    }

    /// Waits until a task is ready, and runs it.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it has run a task, it has not taken any.
    ///
    /// # Examples
    ///
    /// ```
    /// let ex = gort::Executor::new();
    /// ex.spawn(async {}).detach();
    /// gort::block_on(ex.tick());
    /// assert!(ex.is_empty());
    /// ```
    pub async fn tick(&self) {
        Tick::new(self.state()).await;
    }

    /// Runs tasks until `future` ends, and returns its output.
    ///
    /// `future` is polled on its own, not as a task: it need not be `Send` or `'static`. Any number of such calls may run at the same
    /// time, on any threads, one inside another.
    ///
    /// # Cancel safety
    ///
    /// Dropping the returned future drops `future`. Tasks stay with the executor.
    ///
    /// # Examples
    ///
    /// ```
    /// let ex = gort::Executor::new();
    /// let task = ex.spawn(async { 1 + 2 });
    /// let doubled = gort::block_on(ex.run(async { task.await * 2 }));
    /// assert_eq!(doubled, 6);
    /// ```
    pub async fn run<T>(&self, future: impl Future<Output = T>) -> T {
        Run::new(self.state(), future).await
    }

    fn existing(&self) -> Option<&State> {
        // Acquire: pairs with the Release in `allocate`.
        let state = self.state.load(Ordering::Acquire);
        // SAFETY: a state lives as long as its executor.
        unsafe { state.as_ref() }
    }

    fn state(&self) -> &State {
        self.existing().unwrap_or_else(|| self.allocate())
    }

    #[cold]
    fn allocate(&self) -> &State {
        let new = State::new();
        let set = self.state.compare_exchange(
            ptr::null_mut(),
            new.as_ptr(),
            // Release: publishes the state to the Acquire in `existing`.
            Ordering::Release,
            // Acquire: as in `existing`, for the state of who was faster.
            Ordering::Acquire,
        );
        let state = match set {
            Ok(_) => new,
            Err(theirs) => {
                // SAFETY: nobody has seen ours.
                unsafe { State::end(new) };
                NonNull::new(theirs).expect("only replaced once")
            }
        };
        // SAFETY: a state lives as long as its executor.
        unsafe { state.as_ref() }
    }
}

impl Drop for Executor<'_> {
    fn drop(&mut self) {
        if let Some(state) = NonNull::new(*self.state.get_mut()) {
            // SAFETY: the executor is ours alone: no future of it is being polled, and this is the end.
            unsafe { State::end(state) };
        }
    }
}

impl Default for Executor<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Executor<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug("Executor", self.existing(), true, f)
    }
}

fn try_tick<S: Source>(source: &S) -> bool {
    let runnable = source.take_any();
    runnable.map(|runnable| runnable.run()).is_some()
}

/// `counted` if all tasks of the executor are.
fn debug(
    name: &str,
    state: Option<&State>,
    counted: bool,
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    let Some(state) = state else {
        return debug_unused(name, f);
    };
    let mut fields = f.debug_struct(name);
    if counted {
        fields.field("tasks", &state.unfinished());
    }
    fields
        .field("global_queue", &state.global_len())
        .field("local_queues", &state.local_lens())
        .field("sleepers", &state.sleepers.len())
        .finish()
}

fn debug_unused(name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.debug_tuple(name)
        .field(&format_args!("<uninitialized>"))
        .finish()
}
