//! Nothing is changed in an object without a cell.

use gort_gc::pin;

fn main() {
    let g = pin();
    let mut text = g.alloc(String::from("text"));
    text.push('s');
}
