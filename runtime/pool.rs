//! Threads for calls that block: what is *known* to block goes here instead of relying on the monitor.
//!
//! # How many threads
//!
//! Jobs wait in one queue. As long as jobs wait there is one *searcher*: a thread that has been woken, or started, to take one. When
//! it takes its job it stops searching, and if more jobs wait it has another thread woken, before it begins. So a burst of short
//! jobs is run by few threads, one wake-up at a time, and a job that blocks keeps nobody else waiting.
//!
//! Beyond [`EAGER`] threads at work the searcher does not take a job but *watches*: only if no job was taken for [`WATCH`] are the
//! threads at work really stuck. Then it takes one, and has twice as many others woken as the last time. So a hundred
//! thousand short jobs need a handful of threads, and five hundred sleeping ones get five hundred threads within milliseconds.
//!
//! # No job is left behind
//!
//! | who submits a job | the searcher that finds none |
//! |---|---|
//! | 1. pushes it | 1. stops searching |
//! | 2. fence (SeqCst) | 2. fence (SeqCst) |
//! | 3. looks for a searcher; if there is none, becomes responsible for one | 3. looks at the queue once more |
//!
//! If the push's fence is first, the searcher finds the job at 3; if the searcher's is, the submitter sees that nobody searches.
//!
//! Rejected: one wake-up per job (tokio), which costs a context switch each; a thread for each five waiting jobs (smol's `blocking`),
//! which starts hundreds for short jobs and few for long ones.

use std::fmt;
use std::io::{self, Write};
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::thread;
use std::time::Duration;

use async_task::{Runnable, Task};
use concurrent_queue::ConcurrentQueue;
use crossbeam_utils::CachePadded;
use gort_primitives::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::park::Parker;
use search::Search;

pub use unblock::Unblock;

mod search;
mod unblock;

/// The most threads of the default pool. From the `blocking` crate.
const MAX_THREADS: usize = 500;

/// The environment variable that sets another. From the `blocking` crate too, so that one setting serves both.
const MAX_THREADS_VAR: &str = "BLOCKING_MAX_THREADS";

const MOST_THREADS: usize = 10_000;

/// How long a thread waits for a job before it ends. From tokio.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// Threads at work that are enough for jobs that do not block for long. Thin air: as much as a disk has use for.
const EAGER: usize = 4;

/// Without a job taken for so long, those at work are stuck. Thin air.
const WATCH: Duration = Duration::from_micros(500);

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

struct Shared {
    settings: BlockingPoolBuilder,
    jobs: CachePadded<ConcurrentQueue<Runnable>>,
    search: CachePadded<Search>,
    /// Jobs taken so far.
    taken: CachePadded<AtomicUsize>,
    threads: Mutex<Threads>,
    /// Failed attempts to start a thread.
    failures: AtomicUsize,
}

#[derive(Default)]
struct Threads {
    /// Those that sleep, the last one last.
    idle: Vec<Arc<Sleeper>>,
    count: usize,
    /// How many there may be.
    most: usize,
    closed: bool,
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
        let shared = self.shared.clone();
        let schedule = move |runnable| shared.submit(runnable);
        let (runnable, task) = async_task::Builder::new()
            .propagate_panic(true)
            .spawn(move |()| async move { f() }, schedule);
        runnable.schedule();
        task
    }

    /// The number of threads, as it was a moment ago.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.shared.lock().count
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
        let shared = &self.shared;
        let mut state = shared.lock();
        state.most = threads.get();
        let surplus = state.count.saturating_sub(state.most);
        for _ in 0..surplus {
            // It searches, and ends instead of going to sleep.
            let Some(sleeper) = state.idle.pop() else {
                break;
            };
            shared.search.add();
            sleeper.wake(Begin::AtOnce);
        }
        drop(state);
        // Jobs may wait for the threads that were not allowed before.
        if shared.search.must_start_if(|| !shared.jobs.is_empty()) {
            shared.start(Begin::Watchful);
        }
    }
}

/// Sets the most threads that the pool of [`unblock`](crate::unblock) may have; see [`BlockingPool::set_max_threads`].
///
/// It takes precedence over `BLOCKING_MAX_THREADS`.
///
/// # Panics
///
/// As [`unblock`](crate::unblock).
pub fn set_max_blocking_threads(threads: NonZero<usize>) {
    default_pool().set_max_threads(threads);
}

