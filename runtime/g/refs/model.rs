//! Models of the count: the inner waker is made before it is used, dropped once, and never used after that.

use gort_primitives::atomic::{AtomicBool, AtomicUsize, fence};
use gort_primitives::sync::Arc;
use gort_primitives::{model, thread};

use super::*;

/// A record with a stand-in for async-task's waker.
#[derive(Default)]
struct Record {
    refs: Refs,
    /// References that async-task counts for us.
    inner: AtomicUsize,
    dropped: AtomicBool,
}

impl Record {
    fn make(&self) {
        self.inner.fetch_add(1, Ordering::Relaxed);
    }

    fn unmake(&self) {
        self.inner.fetch_sub(1, Ordering::Relaxed);
    }

    fn use_inner(&self) {
        assert!(
            !self.dropped.load(Ordering::Relaxed),
            "used after it was dropped"
        );
        assert!(
            self.inner.load(Ordering::Relaxed) > 0,
            "used before it was made"
        );
    }

    fn clone_ref(&self) {
        self.refs.clone_ref(|| self.make(), || self.unmake());
    }

    fn release(&self) {
        self.use_inner();
        if self.refs.release() == Release::Last {
            assert!(!self.dropped.swap(true, Ordering::Relaxed), "dropped twice");
            self.unmake();
        }
    }

    fn end(&self) {
        assert!(self.dropped.load(Ordering::Relaxed), "leaked");
        assert_eq!(self.inner.load(Ordering::Relaxed), 0);
        assert!(self.refs.is_none());
    }
}

#[test]
fn two_threads_that_borrow_the_waker_of_a_first_poll_make_one_inner_waker() {
    model(|| {
        let record = Arc::new(Record::default());
        let scoped = {
            let record = record.clone();
            thread::spawn(move || {
                record.clone_ref();
                record.release();
            })
        };
        record.clone_ref();
        record.release();
        scoped.join().expect("no panics");
        assert_eq!(record.inner.load(Ordering::Relaxed), 1);
        // The future goes.
        record.release();
        record.end();
    });
}

#[test]
fn a_registry_upgrades_only_what_lives() {
    model(|| {
        let record = Arc::new(Record::default());
        let registry = {
            let record = record.clone();
            thread::spawn(move || {
                if record.refs.upgrade() {
                    record.use_inner();
                    record.release();
                }
            })
        };
        assert!(record.refs.arm(|| record.make()));
        assert!(!record.refs.arm(|| unreachable!("armed already")));
        record.release();
        registry.join().expect("no panics");
        record.end();
        assert!(!record.refs.upgrade());
    });
}

#[test]
fn the_last_of_future_and_wakers_drops_the_inner_waker() {
    model(|| {
        let record = Arc::new(Record::default());
        record.clone_ref();
        let waker = {
            let record = record.clone();
            thread::spawn(move || {
                record.use_inner();
                record.clone_ref();
                record.release();
                record.release();
            })
        };
        assert!(!record.refs.arm(|| unreachable!("a waker exists")));
        record.release();
        waker.join().expect("no panics");
        record.end();
    });
}

/// The Dekker pair of `abort`: the request is seen by the first poll's end, or the upgrade succeeds.
#[test]
fn an_abort_is_never_missed_by_a_goroutine_that_parks() {
    model(|| {
        let record = Arc::new(Record::default());
        let asked = Arc::new(AtomicBool::new(false));
        let aborter = {
            let (record, asked) = (record.clone(), asked.clone());
            thread::spawn(move || {
                asked.store(true, Ordering::Relaxed);
                fence(Ordering::SeqCst);
                let reached = record.refs.upgrade();
                if reached {
                    record.use_inner();
                    record.release();
                }
                reached
            })
        };
        record.refs.arm(|| record.make());
        fence(Ordering::SeqCst);
        let seen = asked.load(Ordering::Relaxed);
        let reached = aborter.join().expect("no panics");
        assert!(seen || reached);
        record.release();
        record.end();
    });
}
