//! The threads of a runtime: which there are, how one more begins, and waiting for their end.

use std::io::{self, Write};
use std::sync::{Arc, MutexGuard};
use std::time::Instant;

use gort_primitives::atomic::Ordering;

use super::Shared;
use crate::m::M;
use crate::worker;

/// The Ms of a runtime. The structures stay until the runtime goes.
#[derive(Debug, Default)]
pub(super) struct Ms {
    all: Vec<Arc<M>>,
    /// Threads that run.
    running: usize,
}

impl Shared {
    #[cold]
    pub(super) fn start_m(&self, p: usize) {
        if let Err(error) = self.try_start_m(p) {
            self.put_back(p);
            self.report_thread_failure(error.as_ref());
        }
    }

    /// Starts the first thread, so that somebody watches the reactor from the beginning.
    pub(crate) fn start_first(&self) -> io::Result<()> {
        let Some(pair) = self.idle.take_pair(|_| true) else {
            unreachable!("start_first: a new runtime has idle Ps and no searchers")
        };
        self.try_start_m(pair.p)
            .map_err(|error| error.unwrap_or_else(|| io::ErrorKind::Other.into()))
    }

    /// Starts a thread that begins with `p` and counts as searching.
    ///
    /// `Err(None)`: no thread is wanted, because the runtime closes, runs on its caller's thread, or has as many as it may.
    fn try_start_m(&self, p: usize) -> Result<(), Option<io::Error>> {
        let mut ms = self.lock_ms();
        if self.is_closing() || self.settings.local {
            return Err(None);
        }
        if ms.running >= self.procs() + self.settings.max_blocking_threads {
            drop(ms);
            self.report_thread_cap();
            return Err(None);
        }
        let m = self.new_m(&mut ms);
        m.hand_over(p);
        worker::start(self.arc(), m).map_err(Some)?;
        ms.running += 1;
        Ok(())
    }

    fn new_m(&self, ms: &mut Ms) -> Arc<M> {
        // The structure of a thread that has ended, if there is one: thieves may still look at it, and find it empty.
        if let Some(m) = ms.all.iter().find(|m| m.try_revive()) {
            return m.clone();
        }
        let m = Arc::new(M::new(self, ms.all.len()));
        ms.all.push(m.clone());
        m
    }

    /// An M for the calling thread, which is not one of the runtime's own.
    pub(crate) fn adopt_thread(&self) -> Arc<M> {
        let mut ms = self.lock_ms();
        ms.running += 1;
        self.new_m(&mut ms)
    }

    /// Takes note that an M's thread has ended.
    pub(crate) fn thread_ended(&self, m: &M) {
        m.retire();
        self.lock_ms().running -= 1;
        self.exited.notify_all();
    }

    #[cold]
    fn report_thread_failure(&self, error: Option<&io::Error>) {
        let Some(error) = error else { return };
        if self.thread_failures.fetch_add(1, Ordering::Relaxed) == 0 {
            let _ = writeln!(
                io::stderr(),
                "gort: cannot start a worker thread: {error}; going on with the threads there are"
            );
        }
    }

    #[cold]
    fn report_thread_cap(&self) {
        if self.at_thread_cap.fetch_add(1, Ordering::Relaxed) == 0 {
            // A standard error stream that is closed must not turn this into a panic.
            let _ = writeln!(
                io::stderr(),
                "gort: {} threads block, which is as many as may (`Builder::max_blocking_threads`); \
                 work waits until one of them comes back",
                self.settings.max_blocking_threads
            );
        }
    }

    fn lock_ms(&self) -> MutexGuard<'_, Ms> {
        self.ms.lock().expect("no user code runs under this lock")
    }

    /// A copy of the list of Ms.
    pub(crate) fn ms(&self) -> Vec<Arc<M>> {
        self.lock_ms().all.clone()
    }

    /// Calls `look` with each M.
    pub(crate) fn for_each_m(&self, mut look: impl FnMut(&Arc<M>)) {
        self.lock_ms().all.iter().for_each(&mut look);
    }

    /// Waits until no thread runs any more, or until `deadline`. Returns whether they are all gone.
    pub(crate) fn wait_for_threads(&self, deadline: Option<Instant>) -> bool {
        let mut ms = self.lock_ms();
        loop {
            if ms.running == 0 {
                return true;
            }
            ms = match deadline {
                None => self.exited.wait(ms).expect("as in `lock_ms`"),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return false;
                    }
                    self.exited
                        .wait_timeout(ms, left)
                        .expect("as in `lock_ms`")
                        .0
                }
            };
        }
    }

    /// The number of threads.
    pub(crate) fn threads(&self) -> usize {
        self.lock_ms().running
    }

    /// Returns whether there are more threads than Ps.
    pub(crate) fn has_spare_threads(&self) -> bool {
        self.threads() > self.procs()
    }
}
