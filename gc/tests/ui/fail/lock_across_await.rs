//! A goroutine cannot wait while it holds a lock of the heap.

#[path = "../list.rs"]
mod list;

fn spawn(_: impl Future + Send + 'static) {}

fn main() {
    let root = gort_gc::with(|g| list::node(g, 1).root(g));
    spawn(async move {
        let g = gort_gc::pin();
        let node = root.get(&g);
        let mut kids = node.kids.lock(&g);
        std::future::ready(()).await;
        kids.clear();
    });
}
