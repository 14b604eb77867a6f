//! The threads of a pool.
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

use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use async_task::Runnable;
use concurrent_queue::ConcurrentQueue;
use crossbeam_utils::CachePadded;
use gort_primitives::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::BlockingPoolBuilder;
use super::search::Search;
use crate::park::Parker;

/// Threads at work that are enough for jobs that do not block for long. Thin air: as much as a disk has use for.
const EAGER: usize = 4;

/// Without a job taken for so long, those at work are stuck. Thin air.
const WATCH: Duration = Duration::from_micros(500);

/// What the handles of a pool and its threads share.
pub(super) struct Shared {
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
    pub(super) fn new(settings: BlockingPoolBuilder) -> Self {
        Self {
            jobs: CachePadded::new(ConcurrentQueue::unbounded()),
            search: CachePadded::new(Search::new()),
            taken: CachePadded::new(AtomicUsize::new(0)),
            threads: Mutex::new(Threads {
                most: settings.max_threads,
                ..Threads::default()
            }),
            settings,
            failures: AtomicUsize::new(0),
        }
    }

    pub(super) fn settings(&self) -> &BlockingPoolBuilder {
        &self.settings
    }

    /// The threads there are, and those of them that sleep.
    pub(super) fn counts(&self) -> (usize, usize) {
        let threads = self.lock();
        (threads.count, threads.idle.len())
    }

    /// The jobs that wait.
    pub(super) fn waiting(&self) -> usize {
        self.jobs.len()
    }

    /// Sets how many threads there may be. Those that are too many end.
    pub(super) fn set_most(self: &Arc<Self>, most: usize) {
        let mut threads = self.lock();
        threads.most = most;
        let surplus = threads.count.saturating_sub(most);
        self.dismiss(threads, surplus);
        // Jobs may wait for threads that were not allowed before.
        if self.search.must_start_if(|| !self.jobs.is_empty()) {
            self.start(Begin::Watchful);
        }
    }

    /// Lets all threads end when no job waits.
    pub(super) fn close(&self) {
        let mut threads = self.lock();
        threads.closed = true;
        let all = threads.idle.len();
        self.dismiss(threads, all);
    }

    /// Wakes up to `some` of the threads that sleep, which have a reason to end.
    fn dismiss(&self, mut threads: MutexGuard<'_, Threads>, some: usize) {
        let from = threads.idle.len().saturating_sub(some);
        for sleeper in threads.idle.drain(from..) {
            // It searches, finds nothing, and ends instead of going to sleep.
            self.search.add();
            sleeper.wake(Begin::AtOnce);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Threads> {
        self.threads.lock().expect("no job runs under this lock")
    }

    pub(super) fn submit(self: &Arc<Self>, job: Runnable) {
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
