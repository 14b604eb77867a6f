//! Edges with tags, and what they are for: Harris's list, in safe code, while the collector runs all the time.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use gort_gc::{Gc, Guard, Root, Tagged, TaggedEdge, Trace, collect, with};

fn rounds(n: u64) -> u64 {
    let factor = std::env::var("GORT_STRESS")
        .ok()
        .and_then(|factor| factor.parse().ok());
    n * factor.unwrap_or(1).max(1)
}

#[derive(Trace)]
struct Leaf(u64);

#[test]
fn a_tag_is_changed_with_the_pointer_or_alone() {
    with(|g| {
        let (a, b) = (g.alloc(Leaf(1)), g.alloc(Leaf(2)));
        let edge = TaggedEdge::new(Tagged::new(Some(a), 3));
        assert_eq!((edge.load().tag(), edge.load().target().unwrap().0), (3, 1));
        let before = edge.fetch_or(4);
        assert_eq!((before.tag(), edge.load().tag()), (3, 7));
        // The pointer is the same and the tag is not.
        assert_eq!(
            edge.compare_exchange(g, before, b.into()),
            Err(before.with_tag(7))
        );
        assert!(
            edge.compare_exchange(g, before.with_tag(7), Tagged::from(b))
                .is_ok()
        );
        assert_eq!(edge.swap(g, Tagged::default()), Tagged::new(Some(b), 0));
        // Nothing can have a tag as well.
        edge.fetch_or(1);
        assert!(edge.load().target().is_none() && edge.load().tag() == 1);
        edge.store(g, Tagged::from(a).with_tag(Tagged::<Leaf>::MAX_TAG));
        assert!(Gc::ptr_eq(edge.load().target().unwrap(), a));
        assert_eq!(format!("{:?}", edge).matches("tag: 7").count(), 1);
    });
}

#[test]
#[should_panic(expected = "a tag has three bits")]
fn a_tag_of_eight_is_refused() {
    let _ = TaggedEdge::<Leaf>::null().fetch_or(8);
}

#[test]
fn slices_and_strings_can_have_tags() {
    let root: Root<TaggedEdge<'static, str>> =
        Root::new(|g| Tagged::from(g.alloc_str("tag")).into());
    with(|g| assert_eq!(root.get(g).fetch_or(2).tag(), 0));
    collect();
    collect();
    with(|g| {
        let tagged = root.get(g).load();
        assert_eq!((tagged.tag(), tagged.target().as_deref()), (2, Some("tag")));
    });
}

/// The node whose edge this is set in is removed: nothing is inserted behind it any more.
const REMOVED: u8 = 1;

/// A sorted set: T. Harris, *A pragmatic implementation of non-blocking linked-lists*, 2001.
#[derive(Trace)]
struct Set<'g> {
    first: TaggedEdge<'g, Node<'g>>,
}

#[derive(Trace)]
struct Node<'g> {
    key: u64,
    /// Shows whether the contents are those of a node.
    check: u64,
    next: TaggedEdge<'g, Node<'g>>,
}

impl<'g> Node<'g> {
    #[track_caller]
    fn check(&self) {
        assert_eq!(self.check, !self.key, "the object was freed");
    }
}

/// An edge, and the first node behind it whose key is not less than one wanted.
type Place<'a, 'g> = (&'a TaggedEdge<'g, Node<'g>>, Option<Gc<'g, Node<'g>>>);

impl<'g> Set<'g> {
    /// Finds the place of a key, and unlinks what is removed on the way.
    fn place<'a>(&'a self, g: &'g Guard, key: u64) -> Place<'a, 'g>
    where
        'g: 'a,
    {
        'again: loop {
            let mut edge = &self.first;
            loop {
                let at = edge.load();
                let Some(node) = at.target() else {
                    return (edge, None);
                };
                node.check();
                let next = node.next.load();
                if next.tag() == REMOVED {
                    // If this fails, the one before has been removed too, or something was inserted.
                    if edge
                        .compare_exchange(g, node.into(), next.with_tag(0))
                        .is_err()
                    {
                        continue 'again;
                    }
                } else if node.key >= key {
                    return (edge, Some(node));
                } else {
                    edge = &node.as_ref().next;
                }
            }
        }
    }

    fn insert(&self, g: &'g Guard, key: u64) -> bool {
        loop {
            let (edge, at) = self.place(g, key);
            if at.is_some_and(|node| node.key == key) {
                return false;
            }
            let behind = Tagged::new(at, 0);
            let node = g.alloc(Node {
                key,
                check: !key,
                next: behind.into(),
            });
            if edge.compare_exchange(g, behind, node.into()).is_ok() {
                return true;
            }
        }
    }

    fn remove(&self, g: &'g Guard, key: u64) -> bool {
        let (_, at) = self.place(g, key);
        let Some(node) = at.filter(|node| node.key == key) else {
            return false;
        };
        // Whoever sets the bit has removed it; the next who comes by unlinks it.
        node.next.fetch_or(REMOVED).tag() != REMOVED
    }

    fn contains(&self, g: &'g Guard, key: u64) -> bool {
        self.place(g, key).1.is_some_and(|node| node.key == key)
    }

    fn keys(&self, g: &'g Guard) -> Vec<u64> {
        let mut keys = Vec::new();
        let mut from = 0;
        while let (_, Some(node)) = self.place(g, from) {
            keys.push(node.key);
            from = node.key + 1;
        }
        keys
    }
}

const KEYS: Range<u64> = 0..64;

/// Random insertions and removals. Returns by how many of each key there are more after it.
fn change(set: &Root<Set<'static>>, seed: u64) -> Vec<isize> {
    let mut more = vec![0; KEYS.end as usize];
    let mut random = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    for _ in 0..rounds(5_000) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let key = (random >> 16) % KEYS.end;
        with(|g| {
            let set = set.get(g);
            match random % 3 {
                0 => more[key as usize] += isize::from(set.insert(g, key)),
                1 => more[key as usize] -= isize::from(set.remove(g, key)),
                _ => {
                    set.contains(g, key);
                }
            }
        });
    }
    more
}

#[test]
fn a_list_of_tagged_edges_loses_and_doubles_nothing() {
    let set: Root<Set<'static>> = Root::new(|_| Set {
        first: TaggedEdge::null(),
    });
    let ended = AtomicBool::new(false);
    let more = std::thread::scope(|s| {
        let collecting = s.spawn(|| {
            while !ended.load(Ordering::Relaxed) {
                collect();
            }
        });
        let changing: Vec<_> = (1..=3)
            .map(|seed| {
                s.spawn({
                    let set = &set;
                    move || change(set, seed)
                })
            })
            .collect();
        let more: Vec<_> = changing
            .into_iter()
            .map(|thread| thread.join().expect("no panic"))
            .collect();
        ended.store(true, Ordering::Relaxed);
        collecting.join().expect("no panic");
        more
    });
    let sum = |key: &u64| more.iter().map(|more| more[*key as usize]).sum::<isize>();
    assert!(KEYS.map(|key| sum(&key)).all(|sum| sum == 0 || sum == 1));
    let expected: Vec<u64> = KEYS.filter(|key| sum(key) == 1).collect();
    assert_eq!(with(|g| set.get(g).keys(g)), expected);
}
