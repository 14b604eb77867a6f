//! Executors that live as long as the process: they need not keep track of their tasks.

use std::fmt;
use std::future::Future;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::{Arc, OnceLock};

use async_task::{Runnable, Task};

use super::LocalExecutor;
use super::run::{Run, Tick};
use super::state::State;

/// An [`Executor`](super::Executor) that is never dropped, which makes spawning cheaper.
///
/// The interface and its meaning are those of `async_executor::StaticExecutor`.
///
/// # Examples
///
/// ```
/// use gort::StaticExecutor;
///
/// static EXECUTOR: StaticExecutor = StaticExecutor::new();
///
/// let task = EXECUTOR.spawn(async { 6 * 7 });
/// assert_eq!(gort::block_on(EXECUTOR.run(task)), 42);
/// ```
pub struct StaticExecutor {
    state: OnceLock<Arc<State>>,
}

impl UnwindSafe for StaticExecutor {}
impl RefUnwindSafe for StaticExecutor {}

impl StaticExecutor {
    /// Creates an executor.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            state: OnceLock::new(),
        }
    }

    pub(super) fn of(state: Arc<State>) -> Self {
        Self {
            state: OnceLock::from(state),
        }
    }

    #[inline]
    fn state(&self) -> &State {
        self.state.get_or_init(|| Arc::new(State::new()))
    }

    fn schedule(&'static self) -> impl Fn(Runnable) + Send + Sync + 'static {
        move |runnable| self.state().schedule(runnable)
    }

    /// Spawns a task.
    pub fn spawn<T: Send + 'static>(
        &'static self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Task<T> {
        let builder = async_task::Builder::new().propagate_panic(true);
        let (runnable, task) = builder.spawn(|()| future, self.schedule());
        self.state().schedule(runnable);
        task
    }

    /// Spawns a task that borrows.
    ///
    /// # Safety
    ///
    /// The caller makes sure that the task has ended, or was cancelled and has been dropped by the executor, before anything ends that it borrows.
    pub unsafe fn spawn_scoped<'a, T: Send + 'a>(
        &'static self,
        future: impl Future<Output = T> + Send + 'a,
    ) -> Task<T> {
        let builder = async_task::Builder::new().propagate_panic(true);
        // SAFETY: the future is Send, the schedule function is Send, Sync and 'static; for the lifetime the caller vouches.
        let (runnable, task) = unsafe { builder.spawn_unchecked(|()| future, self.schedule()) };
        self.state().schedule(runnable);
        task
    }

    /// Runs one task that is ready, if there is one; see [`Executor::try_tick`](super::Executor::try_tick).
    pub fn try_tick(&self) -> bool {
        self.state().try_tick()
    }

    /// Runs one task, waiting until one is ready; see [`Executor::tick`](super::Executor::tick).
    pub async fn tick(&self) {
        Tick::new(self.state()).await;
    }

    /// Runs tasks until `future` is ready; see [`Executor::run`](super::Executor::run).
    pub async fn run<T>(&self, future: impl Future<Output = T>) -> T {
        Run::new(self.state(), future).await
    }
}

impl Default for StaticExecutor {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for StaticExecutor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.state().describe(&mut f.debug_struct("StaticExecutor"))
    }
}

/// A [`LocalExecutor`] that is never dropped.
///
/// The interface and its meaning are those of `async_executor::StaticLocalExecutor`.
///
/// # Examples
///
/// ```
/// use gort::LocalExecutor;
///
/// let executor = LocalExecutor::new().leak();
/// let task = executor.spawn(async { std::rc::Rc::new(42) });
/// assert_eq!(*gort::block_on(executor.run(task)), 42);
/// ```
pub struct StaticLocalExecutor(LocalExecutor<'static>);

impl UnwindSafe for StaticLocalExecutor {}
impl RefUnwindSafe for StaticLocalExecutor {}

impl StaticLocalExecutor {
    /// Creates an executor.
    #[must_use]
    pub const fn new() -> Self {
        Self(LocalExecutor::new())
    }

    pub(super) fn of(executor: LocalExecutor<'static>) -> Self {
        Self(executor)
    }

    /// Spawns a task.
    pub fn spawn<T: 'static>(&'static self, future: impl Future<Output = T> + 'static) -> Task<T> {
        self.0.spawn(future)
    }

    /// Spawns a task that borrows.
    ///
    /// # Safety
    ///
    /// As for [`StaticExecutor::spawn_scoped`].
    pub unsafe fn spawn_scoped<'a, T: 'a>(
        &'static self,
        future: impl Future<Output = T> + 'a,
    ) -> Task<T> {
        // SAFETY: the caller's promise.
        unsafe { self.0.spawn_unbound(future) }
    }

    /// Runs one task that is ready, if there is one; see [`Executor::try_tick`](super::Executor::try_tick).
    pub fn try_tick(&self) -> bool {
        self.0.try_tick()
    }

    /// Runs one task, waiting until one is ready; see [`Executor::tick`](super::Executor::tick).
    pub async fn tick(&self) {
        self.0.tick().await;
    }

    /// Runs tasks until `future` is ready; see [`Executor::run`](super::Executor::run).
    pub async fn run<T>(&self, future: impl Future<Output = T>) -> T {
        self.0.run(future).await
    }
}

impl Default for StaticLocalExecutor {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for StaticLocalExecutor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StaticLocalExecutor").field(&self.0).finish()
    }
}
