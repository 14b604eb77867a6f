//! A lock-free stack in 30 lines of safe code, and what several threads do with it.
//!
//! `cargo run --release --example gc_stack`

use gort::gc::{Edge, Root, Slot, Static, Trace, with};

// The stack: from here

#[derive(Trace)]
struct Node<'g, T: 'static> {
    value: Static<Slot<T>>,
    below: Edge<'g, Node<'g, T>>,
}

#[derive(Trace)]
struct Top<'g, T: 'static>(Edge<'g, Node<'g, T>>);

#[derive(Clone)]
struct Stack<T: Send + 'static>(Root<Top<'static, T>>);

impl<T: Send + 'static> Stack<T> {
    fn new() -> Self {
        Self(Root::new(|_| Top(Edge::null())))
    }

    fn push(&self, value: T) {
        let value = Static(Slot::new(value));
        with(|g| {
            let top = self.0.get(g);
            let mut last = top.0.load();
            let below = Edge::new(last);
            let node = g.alloc(Node { value, below });
            while let Err(newer) = top.0.compare_exchange(g, last, Some(node)) {
                last = newer;
                node.below.store(g, last);
            }
        });
    }

    fn pop(&self) -> Option<T> {
        with(|g| {
            let top = self.0.get(g);
            let mut last = top.0.load()?;
            while let Err(newer) = top.0.compare_exchange(g, Some(last), last.below.load()) {
                last = newer?;
            }
            last.value.take()
        })
    }
}

// to here. No node is freed while somebody looks at it, so its address cannot come back as another's: no ABA, no hazard
// pointers, no epochs, no unsafe.

fn main() {
    let stack = Stack::new();
    let each = 10_000;
    let threads: Vec<_> = (0..4)
        .map(|thread| {
            let stack = stack.clone();
            std::thread::spawn(move || {
                let mut sum = 0_u64;
                for n in 0..each {
                    stack.push(Box::new(thread * each + n));
                    if n % 2 == 1 {
                        sum += stack.pop().map_or(0, |number| *number);
                    }
                }
                sum
            })
        })
        .collect();
    let popped: u64 = threads
        .into_iter()
        .map(|thread| thread.join().expect("no thread panics"))
        .sum();
    let rest: u64 = std::iter::from_fn(|| stack.pop())
        .map(|number| *number)
        .sum();
    println!("the sum of all numbers popped is {}", popped + rest);
}
