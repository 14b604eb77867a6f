//! A goroutine cannot wait while it is pinned.

#[path = "../list.rs"]
mod list;

fn spawn(_: impl Future + Send + 'static) {}

fn main() {
    spawn(async {
        let g = gort_gc::pin();
        let node = list::node(&g, 1);
        std::future::ready(()).await;
        println!("{}", node.key);
    });
}
