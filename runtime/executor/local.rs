//! [`LocalExecutor`]: the executor of one thread.

use std::cell::{Cell, UnsafeCell};
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::ptr::NonNull;

use async_task::Task;

use super::run::{Run, Tick};
use state::State;

mod pending;
mod state;

/// An executor for one thread, whose tasks need not be `Send`.
///
/// Spawning, waking from its own thread and running a task take no lock and no atomic read-modify-write beside those of the task
/// itself. Wakers may be used from any thread.
///
/// Otherwise as [`Executor`](crate::Executor).
///
/// # Examples
///
/// ```
/// use std::rc::Rc;
///
/// let ex = gort::LocalExecutor::new();
/// let name = Rc::new("local");
/// let task = ex.spawn(async move { name.len() });
/// assert_eq!(gort::block_on(ex.run(task)), 5);
/// ```
pub struct LocalExecutor<'a> {
    /// None until first used, so that `new` can be const.
    state: Cell<Option<NonNull<State>>>,
    /// Makes `'a` invariant.
    _borrows: PhantomData<UnsafeCell<&'a ()>>,
}

impl UnwindSafe for LocalExecutor<'_> {}
impl RefUnwindSafe for LocalExecutor<'_> {}

impl<'a> LocalExecutor<'a> {
    /// Creates an executor. Allocates nothing until it is used.
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
            state: Cell::new(None),
            _borrows: PhantomData,
        }
    }

    /// Returns whether there are no unfinished tasks.
    ///
    /// # Examples
    ///
    /// ```
    /// let ex = gort::LocalExecutor::new();
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
    /// See [`Executor::spawn`](crate::Executor::spawn) for the handle and for panics.
    ///
    /// # Examples
    ///
    /// ```
    /// let ex = gort::LocalExecutor::new();
    /// let task = ex.spawn(async { 1 + 2 });
    /// assert_eq!(gort::block_on(ex.run(task)), 3);
    /// ```
    pub fn spawn<T: 'a>(&self, future: impl Future<Output = T> + 'a) -> Task<T> {
        // SAFETY: what the future borrows outlives the executor.
        unsafe { self.state().spawn(future) }
    }

    /// Spawns a task for each future of an iterator, and appends the handles to `handles`.
    ///
    /// If the iterator panics, those that it gave are spawned.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::future::ready;
    ///
    /// let ex = gort::LocalExecutor::new();
    /// let mut tasks = Vec::new();
    /// ex.spawn_many((0..3).map(ready), &mut tasks);
    /// gort::block_on(ex.run(async {
    ///     for (n, task) in tasks.into_iter().enumerate() {
    ///         assert_eq!(task.await, n);
    ///     }
    /// }));
    /// ```
    pub fn spawn_many<T: 'a, F: Future<Output = T> + 'a>(
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
    /// let ex = gort::LocalExecutor::new();
    /// assert!(!ex.try_tick());
    /// ex.spawn(async {}).detach();
    /// assert!(ex.try_tick());
    /// ```
    pub fn try_tick(&self) -> bool {
        self.existing().is_some_and(super::try_tick)
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
    /// let ex = gort::LocalExecutor::new();
    /// ex.spawn(async {}).detach();
    /// gort::block_on(ex.tick());
    /// assert!(ex.is_empty());
    /// ```
    pub async fn tick(&self) {
        Tick::new(self.state()).await;
    }

    /// Runs tasks until `future` ends, and returns its output.
    ///
    /// # Cancel safety
    ///
    /// Dropping the returned future drops `future`. Tasks stay with the executor.
    ///
    /// # Examples
    ///
    /// ```
    /// let ex = gort::LocalExecutor::new();
    /// let task = ex.spawn(async { 1 + 2 });
    /// let doubled = gort::block_on(ex.run(async { task.await * 2 }));
    /// assert_eq!(doubled, 6);
    /// ```
    pub async fn run<T>(&self, future: impl Future<Output = T>) -> T {
        Run::new(self.state(), future).await
    }

    fn existing(&self) -> Option<&State> {
        // SAFETY: a state lives as long as its executor.
        self.state.get().map(|state| unsafe { state.as_ref() })
    }

    pub(super) fn state(&self) -> &State {
        self.existing().unwrap_or_else(|| {
            let state = State::new();
            self.state.set(Some(state));
            // SAFETY: as in `existing`.
            unsafe { state.as_ref() }
        })
    }

    /// `counted` if all tasks of the executor are.
    pub(super) fn debug(
        &self,
        name: &str,
        counted: bool,
        f: &mut fmt::Formatter<'_>,
    ) -> fmt::Result {
        match self.existing() {
            None => super::debug_unused(name, f),
            Some(state) => state.debug(name, counted, f),
        }
    }
}

impl Drop for LocalExecutor<'_> {
    fn drop(&mut self) {
        if let Some(state) = self.state.take() {
            // SAFETY: the executor is ours alone: no future of it is being polled, and this is the end.
            unsafe { State::end(state) };
        }
    }
}

impl Default for LocalExecutor<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for LocalExecutor<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.debug("LocalExecutor", true, f)
    }
}
