//! Who marks: the collector, and those who help it.
//!
//! Tests that need settings from the environment start this program again, with one test in it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use child::{in_child, stderr};
use gort_gc::{
    Edge, Gc, Guard, Root, Static, Stats, Trace, Tracer, collect, hooks, set_gc_percent, stats,
    with,
};

mod child;

/// Far more than anything takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// Tests look at what all cycles have in common.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A tree, whose branches can be marked by several at a time.
#[derive(Trace)]
struct Tree<'g> {
    depth: u32,
    /// Shows whether the contents are those of a tree.
    check: u32,
    children: [Edge<'g, Tree<'g>>; 2],
}

impl<'g> Tree<'g> {
    fn new(g: &'g Guard, depth: u32) -> Gc<'g, Tree<'g>> {
        let child = || Edge::new(depth.checked_sub(1).map(|depth| Tree::new(g, depth)));
        g.alloc(Tree {
            depth,
            check: !depth,
            children: [child(), child()],
        })
    }

    /// Fails if anything in it was freed.
    fn check(&self) -> usize {
        assert_eq!(self.check, !self.depth, "a part of the tree was freed");
        let children = self.children.iter().filter_map(Edge::load);
        1 + children.map(|child| child.check()).sum::<usize>()
    }
}

const DEPTH: u32 = 14;

fn tree() -> Root<Tree<'static>> {
    Root::new(|g| {
        let child = || Edge::new(Some(Tree::new(g, DEPTH - 1)));
        Tree {
            depth: DEPTH,
            check: !DEPTH,
            children: [child(), child()],
        }
    })
}

/// Collects until `enough` says so.
fn collect_until(enough: impl Fn(&Stats) -> bool) {
    let start = Instant::now();
    while !enough(&collect()) {
        assert!(start.elapsed() < PATIENCE, "it does not come");
    }
}

/// Says that a test is over, also if it has failed.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn assert_is_there(tree: &Root<Tree<'static>>) {
    assert_eq!(with(|g| tree.get(g).check()), (2 << DEPTH) - 1);
}

#[test]
fn workers_mark_with_the_collector() {
    let test = "workers_mark_with_the_collector";
    let Some(output) = in_child(test, &[("GORT_GCWORKERS", "3")]) else {
        let tree = tree();
        collect_until(|stats| stats.helped > 0);
        assert_eq!(stats().workers, 3);
        assert_is_there(&tree);
        return;
    };
    assert!(output.status.success(), "{}", stderr(&output));
}

#[test]
fn idle_threads_mark_with_the_collector() {
    let _alone = alone();
    let (tree, ended) = (tree(), AtomicBool::new(false));
    thread::scope(|s| {
        let _end = End(&ended);
        s.spawn(|| {
            while !ended.load(Ordering::Relaxed) {
                if !hooks::help() {
                    thread::yield_now();
                }
            }
        });
        collect_until(|stats| stats.helped > 0);
    });
    assert_is_there(&tree);
}

#[test]
fn a_large_slice_is_marked_in_parts_by_whoever_has_time() {
    let _alone = alone();
    let leaves = 100_000;
    let slice: Root<[Edge<'static, Tree<'static>>]> = with(|g| {
        let leaf = |_| Edge::new(Some(Tree::new(g, 0)));
        g.alloc_slice(leaves, leaf).root(g)
    });
    let ended = AtomicBool::new(false);
    thread::scope(|s| {
        let _end = End(&ended);
        s.spawn(|| {
            while !ended.load(Ordering::Relaxed) {
                if !hooks::help() {
                    thread::yield_now();
                }
            }
        });
        collect_until(|stats| stats.helped > 0);
    });
    with(|g| {
        let leaves = slice.get(g).as_ref().iter();
        assert!(
            leaves
                .clone()
                .all(|leaf| leaf.load().is_some_and(|leaf| leaf.check() == 1))
        );
    });
}

#[test]
fn who_allocates_too_fast_helps_the_collector() {
    let _alone = alone();
    let (tree, percent) = (tree(), set_gc_percent(Some(1)));
    let (start, before) = (Instant::now(), stats().assists);
    while stats().assists == before {
        assert!(start.elapsed() < PATIENCE, "nobody assists");
        with(|g| {
            for _ in 0..100 {
                g.alloc([0_u8; 1024]);
            }
        });
    }
    set_gc_percent(percent);
    assert_is_there(&tree);
}

#[test]
fn a_panic_in_trace_ends_the_process_whoever_marks() {
    /// Panics where a worker traces it.
    struct Fragile<'g>(Edge<'g, Static<u8>>);

    // SAFETY: it hands over the only pointer, or does not return. That it panics is what the test is about.
    unsafe impl<'g> Trace<'g> for Fragile<'g> {
        type At<'h> = Fragile<'h>;

        fn trace(&self, tracer: &mut Tracer<'_>) {
            assert_ne!(thread::current().name(), Some("gort-gc-mark"), "fragile");
            self.0.trace(tracer);
        }
    }

    let test = "a_panic_in_trace_ends_the_process_whoever_marks";
    let Some(output) = in_child(test, &[("GORT_GCWORKERS", "3")]) else {
        let _all: Vec<Root<Fragile<'static>>> = (0..50_000)
            .map(|_| with(|g| g.alloc(Fragile(Edge::null())).root(g)))
            .collect();
        collect_until(|_| false);
        return;
    };
    let text = stderr(&output);
    assert!(
        text.contains("fragile") && text.contains("a panic in `Trace`"),
        "{text}"
    );
    assert!(!output.status.success());
}
