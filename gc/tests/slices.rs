//! Slices and strings in the heap: of any length, with any elements.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use gort_gc::{
    Edge, Gc, Guard, Mutex, Root, Static, Tagged, TaggedEdge, Trace, Weak, collect, heap_profile,
    with,
};

/// Counts how many of it are alive.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(count: &Arc<AtomicUsize>) -> Static<Self> {
        count.fetch_add(1, Ordering::Relaxed);
        Static(Self(count.clone()))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
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

fn alive(count: &Arc<AtomicUsize>) -> usize {
    count.load(Ordering::Relaxed)
}

/// Puts slices of many lengths into the heap, and reads them when others have been there too.
macro_rules! read_back {
    ($element:ty, $make:expr, $lengths:expr) => {
        let make: fn(usize) -> $element = $make;
        let slices: Vec<(usize, Root<[$element]>)> = $lengths
            .map(|len| (len, with(|g| g.alloc_slice(len, make).root(g))))
            .collect();
        collect();
        // What is allocated now overwrites nothing.
        for (len, _) in &slices {
            with(|g| assert_eq!(g.alloc_slice(*len, |_| make(77)).len(), *len));
        }
        for (len, root) in &slices {
            with(|g| {
                let slice = root.get(g);
                assert_eq!(slice.len(), *len);
                assert_eq!(slice.as_ptr().addr() % align_of::<$element>(), 0);
                assert!(slice.iter().enumerate().all(|(n, x)| *x == make(n)));
            });
        }
    };
}

#[test]
fn slices_of_all_lengths_and_alignments_read_back() {
    #[derive(Debug, PartialEq, Trace)]
    #[repr(align(64))]
    struct Line(usize);
    #[derive(Debug, PartialEq, Trace)]
    #[repr(align(4096))]
    struct Page(usize);
    read_back!(u8, |n| n as u8, (0..100).chain((100..40_000).step_by(397)));
    read_back!(
        u64,
        |n| n as u64,
        (0..100).chain((1_000..1_040).chain([9_000, 100_000]))
    );
    read_back!(
        [u16; 3],
        |n| [n as u16, 3, !n as u16],
        (0..3_000).step_by(13)
    );
    read_back!(Line, Line, (0..300).step_by(7));
    read_back!(Page, Page, 0..9);
}

#[test]
fn strings_read_back() {
    let text = "zero, one, zwölf, 二十".repeat(2_000);
    let cuts: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
    let roots: Vec<(usize, Root<str>)> = cuts
        .iter()
        .step_by(211)
        .map(|&at| (at, with(|g| g.alloc_str(&text[..at]).root(g))))
        .collect();
    collect();
    for (at, root) in roots {
        with(|g| assert_eq!(&*root.get(g), &text[..at]));
    }
}

#[test]
fn a_pointer_to_a_slice_is_one_word() {
    assert_eq!(size_of::<Option<Gc<'_, [u64]>>>(), size_of::<usize>());
    assert_eq!(size_of::<Edge<'_, str>>(), size_of::<usize>());
    assert_eq!(size_of::<Root<[u8]>>(), 2 * size_of::<usize>());
}

#[test]
fn an_empty_slice_is_an_object_like_others() {
    with(|g| {
        let (a, b) = (g.alloc_slice(0, |_| 1_u8), g.alloc_slice(0, |_| 1_u8));
        assert!(a.is_empty() && !Gc::ptr_eq(a, b));
        assert_eq!(&*g.alloc_str(""), "");
        let none: [String; 0] = [];
        assert!(g.alloc_slice_from(none).is_empty());
    });
}

#[test]
fn elements_without_a_size_are_counted_and_dropped() {
    static ALIVE: AtomicUsize = AtomicUsize::new(0);
    #[derive(Trace)]
    struct Nothing;
    impl Drop for Nothing {
        fn drop(&mut self) {
            ALIVE.fetch_sub(1, Ordering::Relaxed);
        }
    }
    with(|g| {
        let slice = g.alloc_slice(100_000, |_| {
            ALIVE.fetch_add(1, Ordering::Relaxed);
            Nothing
        });
        assert_eq!(slice.len(), 100_000);
    });
    collect_until(|| ALIVE.load(Ordering::Relaxed) == 0);
}

#[test]
fn all_elements_are_dropped_once_though_some_panic() {
    struct Panics(usize, Arc<AtomicUsize>);
    impl Drop for Panics {
        fn drop(&mut self) {
            self.1.fetch_add(1, Ordering::Relaxed);
            if self.0.is_multiple_of(3) {
                resume_unwind(Box::new("dropped"));
            }
        }
    }
    let dropped = Arc::new(AtomicUsize::new(0));
    with(|g| {
        g.alloc_slice(10, |n| Static(Panics(n, dropped.clone())));
        g.alloc_slice(2_000, |n| Static(Panics(n, dropped.clone())));
    });
    collect_until(|| dropped.load(Ordering::Relaxed) >= 2_010);
    collect();
    collect();
    assert_eq!(dropped.load(Ordering::Relaxed), 2_010);
}

#[test]
fn a_panic_while_a_slice_is_filled_drops_what_is_there() {
    let count = Arc::new(AtomicUsize::new(0));
    for len in [7, 9_000] {
        for fails in [0, 1, 6] {
            let result = catch_unwind(AssertUnwindSafe(|| {
                with(|g| {
                    g.alloc_slice(len, |n| {
                        if n == fails {
                            resume_unwind(Box::new("enough"));
                        }
                        Counted::new(&count)
                    });
                });
            }));
            assert!(result.is_err());
            assert_eq!(alive(&count), 0);
        }
    }
    // And the heap goes on.
    let root = with(|g| g.alloc_slice(7, |_| Counted::new(&count)).root(g));
    assert_eq!(alive(&count), 7);
    drop(root);
    collect_until(|| alive(&count) == 0);
}

/// An iterator that does not know what it says.
struct Says(usize, std::ops::Range<u32>);

impl Iterator for Says {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        self.1.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.0, Some(self.0))
    }
}

