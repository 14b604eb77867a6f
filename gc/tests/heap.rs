//! What the heap promises: what can be reached stays, what cannot goes, whatever threads do meanwhile.
//!
//! In these tests freed objects are overwritten, so a use after that crashes or shows a wrong number. `GORT_STRESS`
//! multiplies the rounds.

use std::collections::HashMap;
use std::env;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::time::{Duration, Instant};

use gort_gc::{
    Edge, Gc, Guard, Mutex, OnceCell, Root, RwLock, Slot, Static, Trace, collect, pin, with,
};

#[path = "heap/stress.rs"]
mod stress;

#[derive(Trace)]
struct Node<'g> {
    number: u64,
    /// Shows whether the contents are those of a node.
    check: u64,
    next: Edge<'g, Node<'g>>,
    other: Edge<'g, Node<'g>>,
    locked: Mutex<Vec<Gc<'g, Node<'g>>>>,
    shared: RwLock<Option<Gc<'g, Node<'g>>>>,
    once: OnceCell<Gc<'g, Node<'g>>>,
}

impl<'g> Node<'g> {
    fn new(g: &'g Guard, number: u64) -> Gc<'g, Node<'g>> {
        g.alloc(Node {
            number,
            check: !number,
            next: Edge::null(),
            other: Edge::null(),
            locked: Mutex::default(),
            shared: RwLock::default(),
            once: OnceCell::new(),
        })
    }

    #[track_caller]
    fn check(&self) {
        assert_eq!(self.check, !self.number, "the object was freed");
    }
}

/// Counts how many of it are alive.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[derive(Trace)]
struct Payload<'g> {
    #[gc(opaque)]
    _counted: Counted,
    next: Edge<'g, Payload<'g>>,
}

fn payload<'g>(g: &'g Guard, count: &Arc<AtomicUsize>) -> Gc<'g, Payload<'g>> {
    g.alloc(Payload {
        _counted: Counted::new(count),
        next: Edge::null(),
    })
}

fn rounds(n: u64) -> u64 {
    let factor = std::env::var("GORT_STRESS")
        .ok()
        .and_then(|factor| factor.parse().ok());
    n * factor.unwrap_or(1).max(1)
}

/// Collects until `done`, which others may delay: a test that holds a guard, the thread that drops.
#[track_caller]
fn collect_until(mut done: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !done() {
        assert!(Instant::now() < end, "nothing is freed");
        collect();
        std::thread::yield_now();
    }
}

/// All other tests, with more threads that mark than a small machine has.
#[test]
fn all_of_this_holds_with_four_who_mark() {
    const CHILD: &str = "GORT_TEST_CHILD";
    if env::var_os(CHILD).is_some() {
        return;
    }
    let output = Command::new(env::current_exe().expect("a test is a program"))
        .envs([(CHILD, "1"), ("GORT_GCWORKERS", "4")])
        .output()
        .expect("it can be started again");
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{errors}");
}

// What goes, and what stays.

#[test]
fn a_ring_without_a_root_is_dropped() {
    let count = Arc::new(AtomicUsize::new(0));
    with(|g| {
        let first = payload(g, &count);
        let mut last = first;
        for _ in 0..99 {
            let new = payload(g, &count);
            last.next.store(g, Some(new));
            last = new;
        }
        last.next.store(g, Some(first));
    });
    assert_eq!(count.load(Ordering::Relaxed), 100);
    collect_until(|| count.load(Ordering::Relaxed) == 0);
}

#[test]
fn what_a_root_reaches_stays_until_the_last_clone_is_dropped() {
    let count = Arc::new(AtomicUsize::new(0));
    let root = with(|g| {
        let a = payload(g, &count);
        a.next.store(g, Some(payload(g, &count)));
        a.root(g)
    });
    let clone = root.clone();
    drop(root);
    for _ in 0..3 {
        collect();
    }
    assert_eq!(count.load(Ordering::Relaxed), 2);
    with(|g| assert!(clone.get(g).next.load().is_some()));
    // The tail alone.
    with(|g| {
        clone.get(g).next.take(g);
    });
    collect_until(|| count.load(Ordering::Relaxed) == 1);
    drop(clone);
    collect_until(|| count.load(Ordering::Relaxed) == 0);
}

#[test]
fn what_a_guard_has_seen_stays_as_long_as_the_guard() {
    let root = with(|g| Node::new(g, 7).root(g));
    let (seen, dropped) = (Barrier::new(2), Barrier::new(2));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let g = pin();
            let node = root.get(&g);
            node.next.store(&g, Some(Node::new(&g, 8)));
            let next = node.next.take(&g).unwrap();
            seen.wait();
            dropped.wait();
            next.check();
            node.check();
        });
        seen.wait();
        // A cycle cannot end here, but it can begin.
        let begin = std::thread::spawn(collect);
        for n in 0..1_000 {
            with(|g| Node::new(g, n).check());
        }
        dropped.wait();
        begin.join().unwrap();
    });
}

