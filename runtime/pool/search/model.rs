//! A job is taken, or somebody is on the way to it.

use gort_primitives::atomic::AtomicUsize as Cell;
use gort_primitives::model;
use gort_primitives::sync::Arc;
use gort_primitives::thread;

use super::*;

struct World {
    search: Search,
    /// Jobs in the queue.
    jobs: Cell,
    /// Searchers that were started and have not begun.
    started: Cell,
}

impl World {
    fn submit(&self) {
        // AcqRel: as a queue's own.
        self.jobs.fetch_add(1, Ordering::AcqRel);
        if self.search.must_start() {
            self.started.fetch_add(1, Ordering::AcqRel);
        }
    }

    fn take(&self) -> bool {
        let mut jobs = self.jobs.load(Ordering::Acquire);
        while jobs > 0 {
            match self
                .jobs
                .compare_exchange(jobs, jobs - 1, Ordering::AcqRel, Ordering::Acquire)
            {
                Ok(_) => return true,
                Err(now) => jobs = now,
            }
        }
        false
    }

    /// `Shared::work`, from its beginning as a searcher to its sleep.
    fn work(&self) {
        loop {
            let mut job = self.take();
            self.search.stop();
            while job {
                if self.jobs.load(Ordering::Acquire) > 0 && self.search.must_start() {
                    self.started.fetch_add(1, Ordering::AcqRel);
                }
                job = self.take();
            }
            if !self
                .search
                .must_start_if(|| self.jobs.load(Ordering::Acquire) > 0)
            {
                return;
            }
        }
    }
}

#[test]
fn no_job_waits_while_nobody_comes() {
    model(|| {
        let world = Arc::new(World {
            search: Search::new(),
            jobs: Cell::new(0),
            started: Cell::new(0),
        });
        world.search.add();
        let submitter = thread::spawn({
            let world = world.clone();
            move || world.submit()
        });
        let other = thread::spawn({
            let world = world.clone();
            move || world.submit()
        });
        world.work();
        submitter.join().unwrap();
        other.join().unwrap();
        let waiting = world.jobs.load(Ordering::Acquire);
        let started = world.started.load(Ordering::Acquire);
        assert!(
            waiting == 0 || started > 0,
            "{waiting} jobs wait for nobody"
        );
        assert_eq!(world.search.0.load(Ordering::Relaxed), started);
    });
}
