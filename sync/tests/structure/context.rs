//! What Go promises of contexts, and what Rust adds to that: drops, panics, leaks.

use std::error::Error;
use std::future::{pending, ready};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use gort_sync::{Cancel, Context, ContextError};

use super::support::{Bomb, Count, Polled, on_each_executor, yield_now};

const FAR: Duration = Duration::from_secs(3600);

fn cancellable() -> (Context, Cancel) {
    Context::background().with_cancel()
}

/// How often a function of this context was called.
fn count_end(ctx: &Context) -> Arc<AtomicUsize> {
    let calls = Arc::new(AtomicUsize::new(0));
    let count = calls.clone();
    ctx.after_func(move || {
        count.fetch_add(1, Ordering::SeqCst);
    });
    calls
}

#[test]
fn the_background_never_ends_and_has_nothing() {
    static BACKGROUND: Context = Context::background();
    assert_eq!(BACKGROUND.err(), None);
    assert!(BACKGROUND.cause().is_none());
    assert_eq!(BACKGROUND.deadline(), None);
    assert_eq!(BACKGROUND.value::<u8>(), None);
    Polled::new(BACKGROUND.done()).waits();
    assert!(BACKGROUND.after_func(|| panic!("it never ends")).stop());
    assert_eq!(Polled::new(BACKGROUND.run(ready(1))).done(), Ok(1));
}

#[test]
fn an_end_reaches_all_below_and_none_above_or_beside() {
    let (top, _top) = cancellable();
    let (middle, cancel) = top.with_value('v').with_cancel();
    let (beside, _beside) = top.with_cancel();
    let (low, _low) = middle.with_timeout(FAR).with_cancel();
    let lowest = low.with_value(1).clone();
    cancel.cancel_cause("because");
    for ended in [&middle, &low, &lowest] {
        assert_eq!(ended.err(), Some(ContextError::Canceled));
        assert_eq!(ended.cause().expect("it has ended").to_string(), "because");
    }
    assert_eq!((top.err(), beside.err()), (None, None));
    let (late, _late) = lowest.with_cancel();
    assert_eq!(
        late.cause().expect("it was never live").to_string(),
        "because"
    );
    assert_eq!(late.value::<char>(), Some(&'v'));
}

#[test]
fn the_first_end_counts_and_its_cause_stays() {
    let (ctx, cancel) = cancellable();
    let calls = count_end(&ctx);
    cancel.cancel();
    cancel.cancel_cause("too late");
    drop(cancel);
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    let cause = ctx.cause().expect("it has ended");
    assert_eq!(
        cause.downcast_ref(),
        Some(&ContextError::Canceled),
        "without a cause it is the error"
    );
    let error = io::Error::from(ctx.err().expect("it has ended"));
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (io::ErrorKind::Other, "context canceled")
    );
}

#[test]
fn who_drops_the_right_to_cancel_cancels_and_who_detaches_it_does_not() {
    let (ctx, cancel) = cancellable();
    drop(cancel);
    assert_eq!(ctx.err(), Some(ContextError::Canceled));
    let (parent, end) = cancellable();
    let (ctx, cancel) = parent.with_cancel();
    cancel.detach();
    assert_eq!(ctx.err(), None);
    end.cancel();
    assert_eq!(ctx.err(), Some(ContextError::Canceled));
}

#[test]
fn the_earliest_deadline_counts() {
    let soon = Instant::now() + FAR;
    let ctx = Context::background().with_deadline(soon);
    assert_eq!(ctx.deadline(), Some(soon));
    assert_eq!(ctx.with_deadline(soon + FAR).deadline(), Some(soon));
    assert_eq!(ctx.with_cancel().0.deadline(), Some(soon));
    let sooner = soon - Duration::from_secs(1);
    assert_eq!(ctx.with_deadline(sooner).deadline(), Some(sooner));
    assert_eq!(
        Context::background().with_timeout(Duration::MAX).deadline(),
        None
    );
    let ctx = Context::background().with_timeout_cause(Duration::ZERO, "no time at all");
    assert_eq!(ctx.err(), Some(ContextError::DeadlineExceeded));
    assert_eq!(
        ctx.cause().expect("it has ended").to_string(),
        "no time at all"
    );
    assert_eq!(
        io::Error::from(ContextError::DeadlineExceeded).kind(),
        io::ErrorKind::TimedOut
    );
}

#[test]
fn without_cancel_keeps_the_values_only() {
    let (ctx, cancel) = Context::background()
        .with_value(5u8)
        .with_timeout(FAR)
        .with_cancel();
    let kept = ctx.without_cancel();
    cancel.cancel();
    assert_eq!(
        (kept.err(), kept.deadline(), kept.value()),
        (None, None, Some(&5u8))
    );
}

