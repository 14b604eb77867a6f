//! Executors that are never dropped.
//!
//! Nobody ever ends their tasks, so these are in no list and are not counted: a task that waits costs a third less memory traffic
//! than one of an executor that can be dropped. Else they are the others under another name.

use std::fmt;
use std::future::Future;

use async_task::Task;

use super::{Executor, LocalExecutor};

/// An [`Executor`] that is never dropped: made in a `static`, or by [`Executor::leak`].
///
/// # Examples
///
/// ```
/// static EX: gort::StaticExecutor = gort::StaticExecutor::new();
///
/// let task = EX.spawn(async { 1 + 2 });
/// assert_eq!(gort::block_on(EX.run(task)), 3);
/// ```
#[repr(transparent)]
pub struct StaticExecutor(Executor<'static>);

/// A [`LocalExecutor`] that is never dropped: made in a `thread_local!` that is leaked, or by [`LocalExecutor::leak`].
///
/// # Examples
///
/// ```
/// let ex = gort::LocalExecutor::new().leak();
/// let task = ex.spawn(async { 1 + 2 });
/// assert_eq!(gort::block_on(ex.run(task)), 3);
/// ```
#[repr(transparent)]
pub struct StaticLocalExecutor(LocalExecutor<'static>);

impl Executor<'static> {
    /// Leaks the executor, with its tasks.
    ///
    /// # Examples
    ///
    /// ```
    /// let ex = gort::Executor::new();
    /// let task = ex.spawn(async { 1 + 2 });
    /// let ex: &'static gort::StaticExecutor = ex.leak();
    /// assert_eq!(gort::block_on(ex.run(task)), 3);
    /// ```
    pub fn leak(self) -> &'static StaticExecutor {
        Box::leak(Box::new(StaticExecutor(self)))
    }
}

impl LocalExecutor<'static> {
    /// Leaks the executor, with its tasks.
    ///
    /// # Examples
    ///
    /// ```
    /// let ex = gort::LocalExecutor::new();
    /// let task = ex.spawn(async { 1 + 2 });
    /// let ex: &'static gort::StaticLocalExecutor = ex.leak();
    /// assert_eq!(gort::block_on(ex.run(task)), 3);
    /// ```
    pub fn leak(self) -> &'static StaticLocalExecutor {
        Box::leak(Box::new(StaticLocalExecutor(self)))
    }
}

impl StaticExecutor {
    /// Creates an executor. Allocates nothing until it is used.
    ///
    /// # Examples
    ///
    /// ```
    /// static EX: gort::StaticExecutor = gort::StaticExecutor::new();
    /// assert!(!EX.try_tick());
    /// ```
    #[must_use]
    pub const fn new() -> Self {
        Self(Executor::new())
    }

    /// Spawns a task, as [`Executor::spawn`] does.
    pub fn spawn<T: Send + 'static>(
        &'static self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Task<T> {
        // SAFETY: the future is Send and 'static, and the executor is never dropped.
        unsafe { self.0.state().spawn_unlisted(future) }
    }

    /// Spawns a task that borrows.
    ///
    /// # Safety
    ///
    /// The caller makes sure that the task has ended, and its future and output are dropped, before `'a` ends.
    ///
    /// # Examples
    ///
    /// ```
    /// static EX: gort::StaticExecutor = gort::StaticExecutor::new();
    ///
    /// let text = String::from("hello");
    /// // SAFETY: awaited below, before `text` goes.
    /// let task = unsafe { EX.spawn_scoped(async { text.len() }) };
    /// assert_eq!(gort::block_on(EX.run(task)), 5);
    /// ```
    pub unsafe fn spawn_scoped<'a, T: Send + 'a>(
        &'static self,
        future: impl Future<Output = T> + Send + 'a,
    ) -> Task<T> {
        // SAFETY: the future is Send; the caller sees to its borrows; the executor is never dropped.
        unsafe { self.0.state().spawn_unlisted(future) }
    }

    /// Runs one task if one is ready, as [`Executor::try_tick`] does.
    pub fn try_tick(&self) -> bool {
        self.0.try_tick()
    }

    /// Waits until a task is ready, and runs it, as [`Executor::tick`] does.
    pub async fn tick(&self) {
        self.0.tick().await;
    }

    /// Runs tasks until `future` ends, as [`Executor::run`] does.
    pub async fn run<T>(&self, future: impl Future<Output = T>) -> T {
        self.0.run(future).await
    }
}

impl Default for StaticExecutor {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for StaticExecutor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        super::debug("StaticExecutor", self.0.existing(), false, f)
    }
}

// SAFETY: to spawn takes a reference that is borrowed for ever and cannot be sent, so what is moved has no task, and never had one. The
// first spawn makes its thread the owner.
unsafe impl Send for StaticLocalExecutor {}

impl StaticLocalExecutor {
    /// Creates an executor. Allocates nothing until it is used.
    ///
    /// # Examples
    ///
    /// ```
    /// let ex: &'static _ = Box::leak(Box::new(gort::StaticLocalExecutor::new()));
    /// let task = ex.spawn(async { 1 + 2 });
    /// assert_eq!(gort::block_on(ex.run(task)), 3);
    /// ```
    #[must_use]
    pub const fn new() -> Self {
        Self(LocalExecutor::new())
    }

    /// Spawns a task, as [`LocalExecutor::spawn`] does.
    pub fn spawn<T: 'static>(&'static self, future: impl Future<Output = T> + 'static) -> Task<T> {
        // SAFETY: the future is 'static, and the executor is never dropped.
        unsafe { self.0.state().spawn_unlisted(future) }
    }

    /// Spawns a task that borrows.
    ///
    /// # Safety
    ///
    /// The caller makes sure that the task has ended, and its future and output are dropped, before `'a` ends.
    ///
    /// # Examples
    ///
    /// ```
    /// let ex = gort::LocalExecutor::new().leak();
    /// let text = String::from("hello");
    /// // SAFETY: awaited below, before `text` goes.
    /// let task = unsafe { ex.spawn_scoped(async { text.len() }) };
    /// assert_eq!(gort::block_on(ex.run(task)), 5);
    /// ```
    pub unsafe fn spawn_scoped<'a, T: 'a>(
        &'static self,
        future: impl Future<Output = T> + 'a,
    ) -> Task<T> {
        // SAFETY: the caller sees to the borrows; the executor is never dropped.
        unsafe { self.0.state().spawn_unlisted(future) }
    }

    /// Runs one task if one is ready, as [`LocalExecutor::try_tick`] does.
    pub fn try_tick(&self) -> bool {
        self.0.try_tick()
    }

    /// Waits until a task is ready, and runs it, as [`LocalExecutor::tick`] does.
    pub async fn tick(&self) {
        self.0.tick().await;
    }

    /// Runs tasks until `future` ends, as [`LocalExecutor::run`] does.
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
        self.0.debug("StaticLocalExecutor", false, f)
    }
}
