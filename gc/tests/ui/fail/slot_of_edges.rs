//! A slot hands its payload to anybody at any time, so it holds no pointers.

use gort_gc::{Gc, Slot, pin};

fn main() {
    let g = pin();
    let number = g.alloc(5);
    let slot: Slot<Gc<'_, u32>> = Slot::new(number);
    drop(g);
    drop(slot);
}
