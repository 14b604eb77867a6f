//! First-in, first-out waiters of a channel, by key.
//!
//! A slab with a list through its entries: leaving from the middle is constant time, and an entry is used again, so that
//! waiting allocates only while the number of waiters grows.
//!
//! An entry is *linked* from [`Queue::push`] until [`Queue::pop`]; it is freed by [`Queue::leave`] alone, which its owner calls
//! once. Whoever pops the entry of a task has it for sure; that of a select is passed over if another arm was faster.

use std::task::Waker;

use super::claim::ClaimRef;

#[derive(Debug)]
pub(crate) struct Queue<T> {
    entries: Vec<Entry<T>>,
    /// The first of the free entries, which are linked by `next`.
    free: Option<u32>,
    head: Option<u32>,
    tail: Option<u32>,
    /// How many have ever entered.
    entered: u64,
}

#[derive(Debug)]
struct Entry<T> {
    prev: Option<u32>,
    next: Option<u32>,
    linked: bool,
    /// How many had entered before.
    number: u64,
    who: Who,
    item: Option<T>,
}

/// Who waits in an entry.
#[derive(Debug)]
pub(crate) enum Who {
    /// A future of this channel alone; its waker is there while the entry is linked.
    Task(Option<Waker>),
    /// An arm of a select.
    Select(ClaimRef),
}

/// What the owner of an entry finds when it leaves.
#[derive(Debug)]
#[must_use = "it holds a waker, which is dropped after the lock"]
pub(crate) struct Left<T> {
    pub(crate) item: Option<T>,
    who: Who,
}

impl<T> Left<T> {
    /// The waker of a task, if it was in line until then.
    #[inline]
    pub(crate) fn into_waker(self) -> Option<Waker> {
        match self.who {
            Who::Task(waker) => waker,
            Who::Select(_) => None,
        }
    }
}

impl<T> Queue<T> {
    pub(crate) const fn new() -> Self {
        Self {
            entries: Vec::new(),
            free: None,
            head: None,
            tail: None,
            entered: 0,
        }
    }

    /// How many have ever entered.
    pub(crate) fn entered(&self) -> u64 {
        self.entered
    }

    /// How many had entered before the first of the line did.
    pub(crate) fn first_number(&self) -> Option<u64> {
        let first = self.head?;
        Some(self.entries[first as usize].number)
    }

    /// The item of the first of the line.
    pub(super) fn first_item(&self) -> Option<&T> {
        let first = self.head?;
        self.entries[first as usize].item.as_ref()
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.head.is_none()
    }

    /// Puts an entry at the end of the line and returns its key.
    pub(crate) fn push(&mut self, who: Who, item: Option<T>) -> u32 {
        let entry = Entry {
            prev: self.tail,
            next: None,
            linked: true,
            number: self.entered,
            who,
            item,
        };
        self.entered += 1;
        let key = match self.free {
            Some(key) => {
                self.free = self.at(key).next;
                *self.at(key) = entry;
                key
            }
            None => {
                let key = u32::try_from(self.entries.len()).expect("4 billion waiters");
                self.entries.push(entry);
                key
            }
        };
        match self.tail.replace(key) {
            None => self.head = Some(key),
            Some(tail) => self.at(tail).next = Some(key),
        }
        key
    }

    /// Takes the first that can be had out of the line. Its entry stays until its owner leaves.
    #[inline]
    pub(crate) fn pop(&mut self) -> Option<(u32, Option<Waker>)> {
        match self.head {
            None => None,
            Some(first) => self.pop_from(first),
        }
    }

    fn pop_from(&mut self, first: u32) -> Option<(u32, Option<Waker>)> {
        let mut next = Some(first);
        while let Some(key) = next {
            self.unlink(key);
            match &mut self.at(key).who {
                Who::Task(waker) => return Some((key, waker.take())),
                Who::Select(claim) => {
                    // SAFETY: the entry was linked a moment ago, under the lock that the caller holds.
                    if let Some(waker) = unsafe { claim.take() } {
                        return Some((key, waker));
                    }
                }
            }
            next = self.head;
        }
        None
    }

    /// The item of an entry that has not left.
    pub(crate) fn item(&mut self, key: u32) -> &mut Option<T> {
        &mut self.at(key).item
    }

    /// The waker of a task that still waits.
    pub(crate) fn waker(&mut self, key: u32) -> Option<&mut Waker> {
        match &mut self.at(key).who {
            Who::Task(waker) => waker.as_mut(),
            Who::Select(_) => None,
        }
    }

    /// Frees an entry, wherever it stands.
    pub(crate) fn leave(&mut self, key: u32) -> Left<T> {
        if self.at(key).linked {
            self.unlink(key);
        }
        let free = self.free.replace(key);
        let entry = self.at(key);
        entry.next = free;
        Left {
            item: entry.item.take(),
            who: std::mem::replace(&mut entry.who, Who::Task(None)),
        }
    }

    fn at(&mut self, key: u32) -> &mut Entry<T> {
        &mut self.entries[key as usize]
    }

    fn unlink(&mut self, key: u32) {
        let entry = self.at(key);
        entry.linked = false;
        let (prev, next) = (entry.prev.take(), entry.next.take());
        match prev {
            None => self.head = next,
            Some(prev) => self.at(prev).next = next,
        }
        match next {
            None => self.tail = prev,
            Some(next) => self.at(next).prev = prev,
        }
    }
}
