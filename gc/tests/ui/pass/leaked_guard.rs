//! A guard that is leaked pins for ever: 'static is the truth then.

#[path = "../list.rs"]
mod list;

use gort_gc::{Gc, Guard, pin};
use list::Node;

fn main() {
    let g: &'static Guard = Box::leak(Box::new(pin()));
    let node: Gc<'static, Node<'static>> = list::node(g, 1);
    std::thread::spawn(move || assert_eq!(node.key, 1)).join().unwrap();
}
