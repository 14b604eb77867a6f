use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gort::sync::{Context, ContextError, Latch};
use gort::task::{self, ErrGroup};

use super::{Tell, poll_once, runtime};

#[test]
fn the_first_error_ends_the_context_and_is_the_groups() {
    runtime(2).block_on(async {
        let (mut group, ctx) = ErrGroup::with_context(&Context::background());
        for n in 0..8 {
            group
                .go(async move {
                    if n == 3 {
                        return Err("the first");
                    }
                    // What is spawned below finds the context too.
                    let below = gort::go(async { task::context().done().await });
                    assert_eq!(below.await.expect("no panic"), ContextError::Canceled);
                    Err("one of the rest")
                })
                .await;
        }
        assert_eq!(ctx.done().await, ContextError::Canceled);
        assert!(
            ctx.cause()
                .expect("it has ended")
                .to_string()
                .contains("failed")
        );
        assert_eq!(group.wait().await, Err("the first"));
        assert_eq!(group.wait().await, Ok(()), "it is told once");
    });
}

#[test]
fn a_group_without_a_context_ends_nothing_and_waits_for_all() {
    runtime(2).block_on(async {
        let mut group = ErrGroup::new();
        let gate = Arc::new(Latch::new());
        let waits = gate.clone();
        group
            .go(async move {
                waits.wait().await;
                Ok(())
            })
            .await;
        group.go(async { Err(7) }).await;
        assert!(poll_once(group.wait()).is_pending());
        gate.open();
        assert_eq!(group.wait().await, Err(7));
        group.go(async { Ok(()) }).await;
        assert_eq!(group.wait().await, Ok(()), "it may be used again");
    });
}

#[test]
fn a_group_that_succeeds_ends_its_context_too_and_so_does_its_parent() {
    runtime(1).block_on(async {
        let (parent, cancel) = Context::background().with_cancel();
        let (mut group, ctx) = ErrGroup::<()>::with_context(&parent);
        group.go(async { Ok(()) }).await;
        assert_eq!(group.wait().await, Ok(()));
        assert_eq!(ctx.err(), Some(ContextError::Canceled));
        let (mut group, _ctx) = ErrGroup::with_context(&parent);
        group.go(async { Err(task::context().done().await) }).await;
        cancel.cancel();
        assert_eq!(group.wait().await, Err(ContextError::Canceled));
    });
}

#[test]
fn no_more_run_than_the_limit_allows() {
    runtime(2).block_on(async {
        let mut group = ErrGroup::<()>::new();
        group.set_limit(3);
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        for _ in 0..50 {
            let (running, most) = (running.clone(), most.clone());
            group
                .go(async move {
                    let now = running.fetch_add(1, Ordering::SeqCst) + 1;
                    most.fetch_max(now, Ordering::SeqCst);
                    task::yield_now().await;
                    running.fetch_sub(1, Ordering::SeqCst);
                    Ok(())
                })
                .await;
        }
        assert_eq!(group.wait().await, Ok(()));
        assert!(most.load(Ordering::SeqCst) <= 3);
    });
}

#[test]
fn what_the_limit_keeps_out_is_not_started() {
    runtime(2).block_on(async {
        let mut group = ErrGroup::<()>::new();
        group.set_limit(1);
        let gate = Arc::new(Latch::new());
        let waits = gate.clone();
        drop(group.go(async { panic!("it was dropped before its first poll") }));
        group
            .go(async move {
                waits.wait().await;
                Ok(())
            })
            .await;
        let kept_out = async { panic!("there was no place for it") };
        let refused = group.try_go(kept_out).expect_err("there is no place");
        assert!(poll_once(group.go(refused)).is_pending());
        gate.open();
        // Its turn comes when the first has ended.
        group.go(async { Ok(()) }).await;
        assert_eq!(group.wait().await, Ok(()));
        assert!(group.try_go(async { Ok(()) }).is_ok());
        assert_eq!(group.wait().await, Ok(()));
        group.set_limit(2);
        let set = catch_unwind(AssertUnwindSafe(|| group.set_limit(0)));
        set.expect_err("a limit of 0 is a mistake");
    });
}

#[test]
fn a_panic_ends_the_context_and_is_raised_where_the_group_is_awaited() {
    let rt = runtime(2);
    let panic = catch_unwind(AssertUnwindSafe(|| {
        rt.block_on(async {
            let (mut group, _ctx) = ErrGroup::with_context(&Context::background());
            group
                .go(async { task::context().run(pending()).await })
                .await;
            group.go(async { panic!("it goes on") }).await;
            group.wait().await
        })
    }));
    assert_eq!(
        panic.expect_err("it goes on").downcast_ref(),
        Some(&"it goes on")
    );
}

#[test]
fn a_dropped_group_ends_its_context_and_aborts_its_goroutines() {
    runtime(2).block_on(async {
        let (mut group, ctx) = ErrGroup::<()>::with_context(&Context::background());
        let (tell, dropped) = Tell::new();
        group
            .go(async move {
                let _tell = tell;
                pending().await
            })
            .await;
        drop(group);
        assert_eq!(ctx.err(), Some(ContextError::Canceled));
        dropped.wait();
    });
}
