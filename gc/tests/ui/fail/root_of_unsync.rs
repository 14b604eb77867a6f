//! A root that goes to another thread has an object that may.

use std::cell::Cell;

use gort_gc::{Mutex, Root, Trace};

#[derive(Trace)]
struct Holder<'g> {
    cell: Cell<u32>,
    lock: Mutex<Vec<gort_gc::Gc<'g, u32>>>,
}

fn send(_: impl Send) {}

fn give(root: Root<Holder<'static>>) {
    send(root);
}

fn main() {}
