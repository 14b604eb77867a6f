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

#[path = "collections/model.rs"]
mod model;
#[path = "collections/threads.rs"]
mod threads;

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

// The promise of the module.

#[test]
fn there_is_no_unsafe_in_the_collections() {
    let sources = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = vec![sources.join("collections.rs")];
    let mut folders = vec![sources.join("collections")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let list = if path.is_dir() {
                &mut folders
            } else {
                &mut files
            };
            list.push(path);
        }
    }
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
