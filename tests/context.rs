//! Contexts in a runtime: its timers end them, and goroutines inherit them.

use std::time::{Duration, Instant};

use gort::sync::{Context, ContextError};
use gort::task::{self, State, WaitReason};

#[derive(Debug, PartialEq)]
struct Request(u32);

fn request() -> Option<u32> {
    task::context().value::<Request>().map(|request| request.0)
}

#[test]
fn a_goroutine_works_for_the_context_of_who_spawned_it() {
    let rt = gort::Builder::new().procs(2).build().expect("a runtime");
    rt.block_on(async {
        assert_eq!(request(), None);
        let ctx = Context::background().with_value(Request(7));
        let seen = task::with_context(ctx.clone(), async {
            let far = gort::go(async {
                task::yield_now().await;
                gort::spawn(async { request() }).await
            });
            let named = task::Builder::new().name("named");
            let handle = gort::Handle::current();
            [
                request(),
                far.await.expect("no panic"),
                named.go(async { request() }).await.expect("no panic"),
                handle.spawn(async { request() }).await,
                handle.go(async { request() }).await.expect("no panic"),
                task::Builder::new().spawn(async { request() }).await,
            ]
        });
        assert_eq!(seen.await, [Some(7); 6]);
        assert_eq!(request(), None);
        assert_eq!(gort::spawn(async { request() }).await, None);

        let inner = ctx.with_value(Request(8));
        let nested = task::with_context(ctx, task::with_context(inner, async { request() }));
        assert_eq!(nested.await, Some(8));
    });
}

#[test]
fn the_end_of_a_context_reaches_all_goroutines_that_inherited_it() {
    let rt = gort::Builder::new().procs(2).build().expect("a runtime");
    rt.block_on(async {
        let deadline = Instant::now() + Duration::from_millis(20);
        let ctx = Context::background().with_deadline(deadline);
        let tree = task::with_context(ctx, async move {
            let grown = (0..10).map(|_| {
                gort::go(async move {
                    let leaf = gort::go(async { task::context().done().await });
                    assert_eq!(
                        leaf.await.expect("no panic"),
                        ContextError::DeadlineExceeded
                    );
                    assert!(Instant::now() >= deadline);
                })
            });
            grown.collect::<Vec<_>>()
        });
        for goroutine in tree.await {
            goroutine.await.expect("no panic");
        }
    });
}

#[test]
fn what_waits_for_a_context_says_so() {
    let rt = gort::Builder::new().procs(1).build().expect("a runtime");
    rt.block_on(async {
        let (ctx, cancel) = Context::background().with_cancel();
        let waits = task::Builder::new()
            .name("waits")
            .go(async move { ctx.done().await });
        let info = loop {
            let all = rt.handle().goroutines();
            let found = all.into_iter().find(|info| info.name() == Some("waits"));
            match found.filter(|info| info.state() == State::Waiting) {
                Some(info) => break info,
                None => task::yield_now().await,
            }
        };
        assert_eq!(info.wait_reason(), WaitReason::Context);
        assert_eq!(info.waits_at().expect("it is known").file(), file!());
        cancel.cancel();
        assert_eq!(waits.await.expect("no panic"), ContextError::Canceled);
    });
}

#[test]
fn a_function_of_a_deadline_may_spawn() {
    let (tell, told) = std::sync::mpsc::channel();
    let rt = gort::Builder::new().procs(1).build().expect("a runtime");
    rt.block_on(async {
        let ctx = Context::background().with_timeout(Duration::from_millis(1));
        let handle = gort::Handle::current();
        ctx.after_func(move || {
            handle.go(async move { tell.send(7).expect("the test listens") });
        });
        ctx.done().await;
    });
    assert_eq!(told.recv_timeout(Duration::from_secs(60)), Ok(7));
}
