//! Many threads. Each holds its own guard for one operation or a few, as goroutines do.

use super::*;

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
