//! A pointer does not move to a thread that may outlive the guard.

#[path = "../list.rs"]
mod list;

fn main() {
    let g = gort_gc::pin();
    let node = list::node(&g, 1);
    std::thread::spawn(move || println!("{}", node.key));
}