#[test]
fn a_long_list_is_collected_without_recursion() {
    #[derive(Trace)]
    struct Link<'g> {
        next: Option<Gc<'g, Link<'g>>>,
    }
    let long = rounds(1_000_000);
    let mut list: Root<Link<'static>> = with(|g| g.alloc(Link { next: None }).root(g));
    for _ in 0..long / 1_000 {
        // A guard for a thousand links: the collector need not wait long.
        list = with(|g| {
            let mut next = list.get(g);
            for _ in 0..1_000 {
                next = g.alloc(Link { next: Some(next) });
            }
            next.root(g)
        });
    }
    let stats = collect();
    assert!(stats.live_objects as u64 >= long);
    drop(list);
    collect_until(|| (collect().live_objects as u64) < long);
}

#[test]
fn memory_is_found_without_anybody_asking_for_it() {
    let count = Arc::new(AtomicUsize::new(0));
    let mut made = 0;
    // The collector runs when 4 MiB have been allocated, and the rest is time.
    let end = Instant::now() + Duration::from_secs(60);
    while count.load(Ordering::Relaxed) >= made {
        assert!(Instant::now() < end, "nothing has been freed");
        with(|g| {
            payload(g, &count);
            g.alloc([0_u8; 1_000]);
        });
        made += 1;
    }
}

#[test]
fn trees_of_boxes_and_containers_are_traced() {
    #[derive(Trace)]
    enum Tree<'g> {
        Leaf(Gc<'g, u64>),
        Branch(Box<(Tree<'g>, Tree<'g>)>),
        Many {
            vec: Vec<Option<Gc<'g, u64>>>,
            map: HashMap<Gc<'g, u64>, [Gc<'g, u64>; 2], std::hash::RandomState>,
        },
    }
    // A key must be `Hash`; this is not used as one.
    fn sum(tree: &Tree<'_>) -> u64 {
        match tree {
            Tree::Leaf(n) => **n,
            Tree::Branch(pair) => sum(&pair.0) + sum(&pair.1),
            Tree::Many { vec, map } => {
                assert!(map.is_empty());
                vec.iter().flatten().map(|n| **n).sum()
            }
        }
    }
    let root = with(|g| {
        let leaf = |n| Tree::Leaf(g.alloc(n));
        let many = Tree::Many {
            vec: vec![Some(g.alloc(4)), None, Some(g.alloc(8))],
            map: HashMap::default(),
        };
        let tree = Tree::Branch(Box::new((Tree::Branch(Box::new((leaf(1), leaf(2)))), many)));
        g.alloc(tree).root(g)
    });
    for _ in 0..3 {
        collect();
    }
    with(|g| assert_eq!(sum(&root.get(g)), 15));
}

// Destructors.

#[test]
fn a_panic_in_a_destructor_stops_nothing() {
    struct Panics(Arc<AtomicUsize>);
    impl Drop for Panics {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
            std::panic::resume_unwind(Box::new("dropped"));
        }
    }
    let dropped = Arc::new(AtomicUsize::new(0));
    for _ in 0..3 {
        with(|g| {
            g.alloc(Static(Panics(dropped.clone())));
        });
    }
    collect_until(|| dropped.load(Ordering::Relaxed) == 3);
}

#[test]
fn a_destructor_may_allocate_collect_and_drop_roots() {
    struct Busy(Option<Root<Node<'static>>>, mpsc::Sender<u64>);
    impl Drop for Busy {
        fn drop(&mut self) {
            let root = self.0.take().unwrap();
            collect();
            let number = with(|g| {
                root.get(g).check();
                Node::new(g, root.get(g).number + 1).number
            });
            drop(root);
            self.1.send(number).unwrap();
        }
    }
    let (sender, numbers) = mpsc::channel();
    with(|g| {
        let root = Node::new(g, 6).root(g);
        g.alloc(Static(std::sync::Mutex::new(Busy(Some(root), sender))));
    });
    collect_until(|| numbers.try_recv().is_ok_and(|number| number == 7));
}

#[test]
fn a_slot_gives_its_contents_to_one() {
    let count = Arc::new(AtomicUsize::new(0));
    let slot = with(|g| g.alloc(Slot::new(Counted::new(&count))).root(g));
    let taken = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                with(|g| {
                    taken.fetch_add(usize::from(slot.get(g).take().is_some()), Ordering::Relaxed)
                })
            });
        }
    });
    assert_eq!((taken.into_inner(), count.load(Ordering::Relaxed)), (1, 0));
}

// Guards and locks that are forgotten, and threads that end.

#[test]
#[should_panic(expected = "drop all guards before")]
fn collecting_while_pinned_panics() {
    let _g = pin();
    collect();
}

