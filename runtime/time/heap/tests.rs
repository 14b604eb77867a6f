//! The heap against a reference model.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};

use super::*;

/// A waker that counts how often it was woken.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        // Relaxed: the test is single-threaded.
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// One timer as the model sees it.
struct Modelled {
    slot: Slot,
    count: Arc<Count>,
    deadline: u64,
    fired: bool,
}

fn check(heap: &Heap) {
    for (place, entry) in heap.entries.iter().enumerate() {
        assert_eq!(heap.places[entry.slot as usize] as usize, place);
        assert!(heap.wakers[entry.slot as usize].is_some());
        if place > 0 {
            assert!(heap.entries[(place - 1) / ARITY].deadline <= entry.deadline);
        }
    }
    let armed = heap.wakers.iter().filter(|waker| waker.is_some()).count();
    assert!(heap.entries.len() <= armed && armed <= heap.live as usize);
}

fn random_run(seed: u64, steps: usize, span: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut heap = Heap::new();
    let mut timers: Vec<Modelled> = Vec::new();
    let mut now = 0;
    let deadline = |random: &mut fastrand::Rng, now: u64| match random.u8(..16) {
        0 => NEVER,
        1 => now,
        _ => now + random.u64(..span),
    };
    for step in 0..steps {
        match random.u8(..10) {
            0..4 => {
                let count = Arc::new(Count::default());
                let deadline = deadline(&mut random, now);
                let slot = heap.insert(deadline, Waker::from(count.clone()));
                timers.push(Modelled {
                    slot,
                    count,
                    deadline,
                    fired: false,
                });
            }
            4..6 if !timers.is_empty() => {
                let timer = timers.swap_remove(random.usize(..timers.len()));
                let waker = heap.remove(timer.slot);
                assert_eq!(waker.is_none(), timer.fired);
                drop(waker);
                assert_eq!(
                    Arc::strong_count(&timer.count),
                    1,
                    "nothing keeps the waker"
                );
            }
            6..8 if !timers.is_empty() => {
                let index = random.usize(..timers.len());
                let timer = &mut timers[index];
                let deadline = deadline(&mut random, now);
                heap.reset(&timer.slot, deadline);
                if !timer.fired {
                    timer.deadline = deadline;
                }
            }
            _ => {
                now += random.u64(..span / 4);
                run(&mut heap, &mut timers, now);
            }
        }
        let earliest = timers.iter().filter(|t| !t.fired).map(|t| t.deadline).min();
        assert_eq!(heap.first(), earliest.unwrap_or(NEVER));
        if step % 64 == 0 {
            check(&heap);
        }
    }
}

/// Fires what is due, in the order of deadlines, and compares with the model.
fn run(heap: &mut Heap, timers: &mut [Modelled], now: u64) {
    let mut due: BTreeMap<u64, usize> = BTreeMap::new();
    for timer in timers.iter_mut() {
        if !timer.fired && timer.deadline <= now {
            *due.entry(timer.deadline).or_default() += 1;
            timer.fired = true;
        }
    }
    for (deadline, count) in due {
        for _ in 0..count {
            assert_eq!(heap.first(), deadline);
            heap.pop_due(now).expect("due").wake();
        }
    }
    assert!(heap.pop_due(now).is_none());
    for timer in timers {
        let woken = timer.count.0.load(Ordering::Relaxed);
        assert_eq!(woken, usize::from(timer.fired));
    }
}

#[test]
fn random_operations_agree_with_a_sorted_map() {
    for seed in 0..24 {
        random_run(seed, 2_000, 1_000);
    }
    // Many equal deadlines.
    random_run(100, 2_000, 8);
}

#[test]
fn cancelled_timeouts_take_no_memory() {
    let rounds = if cfg!(debug_assertions) {
        1_000_000
    } else {
        10_000_000
    };
    let mut heap = Heap::new();
    let kept: Vec<Slot> = (0..100)
        .map(|i| heap.insert(i, Waker::noop().clone()))
        .collect();
    for now in 0..rounds {
        let slot = heap.insert(now + 30_000_000_000, Waker::noop().clone());
        drop(heap.remove(slot));
    }
    assert!(heap.entries.capacity() <= 256);
    assert!(heap.wakers.capacity() <= 256);
    assert!(heap.places.capacity() <= 256);
    for slot in kept {
        assert!(heap.remove(slot).is_some());
    }
}

#[test]
fn an_empty_heap_gives_a_burst_of_memory_back() {
    let mut heap = Heap::new();
    let slots: Vec<Slot> = (0..100_000)
        .map(|i| heap.insert(i, Waker::noop().clone()))
        .collect();
    for slot in slots {
        drop(heap.remove(slot));
    }
    assert_eq!(heap.entries.capacity(), 0);
    assert_eq!(heap.wakers.capacity(), 0);
    assert_eq!(heap.places.capacity(), 0);
    let slot = heap.insert(1, Waker::noop().clone());
    assert!(heap.pop_due(1).is_some());
    assert!(heap.remove(slot).is_none());
}

#[test]
fn a_reset_moves_a_timer_both_ways_and_to_never() {
    let mut heap = Heap::new();
    let a = heap.insert(10, Waker::noop().clone());
    let b = heap.insert(20, Waker::noop().clone());
    heap.reset(&a, 30);
    assert_eq!(heap.first(), 20);
    heap.reset(&a, 5);
    assert_eq!(heap.first(), 5);
    heap.reset(&a, NEVER);
    assert_eq!(heap.first(), 20);
    assert!(heap.waker(&a).is_some(), "an idle timer keeps its waker");
    heap.reset(&a, 15);
    assert!(heap.pop_due(15).is_some());
    heap.reset(&a, 16);
    assert_eq!(heap.first(), 20, "a spent timer has nobody to wake");
    drop(heap.remove(a));
    drop(heap.remove(b));
    assert_eq!(heap.first(), NEVER);
}
