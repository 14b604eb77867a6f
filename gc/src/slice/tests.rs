//! Sizes, and slots that are being filled.

use std::sync::mpsc::channel;
use std::thread;

use super::*;
use crate::local::lock;
use crate::simulator::ALONE;
use crate::with;

#[test]
fn each_size_holds_what_it_says_and_little_more() {
    let sizes = Promoted::<[u64]>::SIZES;
    for len in 0..1_018 {
        let bytes = layout::<u64>(len).expect("it is small").size();
        let vtable = sizes.shared(bytes).expect("two share a block");
        assert!(vtable.shape.slot >= bytes && !vtable.shape.is_large());
        assert!(vtable.shape.slot <= 16 + bytes * 3 / 2);
    }
    let bytes = layout::<u64>(1_019).expect("it is small").size();
    assert!(sizes.shared(bytes).is_none() && Shape::of(Layout::new::<[u64; 1_020]>()).is_large());
}

#[test]
fn a_layout_that_no_memory_has_is_none() {
    assert!(layout::<u64>(usize::MAX).is_none());
    assert!(layout::<u8>(isize::MAX as usize).is_none());
    assert!(layout::<u8>(usize::MAX - 4).is_none());
    assert_eq!(
        layout::<()>(usize::MAX).map(|layout| layout.size()),
        Some(8)
    );
}

#[test]
fn a_slot_is_nobody_elses_while_foreign_code_fills_it() {
    let _alone = lock(&ALONE);
    // Another thread gets the block in the middle, takes all its free slots, and leaves it.
    let others = || -> Vec<usize> {
        with(|g| {
            let slices = (0..300).map(|_| g.alloc_slice(3, |_| 0x7777_u32));
            slices.map(Gc::addr).collect()
        })
    };
    let (sender, taken) = channel();
    with(|g| {
        let slice = g.alloc_slice(3, |n| {
            g.local().flush();
            let sender = sender.clone();
            thread::scope(|s| {
                s.spawn(move || sender.send(others()).expect("we listen"));
            });
            n as u32
        });
        assert_eq!(*slice, [0, 1, 2]);
        assert!(
            taken
                .try_iter()
                .flatten()
                .all(|addr| addr != Gc::addr(slice))
        );
    });
}

#[test]
fn a_slot_whose_filling_panics_is_free_again() {
    let _alone = lock(&ALONE);
    // Small ones, and some with blocks of their own.
    for len in [3, 5_000] {
        with(|g| {
            let mut objects = std::collections::HashSet::new();
            for _ in 0..500 {
                let fill = |n| {
                    assert!(n < 2, "enough");
                    [7_u64; 5]
                };
                let mut filling = None;
                let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                    let place = filling.insert(Filling::begin(g, len).expect("memory"));
                    objects.insert(place.place.place.object);
                    (0..len).for_each(|n| place.push(fill(n)));
                }));
                assert!(result.is_err());
                filling.take();
                g.local().flush();
            }
            // A large one is free after the next sweep.
            // And another block may be at hand meanwhile.
            assert!(objects.len() < 50 || len > 3, "{}", objects.len());
        });
    }
}
