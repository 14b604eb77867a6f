//! What an executor may ask the heap.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use std::{io, thread};

use child::{in_child, stderr};
use gort_gc::{Edge, Gc, Static, Trace, collect, hooks, with};

mod child;

/// Far more than anything takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// Objects whose addresses agree in the bits above are in one block.
const BLOCK: usize = 16 << 10;

#[test]
fn a_thread_that_flushes_leaves_its_block_to_others() {
    #[derive(Trace)]
    struct Ours([u64; 3]);
    let allocate = || with(|g| g.alloc(Ours([1, 2, 3])).root(g));
    let kept = allocate();
    hooks::flush();
    hooks::flush();
    let other = thread::scope(|s| s.spawn(allocate).join().expect("it ends"));
    with(|g| {
        let (kept, other) = (kept.get(g), other.get(g));
        assert_eq!(Gc::addr(kept) / BLOCK, Gc::addr(other) / BLOCK);
        assert!(!Gc::ptr_eq(kept, other) && other.0 == [1, 2, 3]);
        // And allocates as before.
        assert_eq!(g.alloc(Ours([4; 3])).0, [4; 3]);
    });
}

#[test]
fn those_who_help_free_everything_once() {
    struct Counted(Arc<AtomicUsize>);
    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    #[derive(Trace)]
    struct Node<'g> {
        _counted: Static<Counted>,
        next: Edge<'g, Node<'g>>,
    }
    let dropped = Arc::new(AtomicUsize::new(0));
    let ended = AtomicBool::new(false);
    let made = 20_000;
    thread::scope(|s| {
        for _ in 0..2 {
            s.spawn(|| {
                while !ended.load(Ordering::Relaxed) {
                    if !hooks::help() {
                        thread::yield_now();
                    }
                }
            });
        }
        for n in 0..made {
            with(|g| {
                let node = g.alloc(Node {
                    _counted: Static(Counted(dropped.clone())),
                    next: Edge::null(),
                });
                node.next.store(g, Some(node));
                g.alloc([0_u8; 300]);
            });
            if n % 2_000 == 0 {
                collect();
            }
        }
        let end = Instant::now() + PATIENCE;
        while dropped.load(Ordering::Relaxed) < made {
            assert!(Instant::now() < end, "nothing is freed");
            collect();
        }
        ended.store(true, Ordering::Relaxed);
    });
    collect();
    assert_eq!(dropped.load(Ordering::Relaxed), made);
}

#[test]
fn an_environment_that_means_nothing_is_an_error() {
    let test = "an_environment_that_means_nothing_is_an_error";
    if let Some(child) = in_child(test, &[("GORT_MEMLIMIT", "much")]) {
        assert!(child.status.success(), "{}", stderr(&child));
        return;
    }
    let error = hooks::check_environment().expect_err("it means nothing");
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    assert!(error.to_string().contains("GORT_MEMLIMIT is \"much\""));
}