#[test]
fn a_value_hides_an_earlier_one_of_its_type() {
    #[derive(Debug, PartialEq)]
    struct Id(u32);
    let ctx = Context::background().with_value(Id(1)).with_value("text");
    let inner = ctx.with_value(Id(2));
    assert_eq!((ctx.value(), inner.value()), (Some(&Id(1)), Some(&Id(2))));
    assert_eq!(inner.value::<&str>(), Some(&"text"));
    assert!(format!("{inner:?}").contains("values: 2"), "{inner:?}");
}

#[test]
fn a_function_is_called_at_the_end_or_taken_back() {
    let (ctx, cancel) = cancellable();
    let calls = count_end(&ctx);
    let held = Arc::new(());
    let captured = held.clone();
    let func = ctx.after_func(move || panic!("it was taken back, with {captured:?}"));
    assert!(func.stop());
    assert_eq!(Arc::strong_count(&held), 1, "what it captured is free");
    let late = ctx.after_func(|| ());
    cancel.cancel();
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    assert!(!late.stop());
    let calls = count_end(&ctx);
    assert_eq!(calls.load(Ordering::SeqCst), 1, "it is called at once");
    assert!(!ctx.after_func(|| ()).stop());
}

#[test]
fn when_anybody_is_told_all_have_ended() {
    let (ctx, cancel) = cancellable();
    let (child, _child) = ctx.with_cancel();
    let (tell, told) = mpsc::channel();
    let seen = child.clone();
    ctx.after_func(move || tell.send(seen.err()).expect("the test listens"));
    cancel.cancel();
    assert_eq!(told.recv(), Ok(Some(ContextError::Canceled)));
}

#[test]
fn all_are_told_although_a_waker_and_a_function_panic() {
    let (ctx, cancel) = cancellable();
    let (child, _child) = ctx.with_cancel();
    let (woken, waker) = Count::new();
    let mut bombed = Polled::new(ctx.done());
    let mut waits = Polled::new(child.done());
    assert!(bombed.poll_with(&Waker::from(Arc::new(Bomb))).is_pending());
    assert!(waits.poll_with(&waker).is_pending());
    ctx.after_func(|| panic!("a function that panics"));
    let calls = count_end(&child);
    let panic = catch_unwind(AssertUnwindSafe(|| cancel.cancel())).expect_err("it goes on");
    assert_eq!(
        panic.downcast_ref(),
        Some(&"a waker that panics"),
        "the first one"
    );
    assert_eq!((woken.get(), calls.load(Ordering::SeqCst)), (1, 1));
    assert_eq!(waits.done(), ContextError::Canceled);
    assert_eq!(bombed.done(), ContextError::Canceled);
}

#[test]
fn a_wait_may_be_dropped_at_any_point() {
    let (ctx, cancel) = cancellable();
    drop(Polled::new(ctx.done()));
    let mut gone = Polled::new(ctx.done());
    let mut leaked = Polled::new(ctx.done());
    let mut stays = Polled::new(ctx.done());
    gone.waits();
    leaked.waits();
    stays.waits();
    leaked.leak();
    drop(gone);
    let mut told = Polled::new(ctx.done());
    let (woken, waker) = Count::new();
    assert!(told.poll_with(&waker).is_pending());
    cancel.cancel();
    assert_eq!(woken.get(), 1);
    drop(told);
    assert_eq!(stays.done(), ContextError::Canceled);
    assert_eq!(stays.done(), ContextError::Canceled, "it stays ready");
}

#[test]
fn a_future_runs_until_the_end_of_its_context() {
    let (ctx, cancel) = cancellable();
    let mut loses = Polled::new(ctx.run(pending::<()>()));
    let (sender, receiver) = mpsc::channel();
    let mut wins = Polled::new(ctx.run(std::future::poll_fn(|_| match receiver.try_recv() {
        Ok(n) => Poll::Ready(n),
        Err(_) => Poll::Pending,
    })));
    loses.waits();
    wins.waits();
    drop(Polled::new(ctx.run(pending::<()>())));
    let mut gone = Polled::new(ctx.run(pending::<()>()));
    gone.waits();
    drop(gone);
    cancel.cancel();
    sender.send(3).expect("the future has the receiver");
    assert_eq!(loses.done(), Err(ContextError::Canceled));
    assert_eq!(wins.done(), Ok(3), "it was ready");
    let begun = ctx.run(async { panic!("the context has ended") });
    assert_eq!(
        Polled::new(begun).done(),
        Err::<(), _>(ContextError::Canceled)
    );
}

