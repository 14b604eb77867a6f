//! Models of contexts: the code that ships, in every order that a few threads can run in.

use std::sync::atomic::{AtomicUsize as Counter, Ordering::SeqCst};

use gort_primitives::atomic::{AtomicUsize, Ordering};
use gort_primitives::sync::Arc;
use gort_primitives::thread;
use loom::future::block_on;

use super::{Context, ContextError};

#[test]
fn model_who_waits_for_a_context_hears_of_its_end() {
    loom::model(|| {
        let (ctx, cancel) = Context::background().with_cancel();
        let (child, _cancel) = ctx.with_cancel();
        let before = Arc::new(AtomicUsize::new(0));
        let seen = before.clone();
        let thread = thread::spawn(move || {
            // Relaxed: the end of the context orders it.
            before.store(1, Ordering::Relaxed);
            cancel.cancel_cause("enough");
        });
        assert_eq!(block_on(child.done()), ContextError::Canceled);
        // Relaxed: as above.
        assert_eq!(seen.load(Ordering::Relaxed), 1);
        assert_eq!(child.cause().unwrap().to_string(), "enough");
        thread.join().unwrap();
    });
}

#[test]
fn model_a_child_that_is_made_while_its_parent_ends_is_ended() {
    loom::model(|| {
        let (ctx, cancel) = Context::background().with_cancel();
        let thread = thread::spawn(move || cancel.cancel());
        let (child, _cancel) = ctx.with_cancel();
        thread.join().unwrap();
        assert_eq!(child.err(), Some(ContextError::Canceled));
    });
}

#[test]
fn model_a_child_may_go_while_its_parent_ends() {
    loom::model(|| {
        let (ctx, cancel) = Context::background().with_cancel();
        let (child, cancel_child) = ctx.with_cancel();
        let (grandchild, _cancel) = child.with_cancel();
        let thread = thread::spawn(move || cancel.cancel());
        drop((child, cancel_child));
        thread.join().unwrap();
        assert_eq!(grandchild.err(), Some(ContextError::Canceled));
    });
}

#[test]
fn model_one_of_two_ends_counts() {
    loom::model(|| {
        let (ctx, cancel) = Context::background().with_cancel();
        let cancel = Arc::new(cancel);
        let other = cancel.clone();
        let thread = thread::spawn(move || other.cancel_cause("theirs"));
        cancel.cancel_cause("ours");
        let first = ctx.cause().unwrap().to_string();
        thread.join().unwrap();
        assert_eq!(ctx.cause().unwrap().to_string(), first);
    });
}

#[test]
fn model_a_function_is_called_or_taken_back() {
    loom::model(|| {
        // Counted by std's own, so that a model has fewer orders to try.
        let calls = std::sync::Arc::new(Counter::new(0));
        let (ctx, cancel) = Context::background().with_cancel();
        let called = calls.clone();
        let func = ctx.after_func(move || {
            called.fetch_add(1, SeqCst);
        });
        let thread = thread::spawn(move || cancel.cancel());
        let stopped = func.stop();
        thread.join().unwrap();
        assert_eq!(calls.load(SeqCst), usize::from(!stopped));
    });
}