/// The pool of [`unblock`](crate::unblock).
fn default_pool() -> &'static BlockingPool {
    static DEFAULT: OnceLock<BlockingPool> = OnceLock::new();
    DEFAULT.get_or_init(|| {
        let threads = std::env::var(MAX_THREADS_VAR).ok();
        let threads = threads.map_or(Ok(MAX_THREADS), |text| parse_max_threads(&text));
        BlockingPool::builder()
            .max_threads(threads.unwrap_or_else(|error| panic!("{error}")))
            .build()
            .unwrap_or_else(|error| unreachable!("the defaults are in range: {error}"))
    })
}

fn parse_max_threads(text: &str) -> Result<usize, String> {
    let threads = text.parse().ok();
    let threads = threads.filter(|threads| (1..=MOST_THREADS).contains(threads));
    threads.ok_or_else(|| {
        format!("{MAX_THREADS_VAR} is {text:?}, but must be a number from 1 to {MOST_THREADS}")
    })
}

/// Runs `f`, which may block, on a thread of the default pool.
///
/// Awaiting the [`Task`] gives what `f` returns, or raises its panic again. Dropping the task cancels a call that has not begun; one that
/// runs goes on, and what it returns is dropped. The pool has at most 500 threads, or as many as the environment variable
/// `BLOCKING_MAX_THREADS` says; calls beyond that wait.
///
/// For calls that block now and then and for a short time, [`blocking`](crate::blocking) is cheaper: it stays on its thread.
///
/// # Panics
///
/// Panics if `BLOCKING_MAX_THREADS` is not a number from 1 to 10,000.
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
        let threads = self.shared.lock();
        f.debug_struct("BlockingPool")
            .field("settings", &self.shared.settings)
            .field("waiting", &self.shared.jobs.len())
            .field("threads", &threads.count)
            .field("idle", &threads.idle.len())
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
        let shared = Arc::new(Shared {
            jobs: CachePadded::new(ConcurrentQueue::unbounded()),
            search: CachePadded::new(Search::new()),
            taken: CachePadded::new(AtomicUsize::new(0)),
            threads: Mutex::new(Threads {
                most: self.max_threads,
                ..Threads::default()
            }),
            settings: self,
            failures: AtomicUsize::new(0),
        });
        Ok(BlockingPool {
            _open: Arc::new(Open(shared.clone())),
            shared,
        })
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut threads = self.0.lock();
        threads.closed = true;
        for sleeper in threads.idle.drain(..) {
            // It searches, finds nothing, and ends instead of going to sleep.
            self.0.search.add();
            sleeper.wake(Begin::AtOnce);
        }
    }
}

/// How a thread that was woken or started begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Begin {
    /// It looks first whether the others get on.
    Watchful,
    /// They do not: it takes a job.
    AtOnce,
}

/// A thread without a job.
struct Sleeper {
    parker: Parker,
    at_once: AtomicBool,
}

impl Default for Sleeper {
    fn default() -> Self {
        Self {
            parker: Parker::new(),
            at_once: AtomicBool::new(false),
        }
    }
}

impl Sleeper {
    fn wake(&self, begin: Begin) {
        // Relaxed: published by the unpark.
        self.at_once
            .store(begin == Begin::AtOnce, Ordering::Relaxed);
        self.parker.unpark(|| {});
    }

