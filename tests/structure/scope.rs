use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::thread;

use gort::sync::{Context, Latch, WaitGroup};
use gort::task::{self, WaitGroupExt};

use super::{Tell, runtime};

#[test]
fn goroutines_borrow_what_is_outside_the_scope() {
    let words = ["a", "goroutine", "borrows"];
    let longest = AtomicUsize::new(0);
    let total = gort::scope(|s| {
        let lengths = words.map(|word| {
            s.go(async {
                longest.fetch_max(word.len(), Ordering::SeqCst);
                task::yield_now().await;
                // Goroutines of the scope spawn others.
                s.go(async { word.len() }).await.expect("no panic")
            })
        });
        lengths
            .into_iter()
            .map(|length| length.join().expect("no panic"))
            .sum::<usize>()
    });
    assert_eq!((total, longest.into_inner()), (17, 9));
    assert_eq!(gort::scope(|_| 1), 1, "nobody needs to be spawned");
}

#[test]
fn the_scope_ends_when_all_have_ended_joined_or_not() {
    let ended = AtomicUsize::new(0);
    for _ in 0..20 {
        gort::scope(|s| {
            for _ in 0..10 {
                s.go(async {
                    task::yield_now().await;
                    ended.fetch_add(1, Ordering::SeqCst);
                });
            }
        });
    }
    assert_eq!(ended.into_inner(), 200);
}

#[test]
fn an_output_that_nobody_takes_is_dropped_inside_the_scope() {
    struct Count<'a>(&'a AtomicUsize);
    impl Drop for Count<'_> {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let drops = AtomicUsize::new(0);
    gort::scope(|s| {
        drop(s.go(async { Count(&drops) }));
        let kept = s.go(async { Count(&drops) });
        let mut polled = s.go(async { Count(&drops) });
        let _ = super::poll_once(&mut polled);
        while !kept.is_finished() {
            thread::yield_now();
        }
    });
    assert_eq!(drops.into_inner(), 3);
}

#[test]
fn a_panic_is_the_scopes_unless_it_was_joined() {
    let rt = runtime(2);
    rt.block_on(async {
        let joined = gort::scope(|s| s.go(async { panic!("heard of") }).join().map(|()| 0));
        assert!(joined.expect_err("it panicked").is_panic());
        let unheard = || gort::scope(|s| drop(s.go(async { panic!("not heard of") })));
        let panic = catch_unwind(unheard).expect_err("it is the scope's");
        assert_eq!(panic.downcast_ref(), Some(&"a scoped goroutine panicked"));
        let aborted = gort::scope(|s| {
            let waits = s.go(pending::<()>());
            waits.abort();
            waits.join()
        });
        assert!(aborted.expect_err("it was aborted").is_cancelled());
    });
}

#[test]
fn a_scope_that_panics_ends_its_goroutines_first() {
    let (tell, dropped) = Tell::new();
    let borrowed = String::from("borrowed");
    let panic = catch_unwind(AssertUnwindSafe(|| {
        gort::scope(|s| {
            for _ in 0..100 {
                drop(s.go(async { assert_eq!(borrowed, "borrowed") }));
            }
            drop(s.go(async {
                let _tell = tell;
                assert_eq!(borrowed, "borrowed");
                pending::<()>().await;
            }));
            panic!("the function of the scope");
        })
    }));
    assert_eq!(
        panic.expect_err("it goes on").downcast_ref(),
        Some(&"the function of the scope")
    );
    assert!(dropped.is_it());
}

#[test]
fn a_scope_inside_a_goroutine_hands_its_p_to_those_it_waits_for() {
    let rt = runtime(1);
    let sum = rt.block_on(gort::go(async {
        let numbers = [1, 2, 3];
        let context = Context::background().with_value("inherited");
        task::with_context(context, async {
            gort::scope(|s| {
                let sum = s.go(async { numbers.iter().sum::<i32>() });
                let nested = s.go(async { gort::scope(|s| s.go(async { numbers.len() }).join()) });
                let inherits = s.go(async { task::context().value::<&str>().copied() });
                assert_eq!(inherits.join().expect("no panic"), Some("inherited"));
                assert_eq!(nested.join().expect("no panic").expect("no panic"), 3);
                sum.join().expect("no panic")
            })
        })
        .await
    }));
    assert_eq!(sum.expect("no panic"), 6);
}

#[test]
fn a_scope_in_a_local_runtime_says_why_it_cannot_be() {
    let rt = gort::Builder::new().local().build().expect("a runtime");
    let scope = || rt.block_on(async { gort::scope(|s| drop(s.go(async {}))) });
    let panic = catch_unwind(AssertUnwindSafe(scope)).expect_err("it would never end");
    assert!(
        panic
            .downcast_ref::<&str>()
            .expect("a text")
            .contains("local runtime")
    );
}

#[test]
fn a_scope_ends_when_its_runtime_does() {
    let rt = runtime(1);
    let handle = rt.handle().clone();
    let (tell, told) = channel();
    let waits = thread::spawn(move || {
        handle.block_on(async {
            let tell = &tell;
            gort::scope(|s| {
                let cut_off = s.go(async move {
                    tell.send(()).expect("the test listens");
                    pending::<()>().await;
                });
                cut_off
                    .join()
                    .expect_err("the runtime has ended")
                    .is_cancelled()
            })
        })
    });
    told.recv().expect("it runs");
    drop(rt);
    assert!(waits.join().expect("no panic"));
}

#[test]
fn a_wait_group_starts_and_counts_goroutines() {
    runtime(2).block_on(async {
        let group = WaitGroup::new();
        let gate = Arc::new(Latch::new());
        for n in 0..4 {
            let gate = gate.clone();
            group.go(async move {
                gate.wait().await;
                assert!(n < 3, "one panics, and is counted all the same");
            });
        }
        let aborted = group.go(pending::<()>());
        aborted.abort();
        gate.open();
        group.wait().await;
        assert_eq!(group.count(), 0);
    });
}
