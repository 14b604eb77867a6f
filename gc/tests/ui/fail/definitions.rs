//! Definitions that cannot be traced, all reported at once where they can.

use gort_gc::{Gc, Trace};

#[derive(Trace)]
union Either {
    a: u32,
    b: f32,
}

#[derive(Trace)]
struct TwoBrands<'g, 'h> {
    a: Gc<'g, u32>,
    b: Gc<'h, u32>,
}

#[derive(Trace)]
struct BoundedBrand<'g: 'static> {
    a: Gc<'g, u32>,
}

#[derive(Trace)]
struct Bounded<K: Ord, V>
where
    V: Clone + Trace<'static>,
{
    key: K,
    value: V,
}

#[derive(Trace)]
struct Unsized<T: ?Sized> {
    value: Box<T>,
}

fn main() {}
