//! The expansion finds everything without the prelude, beside items with the names it uses.

#![no_implicit_prelude]
#![allow(
    dead_code,
    non_camel_case_types,
    reason = "types with the names that an expansion might use stand here to be in its way"
)]

use ::gort_gc::{Edge, Gc, Trace};

struct Option;
struct Result;
struct Drop;
struct Some;
struct None;
struct u32;
mod gort_gc {}
mod core {}
mod std {}

#[derive(Trace)]
struct Unit;

#[derive(Trace)]
struct Tuple<'g, V, const N: usize>(V, [Gc<'g, u64>; N], #[gc(opaque)] &'static str);

#[derive(Trace)]
enum Choice<'g, V> {
    Nothing,
    One(V),
    Many { r#type: Edge<'g, Choice<'g, V>>, boxed: ::std::boxed::Box<Choice<'g, V>> },
}

#[derive(Trace)]
enum Never {}

fn main() {}