#[test]
fn neither_the_end_nor_the_drop_of_a_long_chain_overflows_the_stack() {
    const DEPTH: usize = 20_000;
    let (top, cancel) = cancellable();
    let mut chain = top.clone();
    for depth in 0..DEPTH {
        let (next, cancel) = chain.with_value(depth).with_cancel();
        cancel.detach();
        chain = next;
    }
    let live = chain.with_cancel();
    cancel.cancel();
    assert_eq!(live.0.err(), Some(ContextError::Canceled));
    drop((live, top, cancel));
    drop(chain);

    let mut chain = Context::background();
    for _ in 0..DEPTH {
        let (next, cancel) = chain.with_cancel();
        cancel.detach();
        chain = next;
    }
    drop(chain);
}

#[test]
fn what_is_dropped_is_freed_and_its_function_is_not_called() {
    let (ctx, cancel) = cancellable();
    let held = Arc::new(());
    let mut keep = Vec::new();
    for n in 0..1_000 {
        let child = ctx.with_timeout(FAR).with_value(held.clone());
        let captured = held.clone();
        child.after_func(move || panic!("nobody ends it: {captured:?}"));
        if n % 100 == 0 {
            keep.push(ctx.with_cancel());
        }
    }
    assert_eq!(Arc::strong_count(&held), 1);
    cancel.cancel();
    assert!(keep.iter().all(|(child, _)| child.err().is_some()));
}

#[test]
fn a_deadline_ends_all_that_wait_and_never_early() {
    on_each_executor(|spawn| async move {
        let deadline = Instant::now() + Duration::from_millis(20);
        let ctx = Context::background().with_deadline_cause(deadline, "late");
        let (child, _cancel) = ctx.with_cancel();
        let tasks: Vec<_> = (0..8)
            .map(|_| {
                let child = child.clone();
                spawn(Box::pin(async move {
                    assert_eq!(child.done().await, ContextError::DeadlineExceeded);
                    assert!(Instant::now() >= deadline);
                }))
            })
            .collect();
        for task in tasks {
            task.await;
        }
        assert_eq!(ctx.cause().expect("it has ended").to_string(), "late");
    });
    let ctx = Context::background().with_timeout(Duration::from_millis(1));
    assert_eq!(ctx.done_blocking(), ContextError::DeadlineExceeded);
}

#[test]
fn a_tree_ends_whole_while_it_grows_and_shrinks() {
    on_each_executor(|spawn| async move {
        for _ in 0..20 {
            let (top, cancel) = cancellable();
            let tasks: Vec<_> = (0..4)
                .map(|_| {
                    let top = top.clone();
                    spawn(Box::pin(async move {
                        let mut chain = vec![top.with_cancel()];
                        while top.err().is_none() {
                            let next = chain
                                .last()
                                .expect("never empty")
                                .0
                                .with_timeout(FAR)
                                .with_cancel();
                            chain.push(next);
                            if chain.len() > 8 {
                                chain.drain(1..5);
                            }
                            yield_now().await;
                        }
                        for (ctx, _) in &chain {
                            assert_eq!(ctx.done().await, ContextError::Canceled);
                        }
                    }))
                })
                .collect();
            yield_now().await;
            cancel.cancel();
            for task in tasks {
                task.await;
            }
        }
    });
}

#[test]
fn an_error_without_a_text_is_a_cause_too() {
    #[derive(Debug)]
    struct Why;
    impl std::fmt::Display for Why {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("why")
        }
    }
    impl Error for Why {}
    let (ctx, cancel) = cancellable();
    cancel.cancel_cause(Why);
    assert!(ctx.cause().expect("it has ended").is::<Why>());
}

/// A cause that panics when it is dropped.
#[derive(Debug)]
struct Sour;

impl std::fmt::Display for Sour {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("sour")
    }
}

impl Error for Sour {}

impl Drop for Sour {
    fn drop(&mut self) {
        panic!("a cause that panics");
    }
}

/// A deadline that is not needed any more has the only reference to its cause.
#[test]
fn a_cause_that_panics_when_it_is_dropped_leaves_nobody_waiting() {
    let (ctx, cancel) = cancellable();
    let child = ctx.with_deadline_cause(Instant::now() + FAR, Sour);
    let (below, _cancel) = child.with_cancel();
    let calls = [count_end(&ctx), count_end(&child), count_end(&below)];
    let mut waits = [&ctx, &child, &below].map(|ctx| Polled::new(ctx.done()));
    let (woken, waker) = Count::new();
    for wait in &mut waits {
        assert!(wait.poll_with(&waker).is_pending());
    }
    let cancelled = catch_unwind(AssertUnwindSafe(|| cancel.cancel()));
    assert!(cancelled.is_err(), "its panic goes to who cancelled");
    assert_eq!(woken.get(), 3);
    for calls in calls {
        assert_eq!(calls.load(Ordering::SeqCst), 1);
    }
    for mut wait in waits {
        assert_eq!(wait.done(), ContextError::Canceled);
    }
}
