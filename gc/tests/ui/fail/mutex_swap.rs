//! Contents of two locks are exchanged only if their brands are the same.

#[path = "../list.rs"]
mod list;

use gort_gc::pin;

fn main() {
    let outer = pin();
    let a = list::node(&outer, 1);
    {
        let inner = pin();
        let b = list::node(&inner, 2);
        std::mem::swap(&mut *a.kids.lock(&outer), &mut *b.kids.lock(&inner));
        a.kids.lock(&outer).push(b);
    }
    println!("{}", a.kids.lock(&outer).len());
}
