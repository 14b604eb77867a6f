//! A chain of free records, linked through themselves: how they travel in batches without an allocation.

use std::ptr::{self, NonNull};

use gort_primitives::atomic::Ordering;

use super::G;

/// Records in order. Whoever holds the chain owns their links.
///
/// Dropping a chain that is not empty would lose records, so it panics in a debug build.
#[derive(Debug)]
pub(crate) struct Chain {
    head: *mut G,
    tail: *mut G,
    len: u32,
}

// SAFETY: records are shared memory; the chain is the right to their links, which may move between threads.
unsafe impl Send for Chain {}

impl Chain {
    pub(crate) const fn new() -> Self {
        Self {
            head: ptr::null_mut(),
            tail: ptr::null_mut(),
            len: 0,
        }
    }

    pub(crate) fn of(g: &'static G) -> Self {
        let mut chain = Self::new();
        chain.push(g);
        chain
    }

    #[inline]
    pub(crate) fn push(&mut self, g: &'static G) {
        g.next.store(ptr::null_mut(), Ordering::Relaxed);
        let last = ptr::from_ref(g).cast_mut();
        match NonNull::new(self.tail) {
            // SAFETY: records are never freed, and the chain owns the links of its members.
            Some(tail) => unsafe { tail.as_ref() }.next.store(last, Ordering::Relaxed),
            None => self.head = last,
        }
        self.tail = last;
        self.len += 1;
    }

    /// Puts `g` at the front: what a free list wants, whose last record is still in the cache.
    #[inline]
    pub(crate) fn push_front(&mut self, g: &'static G) {
        g.next.store(self.head, Ordering::Relaxed);
        self.head = ptr::from_ref(g).cast_mut();
        if self.tail.is_null() {
            self.tail = self.head;
        }
        self.len += 1;
    }

    #[inline]
    pub(crate) fn pop(&mut self) -> Option<&'static G> {
        let g = NonNull::new(self.head)?;
        // SAFETY: records are never freed.
        let g: &'static G = unsafe { g.as_ref() };
        self.head = g.next.load(Ordering::Relaxed);
        if self.head.is_null() {
            self.tail = ptr::null_mut();
        }
        self.len -= 1;
        Some(g)
    }

    /// Appends all of `other`.
    pub(crate) fn append(&mut self, other: &mut Chain) {
        let other = std::mem::take(other);
        match NonNull::new(self.tail) {
            // SAFETY: as in `push`.
            Some(tail) => unsafe { tail.as_ref() }
                .next
                .store(other.head, Ordering::Relaxed),
            None => self.head = other.head,
        }
        if !other.tail.is_null() {
            self.tail = other.tail;
        }
        self.len += other.len;
        std::mem::forget(other);
    }

    /// Splits off the first `n`.
    pub(crate) fn split(&mut self, n: usize) -> Chain {
        let mut first = Chain::new();
        for _ in 0..n {
            match self.pop() {
                Some(g) => first.push(g),
                None => break,
            }
        }
        first
    }

    pub(crate) fn len(&self) -> usize {
        self.len as usize
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl Default for Chain {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Chain {
    fn drop(&mut self) {
        debug_assert!(
            self.is_empty() || std::thread::panicking(),
            "a chain of {} records was dropped",
            self.len
        );
    }
}

#[cfg(all(test, not(gort_loom)))]
mod tests {
    use super::*;
    use crate::g::RECORDS;

    #[test]
    fn a_chain_keeps_its_order() {
        let records: Vec<_> = RECORDS.grow().take(5).collect();
        let mut a = Chain::of(records[0]);
        a.push(records[1]);
        let mut b = Chain::of(records[2]);
        b.push(records[3]);
        a.append(&mut b);
        a.append(&mut Chain::new());
        assert!(b.is_empty());
        a.push_front(records[4]);
        assert_eq!(a.len(), 5);
        let mut first = a.split(2);
        let order: Vec<_> = std::iter::from_fn(|| first.pop())
            .chain(std::iter::from_fn(|| a.pop()))
            .map(ptr::from_ref)
            .collect();
        let expect = [4, 0, 1, 2, 3].map(|i| ptr::from_ref(records[i]));
        assert_eq!(order, expect);
    }
}
