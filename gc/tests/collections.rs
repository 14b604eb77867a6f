//! The collections of `gort_gc` against those of std, and under many threads.
//!
//! `GORT_STRESS` multiplies the rounds.

use std::collections::{BTreeMap, HashMap as StdMap, VecDeque};
use std::hash::{BuildHasher, Hasher};
use std::ops::Bound;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};

use gort_gc::collections::{HashMap, List, Lru, Queue, SkipMap, Stack};
use gort_gc::{Root, with};

/// A generator of numbers that are the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

fn rounds(n: u64) -> u64 {
    let factor = std::env::var("GORT_STRESS")
        .ok()
        .and_then(|factor| factor.parse().ok());
    n * factor.unwrap_or(1).max(1)
}

/// Runs `body` on some threads that begin together, while the collector is never at rest.
fn on_threads(threads: u64, body: impl Fn(u64) + Sync) {
    let start = Barrier::new(usize::try_from(threads).unwrap());
    let running = AtomicUsize::new(1);
    std::thread::scope(|scope| {
        let collecting = scope.spawn(|| {
            while running.load(Ordering::Relaxed) > 0 {
                gort_gc::collect();
            }
        });
        let threads: Vec<_> = (0..threads)
            .map(|thread| {
                let (start, body) = (&start, &body);
                scope.spawn(move || {
                    start.wait();
                    body(thread);
                })
            })
            .collect();
        let results: Vec<_> = threads.into_iter().map(|thread| thread.join()).collect();
        running.store(0, Ordering::Relaxed);
        collecting.join().unwrap();
        results.into_iter().for_each(|result| result.unwrap());
    });
}

/// A hasher with which most keys collide.
#[derive(Default)]
struct Poor;

impl BuildHasher for Poor {
    type Hasher = PoorHasher;

    fn build_hasher(&self) -> PoorHasher {
        PoorHasher(0)
    }
}

struct PoorHasher(u64);

impl Hasher for PoorHasher {
    fn finish(&self) -> u64 {
        self.0 % 4
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 += u64::from(*byte);
        }
    }
}

// Against a model.

#[test]
fn a_stack_is_a_vec() {
    let mut random = Random(1);
    with(|g| {
        let (stack, mut model) = (Stack::new(), Vec::new());
        for n in 0..rounds(2_000) {
            if random.below(5) < 3 {
                stack.push(g, n);
                model.push(n);
            } else {
                assert_eq!(stack.pop(g).copied(), model.pop());
            }
            assert_eq!(stack.peek(), model.last());
            assert_eq!(stack.is_empty(), model.is_empty());
            if n % 100 == 0 {
                assert!(stack.iter().eq(model.iter().rev()));
            }
        }
    });
}

#[test]
fn a_queue_is_a_deque() {
    let mut random = Random(2);
    with(|g| {
        let (queue, mut model) = (Queue::new(g), VecDeque::new());
        for n in 0..rounds(2_000) {
            if random.below(5) < 3 {
                queue.push(g, n);
                model.push_back(n);
            } else {
                assert_eq!(queue.pop(g).copied(), model.pop_front());
            }
            assert_eq!(queue.peek(), model.front());
            assert_eq!(queue.is_empty(), model.is_empty());
            if n % 100 == 0 {
                assert!(queue.iter().eq(&model));
            }
        }
    });
}

fn same<'a, 'b>(
    ours: impl Iterator<Item = (&'a u64, &'a u64)>,
    theirs: impl Iterator<Item = (&'b u64, &'b u64)>,
) -> bool {
    ours.map(|(key, value)| (*key, *value))
        .eq(theirs.map(|(key, value)| (*key, *value)))
}

/// Changes both maps in the same way; all must agree on what was there.
macro_rules! random_map_operations {
    ($random:ident, $rounds:expr, $keys:expr, $g:ident, $map:ident, $model:ident, $get:expr, $check:expr) => {
        for n in 0..$rounds {
            let key = $random.below($keys);
            match $random.below(8) {
                0..4 => assert_eq!($map.insert($g, key, n), $model.insert(key, n).as_ref()),
                4..6 => assert_eq!($map.remove($g, &key).copied(), $model.remove(&key)),
                _ => assert_eq!($get(&key), $model.get(&key)),
            }
            if n % 64 == 0 {
                $check(&$model);
            }
        }
    };
}

