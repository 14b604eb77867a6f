//! Treiber's stack. (R. K. Treiber, *Systems programming: coping with parallelism*, 1986.)
//!
//! The classic trap, ABA, does not exist here: a node that somebody still looks at is not freed, so its address cannot
//! come back as another node's.

use std::fmt;
use std::iter::{FusedIterator, successors};

use crate::{Edge, Gc, Guard, Object, Trace};

/// A stack that any number of threads push to and pop from.
///
/// # Examples
///
/// ```
/// use gort_gc::collections::Stack;
/// use gort_gc::with;
///
/// with(|g| {
///     let stack = Stack::new();
///     stack.push(g, 1);
///     stack.push(g, 2);
///     assert_eq!(stack.pop(g), Some(&2));
///     assert_eq!(stack.pop(g), Some(&1));
///     assert_eq!(stack.pop(g), None);
/// });
/// ```
#[derive(Trace)]
pub struct Stack<'g, V> {
    top: Edge<'g, Node<'g, V>>,
}

#[derive(Trace)]
struct Node<'g, V> {
    value: V,
    /// What was on top when this was pushed. Constant from then on.
    below: Edge<'g, Node<'g, V>>,
}

impl<'g, V: Object<'g>> Stack<'g, V> {
    /// Creates an empty stack.
    #[must_use]
    pub const fn new() -> Self {
        Self { top: Edge::null() }
    }

    /// Puts a value on top.
    pub fn push(&self, g: &'g Guard, value: V) {
        let mut top = self.top.load();
        let node = g.alloc(Node {
            value,
            below: Edge::new(top),
        });
        while let Err(newer) = self.top.compare_exchange(g, top, Some(node)) {
            node.below.store(g, newer);
            top = newer;
        }
    }

    /// Takes the value on top.
    pub fn pop(&self, g: &'g Guard) -> Option<&'g V> {
        let mut top = self.top.load()?;
        while let Err(newer) = self.top.compare_exchange(g, Some(top), top.below.load()) {
            top = newer?;
        }
        Some(&top.as_ref().value)
    }

    /// Returns the value on top.
    pub fn peek(&self) -> Option<&'g V> {
        Some(&self.top.load()?.as_ref().value)
    }

    /// Tells whether the stack is empty.
    pub fn is_empty(&self) -> bool {
        self.top.load().is_none()
    }

    /// Visits the values from the top down, as they are now: what is pushed or popped later changes nothing.
    pub fn iter(&self) -> impl FusedIterator<Item = &'g V> + use<'g, V> {
        let below = |node: &Gc<'g, Node<'g, V>>| node.below.load();
        successors(self.top.load(), below).map(|node| &node.as_ref().value)
    }
}

impl<'g, V: Object<'g>> Default for Stack<'g, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<'g, V: Object<'g> + fmt::Debug> fmt::Debug for Stack<'g, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