#[test]
fn guards_nest_and_end_in_any_order() {
    let a = pin();
    let b = pin();
    let node = Node::new(&b, 1);
    drop(a);
    node.check();
    drop(b);
    collect();
}

#[test]
fn a_thread_that_ends_leaves_its_objects_to_the_others() {
    let root = std::thread::spawn(|| with(|g| Node::new(g, 3).root(g)))
        .join()
        .unwrap();
    collect();
    with(|g| root.get(g).check());
}

#[test]
fn thread_locals_use_the_heap_while_they_are_destroyed() {
    struct Late(Option<Root<Node<'static>>>, mpsc::Sender<u64>);
    impl Drop for Late {
        fn drop(&mut self) {
            let number = with(|g| {
                let node = self.0.as_ref().unwrap().get(g);
                let inner = pin();
                Node::new(&inner, 1).check();
                node.check();
                node.number
            });
            self.0 = None;
            self.1.send(number).unwrap();
        }
    }
    thread_local!(static LATE: std::cell::RefCell<Option<Late>> = const { std::cell::RefCell::new(None) });
    let (sender, numbers) = mpsc::channel();
    for _ in 0..20 {
        let sender = sender.clone();
        let thread = std::thread::spawn(move || {
            // Whichever of the two is destroyed first.
            LATE.with_borrow_mut(|late| *late = Some(Late(None, sender)));
            let root = with(|g| Node::new(g, 5).root(g));
            LATE.with_borrow_mut(|late| late.as_mut().unwrap().0 = Some(root));
        });
        thread.join().unwrap();
        assert_eq!(numbers.recv(), Ok(5));
    }
    collect();
}

#[test]
fn a_guard_in_a_thread_local_does_not_outlast_its_thread() {
    thread_local!(static KEPT: std::cell::RefCell<Option<Guard>> = const { std::cell::RefCell::new(None) });
    for _ in 0..20 {
        std::thread::spawn(|| KEPT.with_borrow_mut(|kept| *kept = Some(pin())))
            .join()
            .unwrap();
    }
    collect();
}

#[test]
fn a_forgotten_lock_guard_does_not_hold_up_the_collector() {
    let root = with(|g| Node::new(g, 1).root(g));
    for _ in 0..3 {
        with(|g| {
            let node = Node::new(g, 2);
            node.locked.lock(g).push(Node::new(g, 3));
            let mut locked = node.locked.lock(g);
            locked.push(Node::new(g, 4));
            std::mem::forget(locked);
            let mut shared = node.shared.write(g);
            *shared = Some(node);
            std::mem::forget(shared);
            node.next.store(g, root.get(g).next.load());
            root.get(g).next.store(g, Some(node));
        });
        collect();
        collect();
    }
    with(|g| {
        let node = root.get(g).next.load().unwrap();
        assert!(node.locked.try_lock(g).is_none());
        assert!(node.shared.try_read(g).is_none());
    });
}

#[test]
#[should_panic(expected = "the contents of a lock whose guard was forgotten are lost")]
fn the_contents_of_a_lock_whose_guard_was_forgotten_are_lost() {
    with(|g| {
        let mut lock = Mutex::new(vec![Node::new(g, 1)]);
        std::mem::forget(lock.lock(g));
        lock.get_mut().pop();
    });
}

#[test]
fn a_panic_in_a_lock_poisons_nothing() {
    let root = with(|g| Node::new(g, 1).root(g));
    let panics = || {
        with(|g| {
            let node = root.get(g);
            let mut locked = node.locked.lock(g);
            locked.push(Node::new(g, 2));
            let _shared = node.shared.write(g);
            std::panic::resume_unwind(Box::new("in the lock"));
        })
    };
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(panics));
    assert!(panic.is_err());
    collect();
    with(|g| {
        root.get(g).locked.lock(g)[0].check();
        assert!(root.get(g).shared.try_write(g).is_some());
    });
}

#[test]
fn a_lock_admits_one_writer_or_readers() {
    let root = with(|g| Node::new(g, 1).root(g));
    with(|g| {
        let node = root.get(g);
        let held = node.locked.lock(g);
        let read = node.shared.read(g);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                with(|g| {
                    let node = root.get(g);
                    assert!(node.locked.try_lock(g).is_none());
                    assert!(node.shared.try_write(g).is_none());
                    assert!(node.shared.try_read(g).is_some());
                });
            });
        });
        drop((held, read));
        assert!(node.locked.try_lock(g).is_some());
        assert!(node.shared.try_write(g).is_some());
    });
}

#[test]
fn a_once_cell_is_written_once() {
    with(|g| {
        let node = Node::new(g, 1);
        assert!(node.once.get().is_none());
        assert!(node.once.set(g, Node::new(g, 2)).is_ok());
        assert_eq!(node.once.set(g, Node::new(g, 3)).unwrap_err().number, 3);
        assert_eq!(node.once.get_or_init(g, || unreachable!()).number, 2);
    });
}
