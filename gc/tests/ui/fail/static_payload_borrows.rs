//! The payload of `Static` borrows nothing.

use gort_gc::{Static, with};

fn store(text: &str) {
    with(|g| {
        g.alloc(Static(text)).root(g);
    });
}

fn main() {
    store("x");
}
