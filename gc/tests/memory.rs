//! What the heap promises about memory: it is used again, returned, and its end is an error.
//!
//! These tests look at numbers of the whole process, so they take turns.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use gort_gc::{Edge, Gc, Guard, Root, Static, Trace, collect, pin, with};

static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> impl Drop {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Trace)]
struct Node<'g> {
    number: u64,
    bulk: [u64; 30],
    next: Edge<'g, Node<'g>>,
}

impl<'g> Node<'g> {
    fn new(g: &'g Guard, number: u64, next: Option<Gc<'g, Node<'g>>>) -> Gc<'g, Node<'g>> {
        let (bulk, next) = ([number; 30], Edge::new(next));
        g.alloc(Node { number, bulk, next })
    }
}

/// A list of nodes, from `n - 1` to 0.
fn list(n: u64) -> Root<Node<'static>> {
    with(|g| {
        let first = Node::new(g, 0, None);
        let last = (1..n).fold(first, |next, number| Node::new(g, number, Some(next)));
        last.root(g)
    })
}

/// The bytes of the process that are in memory.
#[cfg(target_os = "linux")]
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("there is /proc");
    let pages = statm.split(' ').nth(1).expect("a number");
    pages.parse::<usize>().expect("a number") * 4096
}

#[test]
#[cfg(target_os = "linux")]
fn the_memory_of_a_dead_graph_is_returned_to_the_system() {
    let _alone = alone();
    let root = list(400_000);
    let (full, bytes) = (resident(), 400_000 * size_of::<Node<'_>>());
    assert!(full > bytes);
    drop(root);
    let end = Instant::now() + Duration::from_secs(60);
    while resident() > full - bytes / 2 {
        assert!(
            Instant::now() < end,
            "{} of {full} bytes are left",
            resident()
        );
        collect();
    }
}

#[test]
fn what_lives_among_the_dead_keeps_its_contents() {
    let _alone = alone();
    let kept: Vec<Root<Node<'static>>> = (0..200)
        .map(|n| {
            drop(list(100));
            let root = list(2);
            with(|g| assert_eq!(root.get(g).number, 1));
            if n % 50 == 0 {
                collect();
            }
            root
        })
        .collect();
    for _ in 0..3 {
        collect();
        drop(list(10_000));
    }
    with(|g| {
        for root in &kept {
            let node = root.get(g);
            assert_eq!((node.number, node.bulk), (1, [1; 30]));
            assert_eq!(node.next.load().expect("it is linked").bulk, [0; 30]);
        }
    });
}

#[test]
fn objects_that_are_larger_than_a_block_come_and_go() {
    let _alone = alone();
    let count = Arc::new(AtomicUsize::new(0));
    struct Counted(Arc<AtomicUsize>, [u64; 5_000]);
    impl Drop for Counted {
        fn drop(&mut self) {
            assert_eq!(self.1, [7; 5_000]);
            self.0.fetch_sub(1, Ordering::Relaxed);
        }
    }
    let large = || {
        count.fetch_add(1, Ordering::Relaxed);
        with(|g| g.alloc(Static(Counted(count.clone(), [7; 5_000]))).root(g))
    };
    let kept: Vec<_> = (0..10).map(|_| large()).collect();
    for _ in 0..100 {
        drop(large());
        drop(with(|g| g.alloc([3_u8; 100_000]).root(g)));
    }
    let end = Instant::now() + Duration::from_secs(60);
    while count.load(Ordering::Relaxed) > kept.len() {
        assert!(Instant::now() < end, "dead objects are not dropped");
        collect();
    }
    with(|g| assert!(kept.iter().all(|root| root.get(g).1 == [7; 5_000])));
}

#[test]
fn a_type_of_every_size_has_room() {
    let _alone = alone();
    #[repr(align(64))]
    struct Aligned([u8; 65]);
    #[repr(align(4096))]
    struct Page(u8);
    let g = pin();
    for n in 0..200_u8 {
        let (one, other) = (g.alloc(()), g.alloc(()));
        assert!(!Gc::ptr_eq(one, other));
        let aligned = g.alloc(Static(Aligned([n; 65])));
        assert!(std::ptr::from_ref(aligned.as_ref()).is_aligned());
        let page = g.alloc(Static(Page(n)));
        assert_eq!(std::ptr::from_ref(page.as_ref()).addr() % 4096, 0);
        assert_eq!((aligned.0.0, page.0.0), ([n; 65], n));
        assert_eq!(*g.alloc([n; 8_192]), [n; 8_192]);
        assert_eq!(*g.alloc([n; 16_384]), [n; 16_384]);
    }
}
