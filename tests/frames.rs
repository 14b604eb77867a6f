//! Futures that are large, and polls that recurse.

use std::collections::HashSet;
use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::mpsc;

use gort::{Builder, LargeFrame, Runtime, stack, task};
use support::{Census, within_patience};

mod support;

/// A future of at least `N` bytes.
async fn holding<const N: usize>() -> usize {
    let held = [1_u8; N];
    task::yield_now().await;
    held.iter().map(|&byte| usize::from(byte)).sum()
}

fn telling() -> (Runtime, mpsc::Receiver<LargeFrame>) {
    let (tell, told) = mpsc::channel();
    let builder = Builder::new().procs(1).on_large_frame(move |frame| {
        let _ = tell.send(*frame);
    });
    (builder.build().expect("a thread"), told)
}

#[test]
fn a_goroutine_knows_the_size_of_its_frame() {
    let rt = Builder::new().procs(1).build().expect("a thread");
    let own = || async { task::current().expect("it is one").frame_bytes() };
    let size = size_of_val(&own());
    assert_eq!(rt.block_on(rt.spawn(own())), size);
    assert_eq!(rt.block_on(rt.go(own())).expect("no panic"), size);
    let big = async {
        let held = [0_u8; 5_000];
        task::yield_now().await;
        task::current().expect("it is one").frame_bytes() - held.len()
    };
    let beyond = size_of_val(&big) - 5_000;
    assert_eq!(rt.block_on(rt.go(big)).expect("no panic"), beyond);
}

#[test]
fn a_large_frame_is_told_of_once_for_each_place() {
    within_patience(|| {
        let (rt, told) = telling();
        for _ in 0..3 {
            let sum = rt.block_on(rt.go(holding::<20_000>())).expect("no panic");
            assert_eq!(sum, 20_000);
            assert_eq!(rt.block_on(rt.spawn(holding::<30_000>())), 30_000);
            assert_eq!(rt.block_on(rt.spawn(holding::<15_000>())), 15_000);
        }
        // Until the hook is gone: nothing else comes.
        drop(rt);
        let all: Vec<LargeFrame> = told.iter().collect();
        let sizes: HashSet<usize> = all.iter().map(|frame| frame.bytes() / 10_000).collect();
        assert_eq!((all.len(), sizes), (2, HashSet::from([2, 3])));
        assert!(all.iter().all(|frame| frame.spawned_at().file() == file!()));
        assert!(
            all[0].to_string().contains("tests/frames.rs:"),
            "{}",
            all[0]
        );
    });
}

#[test]
fn large_goroutines_with_names_and_handles_end_like_others() {
    within_patience(|| {
        let (rt, _told) = telling();
        rt.block_on(async {
            let named = task::Builder::new().name("large");
            assert_eq!(
                named.go(holding::<40_000>()).await.expect("no panic"),
                40_000
            );
            let census = Census::default();
            let alive = census.born();
            let stuck = gort::go(async move {
                let held = [1_u8; 40_000];
                pending::<()>().await;
                drop((held, alive));
            });
            task::yield_now().await;
            stuck.abort();
            assert!(stuck.await.expect_err("it was aborted").is_cancelled());
            assert_eq!(census.alive(), 0);
            let failed = gort::go(async {
                holding::<40_000>().await;
                panic!("a test's own panic");
            });
            assert!(failed.await.expect_err("it panics").is_panic());
        });
    });
}

/// A goroutine's worth of calls within calls, deeper than a thread's stack allows.
const DEPTH: u32 = 50_000;

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

fn depth<T: Send + 'static>(n: u32, bottom: Boxed<T>) -> Boxed<(u32, T)> {
    Box::pin(async move {
        match n {
            0 => (0, bottom.await),
            n => {
                let (depth, value) = stack::growing(depth(n - 1, bottom)).await;
                (depth + 1, value)
            }
        }
    })
}

#[test]
fn a_poll_may_recurse_deeper_than_the_stack_of_its_thread() {
    within_patience(|| {
        let rt = Builder::new()
            .procs(2)
            .on_stall(|_| {})
            .build()
            .expect("threads");
        let bottom = Box::pin(async {
            task::yield_now().await;
            7
        });
        let deep = rt.block_on(rt.go(depth(DEPTH, bottom)));
        assert_eq!(deep.expect("no panic"), (DEPTH, 7));
    });
}

#[test]
fn a_deep_recursion_may_be_cancelled() {
    within_patience(|| {
        let rt = Builder::new()
            .procs(2)
            .on_stall(|_| {})
            .build()
            .expect("threads");
        let census = Census::default();
        let alive = census.born();
        let (tell, told) = mpsc::channel();
        let bottom = Box::pin(async move {
            tell.send(()).expect("the test waits");
            pending::<()>().await;
            drop(alive);
        });
        let deep = rt.spawn(depth(DEPTH, bottom));
        told.recv().expect("it gets there");
        rt.block_on(deep.cancel());
        assert_eq!(census.alive(), 0);
    });
}

#[test]
fn a_panic_crosses_the_pieces_of_a_stack() {
    within_patience(|| {
        // A small stack instead of a deep recursion: a backtrace may be printed.
        let builder = Builder::new().procs(2).on_stall(|_| {});
        let builder = builder.thread_stack_size(256 * 1024);
        let rt = builder.build().expect("threads");
        let bottom: Boxed<()> = Box::pin(async { panic!("a test's own panic") });
        let failed = rt.block_on(rt.go(depth(1_000, bottom)));
        assert!(failed.expect_err("it panics").is_panic());
        assert_eq!(rt.block_on(rt.go(async { 7 })).expect("no panic"), 7);
    });
}
