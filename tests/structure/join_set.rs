use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use gort::sync::Latch;
use gort::task::{self, JoinSet};

use super::{Tell, poll_once, runtime};

#[test]
fn goroutines_are_joined_in_the_order_in_which_they_end() {
    runtime(2).block_on(async {
        let gates: [Arc<Latch>; 3] = Default::default();
        let mut set: JoinSet<usize> = (0..3)
            .map(|n| {
                let gate = gates[n].clone();
                async move {
                    gate.wait().await;
                    n
                }
            })
            .collect();
        assert_eq!(set.len(), 3);
        assert!(set.try_join_next().is_none());
        for n in [1, 2, 0] {
            gates[n].open();
            assert_eq!(
                set.join_next()
                    .await
                    .expect("one has ended")
                    .expect("no panic"),
                n
            );
        }
        assert!(set.is_empty());
        assert!(set.join_next().await.is_none());
        assert!(set.try_join_next().is_none());
    });
}

#[test]
fn a_panic_and_an_abort_are_errors_that_name_their_goroutine() {
    runtime(1).block_on(async {
        let mut set = JoinSet::new();
        let aborted = set.spawn(pending::<()>());
        aborted.abort();
        let error = set
            .join_next()
            .await
            .expect("it has ended")
            .expect_err("it was aborted");
        assert!(error.is_cancelled());
        assert_eq!(error.id(), aborted.id());
        let panics = set.spawn(async { panic!("numbers are off") });
        let error = set
            .join_next()
            .await
            .expect("it has ended")
            .expect_err("it panicked");
        assert_eq!(error.id(), panics.id());
        assert!(error.to_string().contains("numbers are off"));
    });
}

#[test]
fn a_dropped_set_aborts_its_goroutines_and_a_detached_one_does_not() {
    let rt = runtime(2);
    rt.block_on(async {
        let (tell, dropped) = Tell::new();
        let mut set = JoinSet::new();
        set.spawn(async move {
            let _tell = tell;
            pending::<()>().await;
        });
        task::yield_now().await;
        drop(set);
        dropped.wait();

        let mut set = JoinSet::new();
        let (gate, ended) = (Arc::new(Latch::new()), Arc::new(Latch::new()));
        let (opens, ends) = (gate.clone(), ended.clone());
        set.spawn(async move {
            opens.wait().await;
            ends.open();
        });
        set.detach_all();
        assert!(set.is_empty());
        set.spawn(async {});
        set.join_next()
            .await
            .expect("the new one")
            .expect("no panic");
        drop(set);
        gate.open();
        ended.wait().await;
    });
}

#[test]
fn a_join_that_is_dropped_at_any_point_loses_nobody() {
    runtime(2).block_on(async {
        let mut set = JoinSet::new();
        let gate = Arc::new(Latch::new());
        for n in 0..4 {
            let gate = gate.clone();
            set.spawn(async move {
                gate.wait().await;
                n
            });
        }
        drop(set.join_next());
        assert!(poll_once(set.join_next()).is_pending());
        gate.open();
        let mut seen = Vec::new();
        // Some of these take one that has ended, the others are dropped.
        while !set.is_empty() {
            if let std::task::Poll::Ready(output) = poll_once(set.join_next()) {
                seen.push(output.expect("not empty").expect("no panic"));
            }
            task::yield_now().await;
        }
        seen.sort_unstable();
        assert_eq!(seen, [0, 1, 2, 3]);
    });
}

#[test]
fn shutdown_waits_until_all_have_ended() {
    runtime(2).block_on(async {
        let mut set = JoinSet::new();
        let mut told = Vec::new();
        for _ in 0..10 {
            let (tell, dropped) = Tell::new();
            told.push(dropped);
            set.spawn(async move {
                let _tell = tell;
                pending::<()>().await;
            });
        }
        drop(set.shutdown());
        assert_eq!(set.len(), 10);
        set.shutdown().await;
        assert!(set.is_empty());
        assert!(told.iter().all(super::Dropped::is_it));
        set.spawn(async { panic!("a panic that is not lost") });
        set.join_next()
            .await
            .expect("it has ended")
            .expect_err("it panicked");
    });
}

#[test]
fn join_all_gives_all_outputs_or_the_panic() {
    let rt = runtime(2);
    let outputs = rt.block_on(async {
        let mut set: JoinSet<_> = (0..100).map(|n| async move { n }).collect();
        set.spawn_blocking(|| 100);
        set.join_all().await
    });
    assert_eq!(outputs.iter().sum::<i32>(), 5050);
    let (tell, dropped) = Tell::new();
    let panic = catch_unwind(AssertUnwindSafe(|| {
        rt.block_on(async {
            let mut set = JoinSet::new();
            set.spawn(async move {
                let _tell = tell;
                pending::<()>().await;
            });
            set.spawn(async { panic!("it goes on") });
            set.join_all().await
        })
    }));
    assert_eq!(
        panic.expect_err("it goes on").downcast_ref(),
        Some(&"it goes on")
    );
    dropped.wait();
}

#[test]
fn those_of_a_runtime_that_ends_are_joined_as_cancelled() {
    let (rt, other) = (runtime(1), runtime(1));
    rt.block_on(async {
        let mut set = JoinSet::new();
        set.spawn_on(pending::<()>(), other.handle());
        drop(other);
        let error = set
            .join_next()
            .await
            .expect("it has ended")
            .expect_err("it was cancelled");
        assert!(error.is_cancelled());
    });
}