    fn begin(&self) -> Begin {
        match self.at_once.load(Ordering::Relaxed) {
            true => Begin::AtOnce,
            false => Begin::Watchful,
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Threads> {
        self.threads.lock().expect("no job runs under this lock")
    }

    fn submit(self: &Arc<Self>, job: Runnable) {
        if self.jobs.push(job).is_err() {
            unreachable!("the queue is never closed");
        }
        if self.search.must_start() {
            self.start(Begin::Watchful);
        }
    }

    /// Wakes or starts a thread that has been counted as searching.
    #[cold]
    fn start(self: &Arc<Self>, begin: Begin) {
        let mut threads = self.lock();
        if let Some(sleeper) = threads.idle.pop() {
            drop(threads);
            return sleeper.wake(begin);
        }
        if threads.count >= threads.most {
            // Whoever comes back from a job looks at the queue.
            return self.search.stop();
        }
        threads.count += 1;
        drop(threads);
        let builder = thread::Builder::new().name(self.settings.thread_name.clone());
        let shared = self.clone();
        let Err(error) = builder.spawn(move || shared.work(begin)) else {
            return;
        };
        self.report(&error);
        let mut threads = self.lock();
        threads.count -= 1;
        let nobody = threads.count == 0;
        drop(threads);
        self.search.stop();
        // Nothing is lost: the caller does it if nobody else will.
        while nobody && let Some(job) = self.take() {
            run(job);
        }
    }

    #[cold]
    fn report(&self, error: &io::Error) {
        if self.failures.fetch_add(1, Ordering::Relaxed) == 0 {
            let _ = writeln!(
                io::stderr(),
                "gort: cannot start a thread for blocking calls: {error}; going on with the threads there are"
            );
        }
    }

    fn take(&self) -> Option<Runnable> {
        let job = self.jobs.pop().ok()?;
        // Relaxed: a sign of progress.
        self.taken.fetch_add(1, Ordering::Relaxed);
        Some(job)
    }

    /// The life of a thread. It begins as a searcher.
    fn work(self: Arc<Self>, mut begin: Begin) {
        let sleeper = Arc::new(Sleeper::default());
        loop {
            if begin == Begin::Watchful && self.is_crowded() {
                self.watch();
            }
            let mut job = self.take();
            self.search.stop();
            while let Some(runnable) = job {
                // Others wait, and this job may block.
                if !self.jobs.is_empty() && self.search.must_start() {
                    self.start(Begin::Watchful);
                }
                run(runnable);
                job = self.take();
            }
            // Step 3 of the right column of the module's table.
            if self.search.must_start_if(|| !self.jobs.is_empty()) {
                begin = Begin::Watchful;
                continue;
            }
            match self.sleep(&sleeper) {
                Some(woken) => begin = woken,
                None => return,
            }
        }
    }

    /// Whether enough threads are at work, beside the caller.
    fn is_crowded(&self) -> bool {
        let threads = self.lock();
        threads.count - threads.idle.len() > EAGER
    }

    /// Waits until the threads at work seem to be stuck, or nothing waits. The caller is the searcher and remains it.
    fn watch(self: &Arc<Self>) {
        let mut taken = self.taken.load(Ordering::Relaxed);
        loop {
            thread::sleep(WATCH);
            if self.jobs.is_empty() {
                return;
            }
            let now = self.taken.load(Ordering::Relaxed);
            if std::mem::replace(&mut taken, now) == now {
                return self.grow();
            }
        }
    }

    /// Has as many threads woken as there are at work, as far as there are jobs for them.
    fn grow(self: &Arc<Self>) {
        let threads = self.lock();
        let at_work = threads.count - threads.idle.len();
        drop(threads);
        // One job is the caller's.
        for _ in 0..at_work.min(self.jobs.len().saturating_sub(1)) {
            self.search.add();
            self.start(Begin::AtOnce);
        }
    }

    /// Sleeps until a job wants this thread. None if nobody has for a long time, there are too many, or the pool is closed: the thread ends.
    fn sleep(&self, sleeper: &Arc<Sleeper>) -> Option<Begin> {
        let mut threads = self.lock();
        if !threads.closed && threads.count <= threads.most {
            threads.idle.push(sleeper.clone());
            drop(threads);
            if sleeper.parker.park_timeout(self.settings.keep_alive) {
                return Some(sleeper.begin());
            }
            threads = self.lock();
            let at = threads
                .idle
                .iter()
                .position(|idle| Arc::ptr_eq(idle, sleeper));
            let Some(at) = at else {
                // Somebody was faster: the token is there, or on its way.
                drop(threads);
                sleeper.parker.park();
                return Some(sleeper.begin());
            };
            threads.idle.remove(at);
        }
        threads.count -= 1;
        None
    }
}

fn run(job: Runnable) {
    // A panic goes to the awaiter; if there is none, the panic hook has told of it.
    let _ = catch_unwind(AssertUnwindSafe(|| job.run()));
}

#[cfg(all(test, not(gort_loom)))]
mod tests {
    use std::sync::Barrier;
    use std::sync::mpsc;
    use std::time::Instant;

    use super::*;
    use crate::block_on;

    fn pool(max_threads: usize) -> BlockingPool {
        let pool = BlockingPool::builder().max_threads(max_threads);
        pool.build().expect("in range")
    }

    #[test]
    fn jobs_that_need_each_other_all_run_at_once() {
        const JOBS: usize = 40;
        let pool = pool(JOBS);
        let meet = Arc::new(Barrier::new(JOBS));
        let all: Vec<_> = (0..JOBS)
            .map(|_| {
                let meet = meet.clone();
                pool.unblock(move || meet.wait().is_leader())
            })
            .collect();
        let leaders = all
            .into_iter()
            .filter_map(|one| block_on(one).then_some(()));
        assert_eq!(leaders.count(), 1);
        assert!(pool.threads() <= JOBS);
    }

    #[test]
    fn many_short_jobs_are_run_once_each() {
        let pool = pool(500);
        let all: Vec<_> = (0..10_000).map(|i| pool.unblock(move || i)).collect();
        let sum: u64 = all.into_iter().map(block_on).sum();
        assert_eq!(sum, 49_995_000);
    }

    #[test]
    fn beyond_the_cap_jobs_wait_for_their_turn() {
        let pool = pool(2);
        let all: Vec<_> = (0..50)
            .map(|i| {
                pool.unblock(move || {
                    thread::sleep(Duration::from_millis(1));
                    i
                })
            })
            .collect();
        assert_eq!(all.into_iter().map(block_on).sum::<i32>(), 1_225);
        assert!(pool.threads() <= 2);
    }

    #[test]
    fn a_panic_goes_to_the_awaiter_and_the_thread_goes_on() {
        let pool = pool(1);
        let bad = pool.unblock(|| panic!("a test's own panic"));
        assert!(catch_unwind(AssertUnwindSafe(|| block_on(bad))).is_err());
        assert_eq!(block_on(pool.unblock(|| 7)), 7);
    }

    #[test]
    fn a_dropped_task_that_has_not_begun_does_not_run() {
        let pool = pool(1);
        let (release, held) = mpsc::channel::<()>();
        let busy = pool.unblock(move || held.recv().is_err());
        let (tell, told) = mpsc::channel();
        drop(pool.unblock(move || tell.send(()).expect("the test waits")));
        drop(release);
        assert!(block_on(busy));
        assert!(told.recv().is_err(), "it was dropped");
    }

    #[test]
    fn a_pool_that_is_dropped_finishes_what_waits_and_ends() {
        let pool = pool(1);
        let shared = Arc::downgrade(&pool.shared);
        let all: Vec<_> = (0..10).map(|i| pool.unblock(move || i)).collect();
        drop(pool);
        assert_eq!(all.into_iter().map(block_on).sum::<i32>(), 45);
        while shared.strong_count() > 0 {
            thread::yield_now();
        }
    }

    #[test]
    fn an_idle_thread_ends_after_a_while() {
        let pool = BlockingPool::builder()
            .keep_alive(Duration::from_millis(1))
            .build()
            .expect("in range");
        assert_eq!(block_on(pool.unblock(|| 7)), 7);
        while pool.threads() > 0 {
            thread::yield_now();
        }
        assert_eq!(block_on(pool.unblock(|| 8)), 8);
    }

    #[test]
    fn a_higher_limit_lets_waiting_jobs_begin() {
        let pool = pool(1);
        let (began, told) = mpsc::channel();
        let (release, held) = mpsc::channel::<()>();
        pool.unblock(move || {
            began.send(()).expect("the test waits");
            held.recv().expect("the test lives");
        })
        .detach();
        told.recv().expect("the job runs");
        // The only thread is in a job that ends after the second one.
        let second = pool.unblock(|| 2);
        pool.set_max_threads(NonZero::new(2).expect("not zero"));
        assert_eq!(block_on(second), 2);
        release.send(()).expect("the job waits");
    }

    #[test]
    fn threads_above_a_lower_limit_end() {
        let forever = Duration::from_secs(1_000_000);
        let pool = BlockingPool::builder().keep_alive(forever).build();
        let pool = pool.expect("in range");
        let both = Arc::new(Barrier::new(2));
        let jobs = [both.clone(), both].map(|both| pool.unblock(move || both.wait().is_leader()));
        let leaders = jobs.map(block_on).into_iter().filter(|led| *led).count();
        assert_eq!(leaders, 1);
        pool.set_max_threads(NonZero::<usize>::MIN);
        let patience = Instant::now() + Duration::from_secs(60);
        while pool.threads() > 1 {
            assert!(Instant::now() < patience, "{pool:?}");
            thread::yield_now();
        }
        assert_eq!(block_on(pool.unblock(|| 3)), 3);
    }

    #[test]
    fn settings_out_of_range_are_clear_errors() {
        let error = BlockingPool::builder().max_threads(0).build().unwrap_err();
        assert!(error.to_string().contains("from 1 to 10000"), "{error}");
        let error = parse_max_threads("many").unwrap_err();
        assert!(
            error.contains("BLOCKING_MAX_THREADS is \"many\""),
            "{error}"
        );
        assert_eq!(parse_max_threads("7"), Ok(7));
    }
}
