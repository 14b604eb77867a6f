//! The collections against those of std.

use super::*;

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
