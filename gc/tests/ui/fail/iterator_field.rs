//! An iterator borrows, and a guard too: they are no fields.

use gort_gc::{Gc, MutexGuard, Trace};

#[derive(Trace)]
struct Iterates<'g> {
    rest: std::vec::IntoIter<Gc<'g, u32>>,
    lock: MutexGuard<'g, Vec<Gc<'g, u32>>>,
}

fn main() {}
