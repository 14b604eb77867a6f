//! Nothing is moved out of an object.

use gort_gc::pin;

fn main() {
    let g = pin();
    let text = g.alloc(String::from("text"));
    let moved: String = *text;
    println!("{moved}");
}
