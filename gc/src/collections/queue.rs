//! The queue of Michael and Scott. (*Simple, fast, and practical non-blocking and blocking concurrent queue algorithms*,
//! 1996.)
//!
//! `head` is a node that has been taken already; the next one is the first in the queue. `tail` is the last node or the one
//! before it: who finds it behind moves it on before doing anything else. It is never behind `head`.

use std::fmt;
use std::iter::{FusedIterator, successors};

use crate::{Edge, Gc, Guard, Object, Trace};

/// A queue that any number of threads put values into and take values from.
///
/// It needs a guard to be created, because an empty queue consists of one node.
///
/// # Examples
///
/// ```
/// use gort_gc::collections::Queue;
/// use gort_gc::with;
///
/// with(|g| {
///     let queue = Queue::new(g);
///     queue.push(g, 1);
///     queue.push(g, 2);
///     assert_eq!(queue.pop(g), Some(&1));
///     assert_eq!(queue.pop(g), Some(&2));
///     assert_eq!(queue.pop(g), None);
/// });
/// ```
#[derive(Trace)]
pub struct Queue<'g, V> {
    head: Edge<'g, Node<'g, V>>,
    tail: Edge<'g, Node<'g, V>>,
}

#[derive(Trace)]
struct Node<'g, V> {
    /// Only the node of a new queue has none.
    value: Option<V>,
    /// Null in the last node, constant once it is not.
    next: Edge<'g, Node<'g, V>>,
}

impl<'g, V: Object<'g>> Queue<'g, V> {
    /// Creates an empty queue.
    #[must_use]
    pub fn new(g: &'g Guard) -> Self {
        let taken = g.alloc(Node {
            value: None,
            next: Edge::null(),
        });
        Self {
            head: Edge::new(Some(taken)),
            tail: Edge::new(Some(taken)),
        }
    }

    /// Puts a value at the end.
    pub fn push(&self, g: &'g Guard, value: V) {
        let node = g.alloc(Node {
            value: Some(value),
            next: Edge::null(),
        });
        loop {
            let last = self.last(g);
            if last.next.compare_exchange(g, None, Some(node)).is_ok() {
                // If this fails, somebody was kind enough.
                let _ = self.tail.compare_exchange(g, Some(last), Some(node));
                return;
            }
        }
    }

    /// Takes the value at the front.
    pub fn pop(&self, g: &'g Guard) -> Option<&'g V> {
        let mut head = self.taken();
        loop {
            let first = head.next.load()?;
            // `tail` must not fall behind: it may still be at `head`.
            if self.tail.load().is_some_and(|tail| Gc::ptr_eq(tail, head)) {
                let _ = self.tail.compare_exchange(g, Some(head), Some(first));
            }
            match self.head.compare_exchange(g, Some(head), Some(first)) {
                Ok(_) => return first.as_ref().value.as_ref(),
                Err(newer) => head = newer.expect("the head is never null"),
            }
        }
    }

    /// Returns the value at the front.
    pub fn peek(&self) -> Option<&'g V> {
        self.taken().next.load()?.as_ref().value.as_ref()
    }

    /// Tells whether the queue is empty.
    pub fn is_empty(&self) -> bool {
        self.taken().next.load().is_none()
    }

    /// Visits the values from the front to the end, including those that are put in before it arrives there.
    pub fn iter(&self) -> impl FusedIterator<Item = &'g V> + use<'g, V> {
        let next = |node: &Gc<'g, Node<'g, V>>| node.next.load();
        successors(self.taken().next.load(), next).filter_map(|node| node.as_ref().value.as_ref())
    }

    fn taken(&self) -> Gc<'g, Node<'g, V>> {
        self.head.load().expect("the head is never null")
    }

    /// Moves `tail` to the last node, and returns that.
    fn last(&self, g: &'g Guard) -> Gc<'g, Node<'g, V>> {
        let mut tail = self.tail.load().expect("the tail is never null");
        while let Some(next) = tail.next.load() {
            tail = match self.tail.compare_exchange(g, Some(tail), Some(next)) {
                Ok(_) => next,
                Err(newer) => newer.expect("the tail is never null"),
            };
        }
        tail
    }
}

impl<'g, V: Object<'g> + fmt::Debug> fmt::Debug for Queue<'g, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