#[test]
fn a_list_is_a_sorted_map() {
    let mut random = Random(3);
    with(|g| {
        let (list, mut model) = (List::new(), BTreeMap::new());
        random_map_operations!(
            random,
            rounds(3_000),
            60,
            g,
            list,
            model,
            |key| list.get(g, key),
            |model: &BTreeMap<u64, u64>| {
                assert!(same(list.iter(), model.iter()));
            }
        );
    });
}

#[test]
fn a_hash_map_is_a_map() {
    fn run<S: BuildHasher + Send + Sync + 'static>(hasher: S, keys: u64, seed: u64) {
        let mut random = Random(seed);
        with(|g| {
            let (map, mut model) = (HashMap::with_hasher(hasher), StdMap::new());
            random_map_operations!(
                random,
                rounds(6_000),
                keys,
                g,
                map,
                model,
                |key| map.get(key),
                |model: &StdMap<u64, u64>| {
                    assert_eq!(map.len(), model.len());
                    let entries: BTreeMap<_, _> = map.iter().collect();
                    let expected: BTreeMap<_, _> = model.iter().collect();
                    assert_eq!(map.iter().count(), entries.len());
                    assert!(same(entries.into_iter(), expected.into_iter()));
                }
            );
        });
    }
    run(std::hash::RandomState::new(), 40, 4);
    run(std::hash::RandomState::new(), 4_000, 5);
    run(Poor, 200, 6);
}

#[test]
fn a_skip_map_is_a_sorted_map() {
    for keys in [16, 3_000] {
        let mut random = Random(7 + keys);
        with(|g| {
            let (map, mut model) = (SkipMap::new(), BTreeMap::new());
            random_map_operations!(
                random,
                rounds(6_000),
                keys,
                g,
                map,
                model,
                |key| map.get(g, key),
                |model: &BTreeMap<u64, u64>| {
                    assert!(same(map.iter(), model.iter()));
                    assert!(same(
                        map.first().into_iter(),
                        model.first_key_value().into_iter()
                    ));
                    assert!(same(
                        map.last(g).into_iter(),
                        model.last_key_value().into_iter()
                    ));
                }
            );
            while let Some(first) = map.pop_first(g) {
                assert_eq!(Some((*first.0, *first.1)), model.pop_first());
            }
            assert!(model.is_empty() && map.is_empty());
        });
    }
}

#[test]
fn a_range_of_a_skip_map_is_that_of_a_sorted_map() {
    let mut random = Random(8);
    with(|g| {
        let (map, mut model) = (SkipMap::new(), BTreeMap::new());
        for n in 0..300 {
            let key = random.below(1_000);
            map.insert(g, key, n);
            model.insert(key, n);
        }
        for _ in 0..rounds(500) {
            let (a, b) = (random.below(1_000), random.below(1_000));
            let (start, end) = (a.min(b), a.max(b) + 1);
            let bounds = [
                (Bound::Included(start), Bound::Excluded(end)),
                (Bound::Excluded(start), Bound::Included(end)),
                (Bound::Unbounded, Bound::Included(end)),
                (Bound::Excluded(start), Bound::Unbounded),
                (Bound::Included(start), Bound::Included(start)),
            ];
            for range in bounds {
                assert!(map.range(g, range).eq(model.range(range)), "{range:?}");
            }
        }
        assert_eq!(
            map.range(g, (Bound::Included(9), Bound::Excluded(3)))
                .count(),
            0
        );
    });
}

/// The least recently used first.
struct ModelLru {
    order: Vec<(u64, u64)>,
    capacity: usize,
}

impl ModelLru {
    fn touch(&mut self, key: u64) -> Option<u64> {
        let at = self.order.iter().position(|(k, _)| *k == key)?;
        let entry = self.order.remove(at);
        self.order.push(entry);
        Some(entry.1)
    }

    fn remove(&mut self, key: u64) -> Option<u64> {
        let at = self.order.iter().position(|(k, _)| *k == key)?;
        Some(self.order.remove(at).1)
    }

    fn insert(&mut self, key: u64, value: u64) -> Option<u64> {
        let old = self.remove(key);
        self.order.push((key, value));
        if self.order.len() > self.capacity {
            self.order.remove(0);
        }
        old
    }
}

