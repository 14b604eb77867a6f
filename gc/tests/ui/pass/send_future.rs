//! A goroutine holds roots while it waits.

#[path = "../list.rs"]
mod list;

use gort_gc::{pin, with};

fn spawn(_: impl Future + Send + 'static) {}

fn main() {
    let root = with(|g| list::node(g, 1).root(g));
    spawn(async move {
        {
            let g = pin();
            let node = root.get(&g);
            node.next.store(&g, Some(node));
        }
        std::future::ready(()).await;
        with(|g| root.get(g).next.store(g, None));
    });
}
