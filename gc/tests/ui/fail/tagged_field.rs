//! `Tagged` is what an edge holds, and no edge: nobody would trace it.

use gort_gc::{Tagged, Trace};

#[derive(Trace)]
struct Node<'g> {
    next: Option<Tagged<'g, Node<'g>>>,
}

fn main() {}
