// The expansion names everything from the root, so nothing here can get in its way.
#![no_implicit_prelude]

extern crate gort;

mod core {}
mod std {}

struct Builder;

#[gort::main(procs = 1)]
async fn main() {
    let _ = Builder;
}