#[test]
fn an_lru_evicts_exactly_the_least_recently_used() {
    for (capacity, keys) in [(1, 3), (8, 12), (100, 150), (50, 20)] {
        let mut random = Random(9 + keys);
        with(|g| {
            let cache = Lru::new(g, capacity);
            let order = Vec::new();
            let mut model = ModelLru { order, capacity };
            for n in 0..rounds(6_000) {
                let key = random.below(keys);
                match random.below(8) {
                    0..3 => assert_eq!(cache.insert(g, key, n).copied(), model.insert(key, n)),
                    3..7 => assert_eq!(cache.get(g, &key).copied(), model.touch(key)),
                    _ => assert_eq!(cache.remove(g, &key).copied(), model.remove(key)),
                }
                assert_eq!(cache.len(), model.order.len());
                let looked_at = random.below(keys);
                let expected = model.order.iter().find(|(k, _)| *k == looked_at);
                assert_eq!(cache.peek(&looked_at), expected.map(|(_, v)| v));
            }
            let mut entries: Vec<_> = cache.iter().map(|(k, v)| (*k, *v)).collect();
            entries.sort_unstable();
            model.order.sort_unstable();
            assert_eq!(entries, model.order);
        });
    }
}

// What a reader holds.

#[test]
fn what_was_found_is_readable_after_it_is_gone() {
    with(|g| {
        let map = HashMap::new();
        map.insert(g, 1, "one".to_owned());
        let one = map.get(&1).unwrap();
        map.insert(g, 1, "another".to_owned());
        let other = map.remove(g, &1).unwrap();
        assert_eq!(
            (one.as_str(), other.as_str(), map.get(&1)),
            ("one", "another", None)
        );
    });
}

#[test]
fn an_iterator_sees_each_entry_that_stays_once_while_the_map_grows() {
    with(|g| {
        let map = HashMap::new();
        for key in 0..10 {
            map.insert(g, key, ());
        }
        let mut entries = map.iter();
        let mut seen: Vec<u32> = entries.by_ref().take(3).map(|(key, ())| *key).collect();
        // Several tables later.
        for key in 100..5_000 {
            map.insert(g, key, ());
        }
        seen.extend(entries.map(|(key, ())| *key).filter(|key| *key < 10));
        seen.sort_unstable();
        assert!(seen.into_iter().eq(0..10));
    });
}

#[test]
fn an_iterator_over_a_skip_map_walks_on_from_a_removed_entry() {
    with(|g| {
        let map = SkipMap::new();
        for key in 0..100 {
            map.insert(g, key, ());
        }
        let mut entries = map.iter();
        assert_eq!(entries.next(), Some((&0, &())));
        for key in 0..50 {
            map.remove(g, &key);
        }
        let rest: Vec<u32> = entries.map(|(key, ())| *key).collect();
        assert!(rest.into_iter().eq(50..100));
    });
}

#[test]
fn a_failed_condition_removes_nothing() {
    with(|g| {
        let map = HashMap::new();
        map.insert(g, 1, 10);
        assert_eq!(map.remove_if(g, &1, |value| *value == 11), None);
        assert_eq!(map.remove_if(g, &1, |value| *value == 10), Some(&10));
        assert_eq!(map.remove_if(g, &1, |_| true), None);
        assert_eq!(map.get_or_insert_with(g, 1, || 12), &12);
        assert_eq!(map.get_or_insert_with(g, 1, || 13), &12);
        assert_eq!(map.len(), 1);
    });
}

#[test]
#[should_panic(expected = "at least one entry")]
fn a_cache_has_room() {
    with(|g| drop(Lru::<u32, u32>::new(g, 0)));
}

// Many threads. Each holds its own guard for one operation or a few, as goroutines do.

const THREADS: u64 = 4;

#[test]
fn each_value_is_popped_from_a_stack_once() {
    let stack: Root<Stack<'static, u64>> = with(|g| g.alloc(Stack::<u64>::new()).root(g));
    let each = rounds(5_000);
    let sum = AtomicUsize::new(0);
    let add = |value: &u64| sum.fetch_add(usize::try_from(*value).unwrap(), Ordering::Relaxed);
    on_threads(THREADS, |thread| {
        for n in 0..each {
            with(|g| stack.get(g).push(g, thread * each + n));
            if n % 2 == 0 {
                with(|g| stack.get(g).pop(g).map(add));
            }
        }
    });
    while with(|g| stack.get(g).pop(g).map(add)).is_some() {}
    let all = THREADS * each;
    assert_eq!(sum.into_inner() as u64, all * (all - 1) / 2);
}

