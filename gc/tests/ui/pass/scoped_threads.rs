//! Scoped threads share pointers and references into objects.

#[path = "../list.rs"]
mod list;

use gort_gc::pin;

fn main() {
    let g = pin();
    let node = list::node(&g, 1);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let own = pin();
            node.next.store(&own, Some(node));
            node.kids.lock(&own).push(node);
        });
    });
    assert_eq!(node.kids.lock(&g).len(), 1);
}
