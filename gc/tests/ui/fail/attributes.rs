//! Attributes that do not exist, or are in the wrong place.

use gort_gc::Trace;

#[derive(Trace)]
#[gc(opaque)]
struct OnType {
    number: u32,
}

#[derive(Trace)]
#[gc(root = "gort_gc")]
struct UnknownOnType {
    number: u32,
}

#[derive(Trace)]
struct UnknownOnField {
    #[gc(skip, opaque)]
    number: u32,
    #[gc]
    other: u32,
}

#[derive(Trace)]
enum OnVariant {
    #[gc(opaque)]
    One,
}

fn main() {}
