//! Pipelines.

use std::future::pending;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gort::sync::{Context, ContextError, chan};
use gort::task::{self, Pipeline};

use super::{Tell, runtime};

fn pipeline(room: usize) -> Pipeline<io::Error> {
    Pipeline::new(&Context::background(), room)
}

#[test]
fn one_worker_keeps_the_order_and_many_lose_nothing() {
    runtime(2).block_on(async {
        for room in [0, 1, 16] {
            let mut pipeline = pipeline(room);
            let numbers = pipeline.source(0..1_000_u32);
            let even = pipeline.filter_map(numbers, 1, async |n| Ok((n % 2 == 0).then_some(n)));
            let mut next = 0;
            while let Ok(n) = even.recv().await {
                assert_eq!(n, next);
                next += 2;
            }
            assert_eq!(next, 1_000);
            pipeline.wait().await.expect("no error");

            let mut pipeline = self::pipeline(room);
            let inputs = (0..3).map(|i| pipeline.source(i * 100..(i + 1) * 100));
            let inputs: Vec<_> = inputs.collect();
            let merged = pipeline.merge(inputs);
            let doubled = pipeline.map(merged, 4, async |n| {
                task::yield_now().await;
                Ok(n * 2)
            });
            let mut all = Vec::new();
            while let Ok(n) = doubled.recv().await {
                all.push(n);
            }
            all.sort_unstable();
            assert_eq!(all, (0..300).map(|n| n * 2).collect::<Vec<_>>());
            pipeline.wait().await.expect("no error");
        }
    });
}

#[test]
fn a_source_runs_ahead_no_further_than_there_is_room() {
    const ROOM: usize = 3;
    runtime(2).block_on(async {
        let mut pipeline = pipeline(ROOM);
        let made = Arc::new(AtomicUsize::new(0));
        let counts = made.clone();
        let numbers = pipeline.source((0..500).inspect(move |_| {
            counts.fetch_add(1, Ordering::SeqCst);
        }));
        let same = pipeline.map(numbers, 1, async |n| Ok(n));
        for received in 1..=500 {
            same.recv().await.expect("there are more");
            // Two channels, and one in the hand of each stage.
            assert!(made.load(Ordering::SeqCst) <= received + 2 * ROOM + 2);
        }
        pipeline.wait().await.expect("no error");
    });
}

#[test]
fn a_receiver_that_goes_ends_the_stages_before_it() {
    runtime(2).block_on(async {
        let mut pipeline = pipeline(4);
        let numbers = pipeline.source(0_u64..);
        let same = pipeline.map(numbers, 3, async |n| Ok(n));
        same.recv().await.expect("there is no end");
        drop(same);
        pipeline.wait().await.expect("no error");
    });
}

#[test]
fn the_first_error_ends_all_stages_and_is_told() {
    runtime(2).block_on(async {
        let (alive, ended) = Tell::new();
        let mut pipeline = pipeline(4);
        let numbers = pipeline.source(0_u32..);
        pipeline.go(async move {
            let _alive = alive;
            pending().await
        });
        let failing = pipeline.map(numbers, 2, async |n| match n {
            0..50 => Ok(n),
            _ => Err(io::Error::other("enough")),
        });
        while failing.recv().await.is_ok() {}
        let error = pipeline.wait().await.expect_err("it failed");
        assert_eq!(error.to_string(), "enough");
        assert!(ended.is_it());
    });
}

#[test]
fn the_end_of_the_context_ends_the_stages_and_is_the_error() {
    runtime(2).block_on(async {
        let (context, cancel) = Context::background().with_cancel();
        let mut pipeline = Pipeline::<ContextError>::new(&context, 1);
        let (never, input) = chan::bounded::<()>(1);
        let output = pipeline.map(input, 2, async |n| Ok(n));
        pipeline.go(async {
            // Inherited.
            Err(task::context().done().await)
        });
        cancel.cancel();
        assert_eq!(pipeline.wait().await, Err(ContextError::Canceled));
        assert!(output.recv().await.is_err());
        drop(never);
    });
}

#[test]
fn a_stage_that_panics_is_told_of_by_who_waits() {
    runtime(2).block_on(async {
        let mut pipeline = pipeline(1);
        let numbers = pipeline.source(0_u32..);
        let failing = pipeline.map(numbers, 1, async |n| {
            assert!(n < 5, "boom");
            Ok(n)
        });
        while failing.recv().await.is_ok() {}
        let waits = gort::go(async move { pipeline.wait().await });
        let error = waits.await.expect_err("it panicked");
        assert!(error.to_string().ends_with("boom"), "{error}");
    });
}

#[test]
#[should_panic(expected = "without workers")]
fn a_stage_without_workers_is_refused() {
    let (_sender, input) = chan::bounded::<u8>(1);
    pipeline(1).map(input, 0, async |n| Ok(n));
}
