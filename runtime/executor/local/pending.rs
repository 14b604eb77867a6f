//! The wakers of the tasks of a [`LocalExecutor`](super::LocalExecutor) that have waited at least once: a plain list, since one
//! thread keeps, forgets and wakes them.

use std::cell::{Cell, UnsafeCell};
use std::mem;
use std::task::Waker;

/// The wakers.
#[derive(Debug, Default)]
pub(super) struct Pending {
    entries: UnsafeCell<Vec<Entry>>,
    /// The first free entry, as its index + 1.
    free: Cell<u32>,
}

/// An entry that belongs to a task.
#[derive(Debug)]
pub(super) struct Ticket(u32);

#[derive(Debug)]
enum Entry {
    Kept(Waker),
    /// With the next free entry, as its index + 1.
    Free(u32),
}

impl Pending {
    pub(super) fn keep(&self, waker: Waker) -> Ticket {
        // SAFETY: the type is not Sync, and no foreign code runs below, so this is the only reference.
        let entries = unsafe { &mut *self.entries.get() };
        match self.free.get().checked_sub(1) {
            Some(index) => {
                let old = mem::replace(&mut entries[index as usize], Entry::Kept(waker));
                let Entry::Free(next) = old else {
                    unreachable!("a free entry has no waker");
                };
                self.free.set(next);
                Ticket(index)
            }
            None => {
                let index = u32::try_from(entries.len()).expect("too many tasks wait");
                entries.push(Entry::Kept(waker));
                Ticket(index)
            }
        }
    }

    pub(super) fn forget(&self, ticket: Ticket) -> Option<Waker> {
        let Ticket(index) = ticket;
        // SAFETY: as in `keep`; the waker is dropped by the caller.
        let entries = unsafe { &mut *self.entries.get() };
        let free = Entry::Free(self.free.replace(index + 1));
        match mem::replace(&mut entries[index as usize], free) {
            Entry::Kept(waker) => Some(waker),
            Entry::Free(_) => None,
        }
    }

    /// Wakes every task that has a ticket, by `wake`, which neither keeps nor forgets any.
    pub(super) fn wake_all(&self) {
        // SAFETY: as in `keep`: waking a task of an executor only queues it.
        let entries = unsafe { &*self.entries.get() };
        for entry in entries {
            if let Entry::Kept(waker) = entry {
                waker.wake_by_ref();
            }
        }
    }
}

#[cfg(all(test, not(gort_loom)))]
mod tests {
    use super::*;

    #[test]
    fn entries_are_used_again() {
        let pending = Pending::default();
        for _ in 0..3 {
            let tickets: Vec<Ticket> = (0..100)
                .map(|_| pending.keep(Waker::noop().clone()))
                .collect();
            for ticket in tickets {
                assert!(pending.forget(ticket).is_some());
            }
        }
        assert_eq!(pending.entries.into_inner().len(), 100);
    }
}
