//! Threads for calls that block: what is *known* to block goes here instead of relying on the monitor.
//!
//! This file has the handles and settings; how many threads there are is decided in [`threads`].

use std::fmt;
use std::future::Future;
use std::io;
use std::num::NonZero;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_task::Task;

use threads::Shared;

pub use unblock::Unblock;

mod search;
#[cfg(all(test, not(gort_loom)))]
mod tests;
mod threads;
mod unblock;

/// The most threads of the default pool. From the `blocking` crate.
const MAX_THREADS: usize = 500;

/// The environment variable that sets another. From the `blocking` crate too, so that one setting serves both.
const MAX_THREADS_VAR: &str = "BLOCKING_MAX_THREADS";

const MOST_THREADS: usize = 10_000;

/// How long a thread waits for a job before it ends. From tokio.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// A pool of threads for calls that block.
///
/// Most programs use the default one through [`unblock`](crate::unblock). Clones are handles to the same pool. When the last handle is dropped, its threads
/// finish the jobs that wait, and end.
///
/// # Examples
///
/// ```
/// use gort::task::BlockingPool;
///
/// let pool = BlockingPool::builder().thread_name("disk").max_threads(4).build()?;
/// let task = pool.unblock(|| std::fs::read_to_string("Cargo.toml"));
/// assert!(gort::block_on(task)?.contains("gort"));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct BlockingPool {
    shared: Arc<Shared>,
    _open: Arc<Open>,
}

/// Closes the pool when the last handle goes.
struct Open(Arc<Shared>);

/// Settings of a [`BlockingPool`].
#[derive(Clone, Debug)]
#[must_use]
pub struct BlockingPoolBuilder {
    thread_name: String,
    max_threads: usize,
    keep_alive: Duration,
}

impl BlockingPool {
    /// Starts from the defaults: threads named `gort-blocking`, at most 500 of them, each kept for 10 idle seconds.
    pub fn builder() -> BlockingPoolBuilder {
        BlockingPoolBuilder {
            thread_name: "gort-blocking".into(),
            max_threads: MAX_THREADS,
            keep_alive: KEEP_ALIVE,
        }
    }

    /// Runs `f` on a thread of the pool; see [`unblock`](crate::unblock).
    pub fn unblock<T, F>(&self, f: F) -> Task<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.spawn(async move { f() })
    }

    /// Runs a future, whose polls may block, on threads of the pool. While it waits it holds none.
    fn spawn<F>(&self, future: F) -> Task<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let shared = self.shared.clone();
        let schedule = move |runnable| shared.submit(runnable);
        let (runnable, task) = async_task::Builder::new()
            .propagate_panic(true)
            .spawn(move |()| future, schedule);
        runnable.schedule();
        task
    }

    /// The number of threads, as it was a moment ago.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.shared.counts().0
    }

    /// Sets the most threads there may be, from now on.
    ///
    /// Threads above a lower limit end when they have done the job they are at.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::num::NonZero;
    ///
    /// let pool = gort::task::BlockingPool::builder().max_threads(1).build()?;
    /// pool.set_max_threads(NonZero::new(8).expect("not zero"));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn set_max_threads(&self, threads: NonZero<usize>) {
        self.shared.set_most(threads.get());
    }
}

/// Sets the most threads that the pool of [`unblock`](crate::unblock) may have; see [`BlockingPool::set_max_threads`].
///
/// It takes precedence over `BLOCKING_MAX_THREADS`.
pub fn set_max_blocking_threads(threads: NonZero<usize>) {
    default_pool().set_max_threads(threads);
}

/// The pool of [`unblock`](crate::unblock).
static DEFAULT: OnceLock<BlockingPool> = OnceLock::new();

fn default_pool() -> &'static BlockingPool {
    DEFAULT.get_or_init(|| {
        let threads = std::env::var(MAX_THREADS_VAR).ok();
        BlockingPool::builder()
            .max_threads(max_threads(threads.as_deref()))
            .build()
            .unwrap_or_else(|error| unreachable!("the defaults are in range: {error}"))
    })
}

/// The threads of that pool, if it is there, those of them that sleep, and the calls that wait for one.
pub(crate) fn default_counts() -> Option<(usize, usize, usize)> {
    let shared = &DEFAULT.get()?.shared;
    let (threads, idle) = shared.counts();
    Some((threads, idle, shared.waiting()))
}

/// What the environment variable means. As in the `blocking` crate it is no reason to fail: who set it may not even know that somebody reads it.
fn max_threads(text: Option<&str>) -> usize {
    let threads = text.and_then(|text| text.parse::<usize>().ok());
    threads.map_or(MAX_THREADS, |threads| threads.clamp(1, MOST_THREADS))
}

/// Runs `f`, which may block, on a thread of the default pool.
///
/// Awaiting the [`Task`] gives what `f` returns, or raises its panic again. Dropping the task cancels a call that has not begun; one that
/// runs goes on, and what it returns is dropped. The pool has at most 500 threads, or as many as the environment variable
/// `BLOCKING_MAX_THREADS` says, from 1 to 10,000; calls beyond that wait.
///
/// For calls that block now and then and for a short time, [`blocking`](crate::blocking) is cheaper: it stays on its thread.
///
/// # Cancel safety
///
/// Dropping the task loses what `f` returns, not what it does.
///
/// # Examples
///
/// ```
/// let read = gort::unblock(|| std::fs::read_to_string("Cargo.toml"));
/// assert!(gort::block_on(read)?.contains("gort"));
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn unblock<T, F>(f: F) -> Task<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    default_pool().unblock(f)
}

impl fmt::Debug for BlockingPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (threads, idle) = self.shared.counts();
        f.debug_struct("BlockingPool")
            .field("settings", self.shared.settings())
            .field("waiting", &self.shared.waiting())
            .field("threads", &threads)
            .field("idle", &idle)
            .finish()
    }
}

impl BlockingPoolBuilder {
    /// Names the threads.
    pub fn thread_name(mut self, name: impl Into<String>) -> Self {
        self.thread_name = name.into();
        self
    }

    /// Sets the most threads there may be. From 1 to 10,000; the default is 500.
    pub fn max_threads(mut self, threads: usize) -> Self {
        self.max_threads = threads;
        self
    }

    /// Sets how long a thread waits for a job before it ends. The default is 10 s.
    pub fn keep_alive(mut self, time: Duration) -> Self {
        self.keep_alive = time;
        self
    }

    /// Makes the pool. Threads start when there are jobs for them.
    ///
    /// # Errors
    ///
    /// Fails with [`InvalidInput`](io::ErrorKind::InvalidInput) if a setting is out of range or a name contains a NUL; the text says what is accepted.
    pub fn build(self) -> io::Result<BlockingPool> {
        let invalid = |text| Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        if self.max_threads == 0 || self.max_threads > MOST_THREADS {
            return invalid(format!(
                "max_threads is {}, but must be a number from 1 to {MOST_THREADS}",
                self.max_threads
            ));
        }
        if self.thread_name.contains('\0') {
            return invalid(format!(
                "the thread name {:?} contains a NUL character",
                self.thread_name
            ));
        }
        let shared = Arc::new(Shared::new(self));
        Ok(BlockingPool {
            _open: Arc::new(Open(shared.clone())),
            shared,
        })
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.close();
    }
}
