//! Weak pointers: they lead to what is alive, and keep nothing so.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use gort_gc::{Edge, Gc, Root, Trace, Weak, WeakRoot, collect, heap_profile, with};

#[derive(Trace)]
struct Parent<'g> {
    name: String,
    child: Edge<'g, Child<'g>>,
}

#[derive(Trace)]
struct Child<'g> {
    number: u64,
    parent: Weak<'g, Parent<'g>>,
}

/// A parent and its child, which lead to each other.
fn family() -> (Root<Parent<'static>>, Root<Child<'static>>) {
    with(|g| {
        let name = String::from("Ada");
        let parent = g.alloc(Parent {
            name,
            child: Edge::null(),
        });
        let child = g.alloc(Child {
            number: 7,
            parent: parent.downgrade(g),
        });
        parent.child.store(g, Some(child));
        (parent.root(g), child.root(g))
    })
}

/// Collects what had become unreachable before.
fn collect_all() {
    collect();
    collect();
}

#[test]
fn a_weak_pointer_leads_to_its_object_as_long_as_that_is_alive() {
    let (parent, child) = family();
    let weak = parent.downgrade();
    collect_all();
    with(|g| {
        let strong = parent.get(g);
        let upgraded = child.get(g).parent.upgrade(g).expect("a root leads to it");
        assert!(Gc::ptr_eq(upgraded, strong) && upgraded.name == "Ada");
        let upgraded = weak.upgrade(g).expect("the same");
        assert!(Gc::ptr_eq(upgraded, strong));
        assert!(weak.clone().upgrade(g).is_some());
        let again = upgraded.downgrade(g).root(g);
        assert!(again.upgrade(g).is_some());
    });
    drop(parent);
    collect_all();
    with(|g| {
        assert!(child.get(g).parent.upgrade(g).is_none());
        assert!(weak.upgrade(g).is_none() && weak.clone().upgrade(g).is_none());
        assert_eq!(child.get(g).number, 7);
    });
}

#[test]
fn what_is_upgraded_stays() {
    let (parent, child) = family();
    let weak = parent.downgrade();
    let strong = with(|g| weak.upgrade(g).expect("a root leads to it").root(g));
    drop((parent, child));
    collect_all();
    with(|g| {
        let child = strong.get(g).child.load().expect("the parent leads to it");
        assert!(Gc::ptr_eq(
            child.parent.upgrade(g).expect("alive"),
            strong.get(g)
        ));
    });
}

#[test]
fn weak_pointers_leave_nothing_behind() {
    struct Marker;
    #[derive(Trace)]
    struct Marked<'g> {
        #[gc(opaque)]
        _marker: Marker,
        myself: Edge<'g, Marked<'g>>,
    }
    let weaks: Vec<WeakRoot<Marked<'static>>> = (0..1_000)
        .map(|_| {
            with(|g| {
                let marked = g.alloc(Marked {
                    _marker: Marker,
                    myself: Edge::null(),
                });
                marked.myself.store(g, Some(marked));
                for _ in 0..3 {
                    let _ = marked.downgrade(g);
                }
                marked.downgrade(g).root(g)
            })
        })
        .collect();
    collect_all();
    with(|g| assert!(weaks.iter().all(|weak| weak.upgrade(g).is_none())));
    drop(weaks);
    collect_all();
    let left = heap_profile();
    let left: Vec<_> = left
        .iter()
        .filter(|stats| stats.type_name.contains("Marked"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn threads_that_upgrade_while_the_collector_runs_find_objects_or_nothing() {
    #[derive(Trace)]
    struct Pair(u64, u64);
    const THREADS: u64 = 3;
    let rounds = 3_000 * stress();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..THREADS)
            .map(|thread| {
                scope.spawn(move || {
                    let mut found = 0;
                    let mut before: Option<WeakRoot<Pair>> = None;
                    for round in 0..rounds {
                        let number = thread * rounds + round;
                        let root = with(|g| g.alloc(Pair(number, !number)).root(g));
                        let weak = root.downgrade();
                        found += with(|g| {
                            let before = before.as_ref().and_then(|weak| weak.upgrade(g));
                            let now = weak.upgrade(g).expect("a root leads to it");
                            assert_eq!((now.0, now.1), (number, !number));
                            before.map_or(0, |pair| {
                                assert_eq!((pair.0, pair.1), (number - 1, !(number - 1)));
                                1
                            })
                        });
                        before = Some(weak);
                    }
                    found
                })
            })
            .collect();
        let collecting = scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                collect();
            }
        });
        for worker in workers {
            assert!(worker.join().expect("no panic") < rounds);
        }
        done.store(true, Ordering::SeqCst);
        collecting.join().expect("no panic");
    });
}

fn stress() -> u64 {
    let factor = std::env::var("GORT_STRESS").ok();
    factor.and_then(|factor| factor.parse().ok()).unwrap_or(1)
}

#[test]
fn weak_roots_go_to_other_threads() {
    fn goes_anywhere<T: Send + Sync + 'static>(_: &T) {}
    let root = with(|g| g.alloc(7_u64).root(g));
    let weak = root.downgrade();
    goes_anywhere(&weak);
    let found = thread::spawn(move || with(|g| weak.upgrade(g).map(|seven| *seven)));
    assert_eq!(found.join().expect("no panic"), Some(7));
    drop(root);
}
