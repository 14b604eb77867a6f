//! A type with edges has no destructor: it could look at dead neighbours.

use gort_gc::{Edge, Trace};

#[derive(Trace)]
struct Node<'g> {
    next: Edge<'g, Node<'g>>,
}

impl Drop for Node<'_> {
    fn drop(&mut self) {
        self.next.load();
    }
}

fn main() {}
