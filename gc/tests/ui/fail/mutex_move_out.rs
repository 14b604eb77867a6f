//! What is moved out of a lock keeps the brand.

#[path = "../list.rs"]
mod list;

use gort_gc::{pin, with};

fn main() {
    let root = with(|g| list::node(g, 1).root(g));
    let kid;
    {
        let g = pin();
        kid = root.get(&g).kids.lock(&g).pop();
    }
    println!("{}", kid.unwrap().key);
}
