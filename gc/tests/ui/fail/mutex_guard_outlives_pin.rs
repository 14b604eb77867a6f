//! A lock is released before its guard ends.

#[path = "../list.rs"]
mod list;

use gort_gc::{pin, with};

fn main() {
    let root = with(|g| list::node(g, 1).root(g));
    let kids;
    {
        let g = pin();
        kids = root.get(&g).kids.lock(&g);
    }
    println!("{}", kids.len());
}
