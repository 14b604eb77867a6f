//! What is written into a once-cell has the brand of the cell.

use gort_gc::{Gc, OnceCell, pin};

fn main() {
    let outer = pin();
    let cell: Gc<'_, OnceCell<Gc<'_, u32>>> = outer.alloc(OnceCell::new());
    {
        let inner = pin();
        let _ = cell.set(&inner, inner.alloc(5));
    }
    println!("{:?}", cell.get().map(|number| **number));
}
