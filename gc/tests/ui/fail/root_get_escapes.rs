//! What a root gives is bound to the guard, not to the root.

#[path = "../list.rs"]
mod list;

use gort_gc::pin;

fn main() {
    let root = {
        let g = pin();
        list::node(&g, 1).root(&g)
    };
    let node = {
        let g = pin();
        root.get(&g)
    };
    println!("{}", node.key);
}
