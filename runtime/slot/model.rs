//! A model of the slot: each goroutine has one taker, and the taker sees what the pusher wrote.

use gort_primitives::atomic::AtomicU32;
use gort_primitives::sync::Arc;
use gort_primitives::{model, thread};

use super::*;

#[test]
fn owner_thief_and_monitor_take_a_goroutine_once() {
    static NEXT: [u32; 2] = [0, 1];
    model(|| {
        let slot = Arc::new(Slot::<u32>::new());
        let written = Arc::new(AtomicU32::new(0));
        let takers: Vec<_> = (0..2)
            .map(|_| {
                let (slot, written) = (slot.clone(), written.clone());
                thread::spawn(move || {
                    let taken = slot.take().copied();
                    if taken.is_some() {
                        assert_eq!(written.load(Ordering::Relaxed), 1);
                    }
                    taken
                })
            })
            .collect();
        written.store(1, Ordering::Relaxed);
        let mut seen = Vec::new();
        for next in &NEXT {
            seen.extend(slot.replace(next).copied());
        }
        seen.extend(slot.take().copied());
        for taker in takers {
            seen.extend(taker.join().expect("no panics"));
        }
        seen.sort_unstable();
        assert_eq!(seen, [0, 1]);
    });
}
