//! Who waits for a descriptor: the readiness word, and behind it the lists of wakers, under one lock.
//!
//! | a task that would block | the driver with an event |
//! |---|---|
//! | 1. copies the word | 1. enters the event: tick + 1, `ready`, takes `waiting` (one exchange) |
//! | 2. makes the call, which says `WouldBlock` | 2. if `waiting` was set: lock, take the wakers out, unlock |
//! | 3. clears `ready` if the tick is unchanged | 3. gives the baton back |
//! | 4. lock: puts its waker in, sets `waiting` (one exchange) | 4. wakes |
//! | 5. tick changed since 1: takes the waker out and tries again | |
//!
//! The driver's 1 and the task's 4 are exchanges of one word. If the event is first, 5 finds a new tick. If the task is
//! first, the driver finds `waiting`; it then gets the lock after the task, and finds the waker. An event wakes *every* waiter of
//! its direction, so a waiter that is dropped, woken or not, takes nothing with it.
//!
//! In oneshot mode a registration is dead after each event until it is armed again. Whoever changes the lists arms, under their lock,
//! for exactly the directions that have waiters: the last to arm knows the whole truth.
//!
//! Each direction has a *slot* for the `poll_*` functions, which keep one waker, and a list for the named futures, which keep one each.
//! Another task that comes to the slot wakes the one that it puts out, which comes back: two that read one descriptor take turns, at the
//! cost of some CPU, and neither is forgotten. That is what async-io promises.
//!
//! Lock rank: 2, below the registry of the reactor (the driver holds that one when it delivers). Wakers are cloned before the lock
//! and dropped after it, because both are foreign code.
//!
//! Rejected: `AtomicWaker` for the slot (one more word and the same number of locked instructions), and intrusive nodes in the
//! futures (they would have to be `!Unpin`, and async-io's are not).

use std::io;
use std::num::NonZeroU32;
use std::task::{Poll, Waker};

use gort_primitives::sync::{Mutex, MutexGuard};
use slab::Slab;

use super::readiness::{Cleared, Direction, Event, Readiness, Seen};

#[cfg(all(test, gort_loom))]
mod model;
#[cfg(all(test, not(gort_loom)))]
mod tests;

/// The word and the lists.
#[derive(Debug)]
pub(crate) struct Waiters {
    word: Readiness,
    lists: Mutex<Lists>,
}

#[derive(Debug, Default)]
struct Lists {
    read: List,
    write: List,
}

#[derive(Debug, Default)]
struct List {
    slot: Option<Waker>,
    named: Slab<Waker>,
    /// How often the list was emptied: a [`Ticket`] of an older epoch is void.
    epoch: u32,
}

/// Where a named future's waker is, if it is anywhere.
#[derive(Debug, Default)]
pub(crate) struct Ticket(Option<Entry>);

/// Small, because every handle of a socket has two tickets.
#[derive(Clone, Copy, Debug)]
struct Entry {
    /// One more than the key in the list, so that a ticket without an entry takes no more room.
    key: NonZeroU32,
    epoch: u32,
}

const _: () = assert!(size_of::<Ticket>() == 8);

impl Entry {
    fn new(key: usize, epoch: u32) -> Self {
        let key = u32::try_from(key + 1).ok().and_then(NonZeroU32::new);
        Self {
            key: key.expect("four billion wakers do not fit in memory"),
            epoch,
        }
    }

    fn key(self) -> usize {
        self.key.get() as usize - 1
    }
}

/// Where a waiter keeps its waker.
#[derive(Debug)]
pub(crate) enum Place<'a> {
    /// In the slot of the direction.
    Slot,
    /// In the list, one for each ticket.
    Ticket(&'a mut Ticket),
}

impl Place<'_> {
    pub(crate) fn reborrow(&mut self) -> Place<'_> {
        match self {
            Place::Slot => Place::Slot,
            Place::Ticket(ticket) => Place::Ticket(ticket),
        }
    }
}

/// What [`Waiters::wait`] did.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
enum Wait {
    /// The waker is in place: the next event wakes it.
    Registered,
    /// An event came since the word was copied: try again.
    EventCame,
}

/// The directions to arm a oneshot registration for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Interest {
    pub(crate) read: bool,
    pub(crate) write: bool,
}

impl Waiters {
    /// `ready` says whether the first call of each direction is worth a try.
    pub(crate) fn new(ready: bool) -> Self {
        Self {
            word: Readiness::new(ready),
            lists: Mutex::new(Lists::default()),
        }
    }

    #[inline(always)]
    fn load(&self) -> Seen {
        self.word.load()
    }