#[test]
fn values_of_one_thread_leave_a_queue_in_their_order() {
    let queue: Root<Queue<'static, (u64, u64)>> =
        with(|g| g.alloc(Queue::<(u64, u64)>::new(g)).root(g));
    let each = rounds(5_000);
    let taken = AtomicUsize::new(0);
    let all = usize::try_from(2 * each).unwrap();
    on_threads(THREADS, |thread| {
        if thread < 2 {
            for n in 1..=each {
                with(|g| queue.get(g).push(g, (thread, n)));
            }
            return;
        }
        let mut last = [0; 2];
        while taken.load(Ordering::Relaxed) < all {
            let Some((from, n)) = with(|g| queue.get(g).pop(g).copied()) else {
                std::thread::yield_now();
                continue;
            };
            taken.fetch_add(1, Ordering::Relaxed);
            let last = &mut last[usize::try_from(from).unwrap()];
            assert!(n > *last);
            *last = n;
        }
    });
    assert!(with(|g| queue.get(g).is_empty()));
}

/// Each thread changes keys of its own, among those of the others, and knows what must be in the map.
macro_rules! own_keys_among_others {
    ($random:ident, $thread:ident, $rounds:expr, $insert:expr, $remove:expr, $get:expr) => {
        let mut own = StdMap::new();
        for n in 0..$rounds {
            let key = $random.below(64) * THREADS + $thread;
            match $random.below(4) {
                0 | 1 => assert_eq!($insert(key, n), own.insert(key, n)),
                2 => assert_eq!($remove(key), own.remove(&key)),
                _ => assert_eq!($get(key), own.get(&key).copied()),
            }
        }
    };
}

#[test]
fn threads_do_not_lose_each_others_entries_in_a_list() {
    let list: Root<List<'static, u64, u64>> = with(|g| g.alloc(List::<u64, u64>::new()).root(g));
    on_threads(THREADS, |thread| {
        let mut random = Random(20 + thread);
        own_keys_among_others!(
            random,
            thread,
            rounds(1_500),
            |key, n| with(|g| list.get(g).insert(g, key, n).copied()),
            |key: u64| with(|g| list.get(g).remove(g, &key).copied()),
            |key: u64| with(|g| list.get(g).get(g, &key).copied())
        );
    });
    with(|g| assert!(list.get(g).iter().is_sorted_by(|a, b| a.0 < b.0)));
}

#[test]
fn threads_do_not_lose_each_others_entries_in_a_skip_map() {
    let map: Root<SkipMap<'static, u64, u64>> =
        with(|g| g.alloc(SkipMap::<u64, u64>::new()).root(g));
    on_threads(THREADS, |thread| {
        let mut random = Random(30 + thread);
        own_keys_among_others!(
            random,
            thread,
            rounds(5_000),
            |key, n| with(|g| map.get(g).insert(g, key, n).copied()),
            |key: u64| with(|g| map.get(g).remove(g, &key).copied()),
            |key: u64| with(|g| map.get(g).get(g, &key).copied())
        );
    });
    with(|g| assert!(map.get(g).iter().is_sorted_by(|a, b| a.0 < b.0)));
}

#[test]
fn threads_do_not_lose_each_others_entries_in_a_hash_map() {
    let map: Root<HashMap<'static, u64, u64, Poor>> =
        with(|g| g.alloc(HashMap::<u64, u64, Poor>::default()).root(g));
    on_threads(THREADS, |thread| {
        let mut random = Random(40 + thread);
        own_keys_among_others!(
            random,
            thread,
            rounds(2_000),
            |key, n| with(|g| map.get(g).insert(g, key, n).copied()),
            |key: u64| with(|g| map.get(g).remove(g, &key).copied()),
            |key: u64| with(|g| map.get(g).get(&key).copied())
        );
    });
}

#[test]
fn readers_find_every_entry_while_the_map_grows() {
    let inserted = AtomicUsize::new(0);
    let map: Root<HashMap<'static, usize, usize>> =
        with(|g| g.alloc(HashMap::<usize, usize>::new()).root(g));
    let all = usize::try_from(rounds(20_000)).unwrap();
    on_threads(THREADS, |thread| {
        if thread == 0 {
            for key in 0..all {
                with(|g| assert_eq!(map.get(g).insert(g, key, key), None));
                // Release: publishes the insertion to the Acquire of the readers below.
                inserted.store(key + 1, Ordering::Release);
            }
            return;
        }
        let mut random = Random(50 + thread);
        loop {
            let there = inserted.load(Ordering::Acquire);
            if there == 0 {
                std::thread::yield_now();
                continue;
            }
            let key = usize::try_from(random.below(there as u64)).unwrap();
            with(|g| assert_eq!(map.get(g).get(&key), Some(&key)));
            if there == all {
                return;
            }
        }
    });
    with(|g| {
        assert_eq!(map.get(g).len(), all);
        assert_eq!(map.get(g).iter().count(), all);
    });
}

