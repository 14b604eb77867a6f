//! A hasher is not traced, so it is 'static.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use gort_gc::{Gc, Trace};

#[derive(Clone)]
struct Seeded<'g> {
    seed: Gc<'g, u64>,
}

impl BuildHasher for Seeded<'_> {
    type Hasher = <RandomState as BuildHasher>::Hasher;

    fn build_hasher(&self) -> Self::Hasher {
        println!("{}", *self.seed);
        RandomState::new().build_hasher()
    }
}

#[derive(Trace)]
struct Index<'g> {
    map: HashMap<u32, u32, Seeded<'g>>,
}

fn main() {}
