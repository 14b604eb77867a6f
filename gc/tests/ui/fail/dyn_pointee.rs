//! Nobody knows how such a value lies in an object.

use gort_gc::{Gc, Pointee};

trait Shape {}

impl Pointee for dyn Shape {}

fn area(shape: Gc<'_, dyn Shape>) {
    let _: &dyn Shape = &*shape;
}

fn main() {}
