//! Models of the group: the code that ships, in every order that a few threads can run in.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Waker};

use gort_primitives::sync::Arc;
use gort_primitives::thread;
use loom::future::block_on;

use super::Group;

#[test]
fn model_all_callers_get_a_value_of_a_call() {
    loom::model(|| {
        let group = Arc::new(Group::new());
        let calls = Arc::new(AtomicUsize::new(0));
        let (other, others) = (group.clone(), calls.clone());
        let thread =
            thread::spawn(move || block_on(other.work(1, async { others.fetch_add(1, SeqCst) })));
        let ours = block_on(group.work(1, async { calls.fetch_add(1, SeqCst) }));
        let theirs = thread.join().unwrap();
        let calls = calls.load(SeqCst);
        assert!(ours < calls && theirs < calls);
        assert!(ours != theirs || calls == 1);
        assert!(group.is_empty());
    });
}

#[test]
fn model_a_leader_that_goes_leaves_the_lead_to_another() {
    loom::model(|| {
        let group = Arc::new(Group::new());
        let other = group.clone();
        let thread = thread::spawn(move || {
            let mut goes = pin!(other.work(1, std::future::pending()));
            let _ = goes.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        });
        assert_eq!(block_on(group.work(1, async { 7 })), 7);
        thread.join().unwrap();
        assert!(group.is_empty());
    });
}