    /// Makes `call` when it may succeed; after `WouldBlock` it waits for the next event. The left column of the module's table.
    ///
    /// `call` gets the copy of the word that was taken before it. It must say `WouldBlock` only if the descriptor does.
    #[inline]
    pub(crate) fn poll_call<R>(
        &self,
        direction: Direction,
        waker: &Waker,
        mut place: Place<'_>,
        arm: impl Fn(Interest) -> io::Result<()>,
        mut call: impl FnMut(Seen) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        loop {
            let seen = self.load();
            if seen.is_ready(direction) {
                match call(seen) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        if self.clear(direction, seen) == Cleared::EventCame {
                            continue;
                        }
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    outcome => return Poll::Ready(outcome),
                }
            }
            match self.wait(direction, seen, place.reborrow(), waker, &arm) {
                Ok(Wait::Registered) => return Poll::Pending,
                Ok(Wait::EventCame) => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// Waits until `is_ready` says so: the same, with a question in the place of the call, and nothing cached.
    pub(crate) fn poll_ready(
        &self,
        direction: Direction,
        waker: &Waker,
        mut place: Place<'_>,
        arm: impl Fn(Interest) -> io::Result<()>,
        is_ready: impl Fn() -> io::Result<bool>,
    ) -> Poll<io::Result<()>> {
        loop {
            let seen = self.load();
            let outcome = match is_ready() {
                Ok(true) => return Poll::Ready(Ok(())),
                Ok(false) => self.wait(direction, seen, place.reborrow(), waker, &arm),
                Err(error) => Err(error),
            };
            match outcome {
                Ok(Wait::Registered) => return Poll::Pending,
                Ok(Wait::EventCame) => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    #[inline]
    pub(crate) fn clear(&self, direction: Direction, seen: Seen) -> Cleared {
        self.word.clear(direction, seen)
    }

    /// Puts `waker` in `place`, unless an event of this direction came since `seen` was copied.
    ///
    /// `arm` is called under the lock with all directions that have waiters.
    #[cold]
    fn wait(
        &self,
        direction: Direction,
        seen: Seen,
        place: Place<'_>,
        waker: &Waker,
        arm: impl FnOnce(Interest) -> io::Result<()>,
    ) -> io::Result<Wait> {
        let shared = matches!(place, Place::Slot);
        let cloned = waker.clone();
        let mut place = place;
        let mut lists = self.lock();
        let list = lists.list(direction);
        let displaced = list.put(place.reborrow(), cloned);
        let now = self.word.announce(direction);
        let outcome = if !seen.is_as_fresh_as(now, direction) {
            Ok(Wait::EventCame)
        } else {
            arm(lists.interest()).map(|()| Wait::Registered)
        };
        let withdrawn = match outcome {
            Ok(Wait::Registered) => None,
            _ => lists.list(direction).take(place),
        };
        drop(lists);
        // Foreign code, and so outside of the lock.
        drop(withdrawn);
        match displaced {
            Some(other) if shared && !is_same(&other, waker) => other.wake(),
            same => drop(same),
        }
        outcome
    }

    /// Takes the waker of `ticket` out.
    #[inline]
    pub(crate) fn cancel(&self, direction: Direction, ticket: &mut Ticket) {
        if ticket.0.is_some() {
            self.cancel_slow(direction, ticket);
        }
    }

    /// The future has waited.
    #[cold]
    fn cancel_slow(&self, direction: Direction, ticket: &mut Ticket) {
        let waker = self.lock().list(direction).take(Place::Ticket(ticket));
        drop(waker);
    }

    /// Enters an event and moves the wakers of its directions into `wakers`.
    ///
    /// `rearm` is for oneshot mode: it is called under the lock with the directions that still have waiters, if there are any. If it
    /// fails, those are woken too, and learn why from their own attempt to wait.
    pub(crate) fn deliver(
        &self,
        event: Event,
        wakers: &mut Vec<Waker>,
        rearm: Option<impl FnOnce(Interest) -> io::Result<()>>,
    ) {
        let before = self.word.deliver(event);
        let read = event.read && before.is_waited_for(Direction::Read);
        let write = event.write && before.is_waited_for(Direction::Write);
        let left_over = rearm.is_some()
            && Direction::BOTH
                .iter()
                .any(|&direction| before.is_waited_for(direction));
        if !(read || write || left_over) {
            return;
        }
        let mut lists = self.lock();
        if read {
            lists.read.drain_into(wakers);
        }
        if write {
            lists.write.drain_into(wakers);
        }
        let interest = lists.interest();
        if let Some(rearm) = rearm
            && (interest.read || interest.write)
            && rearm(interest).is_err()
        {
            lists.read.drain_into(wakers);
            lists.write.drain_into(wakers);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Lists> {
        self.lists.lock().expect("nothing panics under this lock")
    }
}

/// Whether both wake the same task, as far as can be known. Not [`Waker::will_wake`]: the compiler may make several copies of a table of
/// functions, and of the functions, and a task that took itself for another would wake itself for ever. What a waker holds is the
/// task's alone, unless it holds nothing.
fn is_same(one: &Waker, other: &Waker) -> bool {
    let alike = one.data() == other.data();
    alike && (!one.data().is_null() || one.vtable() == other.vtable())
}

impl Lists {
    fn list(&mut self, direction: Direction) -> &mut List {
        match direction {
            Direction::Read => &mut self.read,
            Direction::Write => &mut self.write,
        }
    }

    fn interest(&self) -> Interest {
        Interest {
            read: !self.read.is_empty(),
            write: !self.write.is_empty(),
        }
    }
}

impl List {
    fn is_empty(&self) -> bool {
        self.slot.is_none() && self.named.is_empty()
    }

    /// Puts `waker` in and returns the one it displaced.
    fn put(&mut self, place: Place<'_>, waker: Waker) -> Option<Waker> {
        match place {
            Place::Slot => self.slot.replace(waker),
            Place::Ticket(ticket) => match ticket.0 {
                Some(entry) if entry.epoch == self.epoch => {
                    Some(std::mem::replace(&mut self.named[entry.key()], waker))
                }
                _ => {
                    ticket.0 = Some(Entry::new(self.named.insert(waker), self.epoch));
                    None
                }
            },
        }
    }

    fn take(&mut self, place: Place<'_>) -> Option<Waker> {
        match place {
            Place::Slot => self.slot.take(),
            Place::Ticket(ticket) => {
                let entry = ticket.0.take()?;
                (entry.epoch == self.epoch).then(|| self.named.remove(entry.key()))
            }
        }
    }

    fn drain_into(&mut self, wakers: &mut Vec<Waker>) {
        wakers.extend(self.slot.take());
        if !self.named.is_empty() {
            wakers.extend(self.named.drain());
            self.epoch = self.epoch.wrapping_add(1);
        }
    }
}