#[test]
fn removals_during_growth_are_not_undone() {
    for seed in 0..rounds(10) {
        let map: Root<HashMap<'static, u64, u64>> =
            with(|g| g.alloc(HashMap::<u64, u64>::new()).root(g));
        let each = 1_000;
        on_threads(THREADS, |thread| {
            let mut random = Random(60 + seed * THREADS + thread);
            for n in 0..each {
                let key = n * THREADS + thread;
                with(|g| map.get(g).insert(g, key, n).copied());
                if n > 8 {
                    // Of the last eight, odd ones go.
                    let old = (n - 1 - random.below(8)) * THREADS + thread;
                    if old / THREADS % 2 == 1 {
                        with(|g| map.get(g).remove(g, &old).copied());
                        with(|g| assert_eq!(map.get(g).get(&old), None));
                    }
                }
            }
            for n in (1..each).step_by(2) {
                with(|g| map.get(g).remove(g, &(n * THREADS + thread)).copied());
            }
        });
        with(|g| {
            let map = map.get(g);
            assert!(map.iter().all(|(key, _)| (key / THREADS).is_multiple_of(2)));
            assert_eq!(map.len(), usize::try_from(THREADS * each / 2).unwrap());
        });
    }
}

#[test]
fn one_of_many_inserts_the_value_that_all_get() {
    let map: Root<HashMap<'static, u64, u64>> =
        with(|g| g.alloc(HashMap::<u64, u64>::new()).root(g));
    let keys = rounds(2_000);
    let inserted: Vec<AtomicUsize> = (0..keys).map(|_| AtomicUsize::new(usize::MAX)).collect();
    on_threads(THREADS, |thread| {
        for key in 0..keys {
            let got = with(|g| *map.get(g).get_or_insert_with(g, key, || thread));
            let got = usize::try_from(got).unwrap();
            let first = inserted[usize::try_from(key).unwrap()].compare_exchange(
                usize::MAX,
                got,
                Ordering::Relaxed,
                Ordering::Relaxed,
            );
            assert_eq!(first.err().unwrap_or(got), got);
        }
    });
}

#[test]
fn threads_do_not_overfill_a_cache() {
    let capacity = 50;
    let cache: Root<Lru<'static, u64, u64>> =
        with(|g| g.alloc(Lru::<u64, u64>::new(g, capacity)).root(g));
    on_threads(THREADS, |thread| {
        let mut random = Random(70 + thread);
        for _ in 0..rounds(4_000) {
            let key = random.below(100);
            with(|g| match random.below(8) {
                0..4 => {
                    cache.get(g).insert(g, key, key * 3);
                }
                4..7 => {
                    if let Some(value) = cache.get(g).get(g, &key) {
                        assert_eq!(*value, key * 3);
                    }
                }
                _ => {
                    cache.get(g).remove(g, &key);
                }
            });
            with(|g| assert!(cache.get(g).len() <= capacity + usize::try_from(THREADS).unwrap()));
        }
    });
    with(|g| {
        let cache = cache.get(g);
        assert!(cache.len() <= capacity);
        assert_eq!(cache.iter().count(), cache.len());
        // Every entry that is left can still be evicted.
        for key in 1_000..1_000 + capacity as u64 {
            cache.insert(g, key, 0);
        }
        assert_eq!(cache.len(), capacity);
        assert!(cache.iter().all(|(key, _)| *key >= 1_000));
    });
}

// The promise of the module.

#[test]
fn there_is_no_unsafe_in_the_collections() {
    let sources = concat!(env!("CARGO_MANIFEST_DIR"), "/src/collections");
    let mut files = vec![concat!(env!("CARGO_MANIFEST_DIR"), "/src/collections.rs").into()];
    files.extend(
        std::fs::read_dir(sources)
            .unwrap()
            .map(|file| file.unwrap().path()),
    );
    assert!(files.len() >= 7);
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap();
            let words = code.split(|c: char| !c.is_alphanumeric() && c != '_');
            assert!(
                words.into_iter().all(|word| word != "unsafe"),
                "{}:{}: {line}",
                file.display(),
                number + 1
            );
        }
    }
}