impl ExactSizeIterator for Says {}

#[test]
fn an_iterator_that_lies_about_its_length_is_found_out_or_cut() {
    assert!(catch_unwind(|| with(|g| g.alloc_slice_from(Says(5, 0..4)).len())).is_err());
    assert_eq!(with(|g| g.alloc_slice_from(Says(3, 0..4)).len()), 3);
}

#[test]
#[should_panic(expected = "larger than any memory")]
fn a_slice_that_is_larger_than_any_memory_is_refused() {
    let called = Cell::new(false);
    with(|g| {
        let refused = g.try_alloc_slice(usize::MAX / 2, |_| u64::from(called.replace(true)));
        assert!(refused.is_err_and(|error| error.to_string().contains("larger than any")));
        assert!(!called.get());
        // No such range of addresses.
        assert!(g.try_alloc_slice(1 << 46, |n| n).is_err());
        g.alloc_slice(usize::MAX / 8, |n| n);
    });
}

#[derive(Trace)]
struct Node<'g> {
    name: Gc<'g, str>,
    /// Arrays of fields.
    edges: Gc<'g, [Edge<'g, Node<'g>>]>,
    tagged: Gc<'g, [TaggedEdge<'g, Node<'g>>]>,
    /// Arrays that are replaced as a whole.
    names: Edge<'g, [Gc<'g, str>]>,
    locked: Gc<'g, [Mutex<Vec<Gc<'g, Node<'g>>>>]>,
    weak: Mutex<Option<Weak<'g, [Edge<'g, Node<'g>>]>>>,
    counted: Static<Counted>,
}

fn node<'g>(g: &'g Guard, name: &str, count: &Arc<AtomicUsize>) -> Gc<'g, Node<'g>> {
    g.alloc(Node {
        name: g.alloc_str(name),
        edges: g.alloc_slice(3, |_| Edge::null()),
        tagged: g.alloc_slice(2, |_| TaggedEdge::null()),
        names: Edge::null(),
        locked: g.alloc_slice(2, |_| Mutex::default()),
        weak: Mutex::default(),
        counted: Counted::new(count),
    })
}

/// Nodes that lead to each other through elements of slices of all kinds.
fn ring(count: &Arc<AtomicUsize>) -> Root<Node<'static>> {
    with(|g| {
        let [a, b, c, d] = ["a", "b", "c", "d"].map(|name| node(g, name, count));
        a.edges[2].store(g, Some(b));
        b.tagged[1].store(g, Tagged::new(Some(c), 5));
        c.locked[1].lock(g).push(d);
        d.edges[0].store(g, Some(a));
        a.names
            .store(g, Some(g.alloc_slice_from([d.name, b.name, c.name])));
        *a.weak.lock(g) = Some(d.edges.downgrade(g));
        assert!(a.counted.0.0.load(Ordering::Relaxed) >= 4);
        a.root(g)
    })
}

#[test]
fn what_leads_through_slices_stays_and_goes_with_its_root() {
    let count = Arc::new(AtomicUsize::new(0));
    let root = ring(&count);
    let weak = with(|g| root.get(g).weak.lock(g).expect("it is set").root(g));
    for _ in 0..3 {
        collect();
    }
    assert_eq!(alive(&count), 4);
    with(|g| {
        let a = root.get(g);
        let b = a.edges[2].load().expect("an edge");
        let c = b.tagged[1].load();
        assert_eq!(c.tag(), 5);
        let d = c.target().expect("an edge").locked[1].lock(g)[0];
        assert!(Gc::ptr_eq(d.edges[0].load().expect("an edge"), a));
        let names = a.names.load().expect("an edge");
        assert!(names.iter().map(|name| name.as_ref()).eq(["d", "b", "c"]));
        let edges = weak.upgrade(g).expect("it is alive");
        assert!(Gc::ptr_eq(edges, d.edges));
    });
    drop(root);
    collect_until(|| alive(&count) == 0);
    collect_until(|| with(|g| weak.upgrade(g).is_none()));
}

#[test]
fn a_huge_slice_is_traced_and_its_memory_is_found_again() {
    let len = 1_000_000;
    let count = Arc::new(AtomicUsize::new(0));
    for _ in 0..3 {
        let root: Root<[Option<Gc<'static, Static<Counted>>>]> = with(|g| {
            let slice = g.alloc_slice(len, |n| {
                n.is_multiple_of(1_000)
                    .then(|| g.alloc(Counted::new(&count)))
            });
            slice.root(g)
        });
        collect();
        assert_eq!(alive(&count), len / 1_000);
        with(|g| assert!(root.get(g)[999_000].is_some() && root.get(g)[999_001].is_none()));
        drop(root);
        collect_until(|| alive(&count) == 0);
    }
}

#[test]
fn the_profile_knows_slices_by_their_elements() {
    #[derive(Trace)]
    struct Element([u64; 4]);
    let roots =
        with(|g| [1, 10, 100, 10_000].map(|len| g.alloc_slice(len, |_| Element([0; 4])).root(g)));
    let profile = heap_profile();
    let slices = profile
        .iter()
        .find(|stats| stats.type_name.contains("Element]"))
        .expect("there are such slices");
    assert_eq!((slices.objects, slices.size), (4, size_of::<Element>()));
    assert!(slices.bytes >= 10_111 * size_of::<Element>());
    with(|g| assert!(roots.iter().all(|root| root.get(g)[0].0 == [0; 4])));
}
