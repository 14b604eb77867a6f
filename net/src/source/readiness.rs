//! The readiness word: what the reactor last said about a descriptor, one word for both directions.
//!
//! ```text
//! [ write tick: 29 | read tick: 29 | 0 | BROKEN | write waiting | read waiting | write ready | read ready ]
//! ```
//!
//! * *ready*: set if a call in this direction may succeed. Set by an event; cleared only by a thread whose call said
//!   `WouldBlock` (or transferred less than it asked for), and only if no event came since before that call.
//! * *waiting*: set if a waker of this direction may be in the lists of [`Waiters`](super::waiters::Waiters). Set under the
//!   lock of the lists; taken down by the event that undertakes to empty them.
//! * *BROKEN*: set if the peer shut down, hung up, the descriptor has an error, or urgent data came. Never cleared. A short transfer
//!   then no longer proves that the next call would block.
//! * *tick*: counts the events of a direction, modulo 2^29. A thread remembers it before its call. That is the whole
//!   answer to the lost edge: an event that arrives between the call and the clear moves the tick, and the clear does nothing.
//!
//! Reading a ready descriptor costs one load of this word and no locked instruction.
//!
//! Rejected: one word for each direction (an edge registration reports both at once: two locked instructions for each event instead
//! of one), and one tick for both (a write event would undo a reader's clear and cost a needless call).

use gort_primitives::atomic::{AtomicU64, Ordering};

/// One of the two ways bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Read,
    Write,
}

impl Direction {
    pub(crate) const BOTH: [Self; 2] = [Self::Read, Self::Write];

    #[inline(always)]
    fn ready(self) -> u64 {
        1 << self as u32
    }

    #[inline(always)]
    fn waiting(self) -> u64 {
        1 << (2 + self as u32)
    }

    #[inline(always)]
    fn tick_shift(self) -> u32 {
        TICK_SHIFT + TICK_BITS * self as u32
    }
}

const BROKEN: u64 = 1 << 4;
const TICK_SHIFT: u32 = 6;
const TICK_BITS: u32 = 29;
const TICK: u64 = (1 << TICK_BITS) - 1;

const _: () = assert!(TICK_SHIFT + 2 * TICK_BITS == 64);

/// What one event says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) read: bool,
    pub(crate) write: bool,
    pub(crate) broken: bool,
}

impl Event {
    fn is(self, direction: Direction) -> bool {
        match direction {
            Direction::Read => self.read,
            Direction::Write => self.write,
        }
    }
}

/// A copy of the word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen(u64);

impl Seen {
    #[inline(always)]
    pub(crate) fn is_ready(self, direction: Direction) -> bool {
        self.0 & direction.ready() != 0
    }

    #[inline(always)]
    pub(crate) fn is_broken(self) -> bool {
        self.0 & BROKEN != 0
    }

    #[inline(always)]
    pub(crate) fn is_waited_for(self, direction: Direction) -> bool {
        self.0 & direction.waiting() != 0
    }

    #[inline(always)]
    fn tick(self, direction: Direction) -> u64 {
        self.0 >> direction.tick_shift() & TICK
    }

    /// Whether no event of this direction lies between the two copies.
    #[inline(always)]
    pub(crate) fn is_as_fresh_as(self, later: Seen, direction: Direction) -> bool {
        self.tick(direction) == later.tick(direction)
    }

    fn after(self, event: Event) -> Seen {
        let mut word = self.0;
        for direction in Direction::BOTH {
            if event.is(direction) {
                let shift = direction.tick_shift();
                let tick = (self.tick(direction) + 1) & TICK;
                word = word & !(TICK << shift) & !direction.waiting();
                word |= tick << shift | direction.ready();
            }
        }
        if event.broken {
            word |= BROKEN;
        }
        Seen(word)
    }
}

/// What [`Readiness::clear`] did.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Cleared {
    /// The direction is not ready; the next event will say when it is.
    Yes,
    /// An event came after the copy was taken: the call is worth another try.
    EventCame,
}

/// The word of the module.
#[derive(Debug)]
pub(crate) struct Readiness(AtomicU64);

impl Readiness {
    /// A word that says ready in both directions (the first call is worth a try), or in none.
    pub(crate) fn new(ready: bool) -> Self {
        let word = if ready {
            Direction::Read.ready() | Direction::Write.ready()
        } else {
            0
        };
        Self(AtomicU64::new(word))
    }

    #[inline(always)]
    pub(crate) fn load(&self) -> Seen {
        // Acquire: what the driver knew of the descriptor happens before our call; pairs with the Release in `deliver`.
        Seen(self.0.load(Ordering::Acquire))
    }

    /// Takes `ready` down, unless an event came since `seen` was copied.
    pub(crate) fn clear(&self, direction: Direction, seen: Seen) -> Cleared {
        let mut now = seen;
        loop {
            if !seen.is_as_fresh_as(now, direction) {
                return Cleared::EventCame;
            }
            if !now.is_ready(direction) {
                return Cleared::Yes;
            }
            // Relaxed, Relaxed: the word itself is all that is communicated; a later event sees or follows this value in the
            // word's modification order.
            match self.0.compare_exchange_weak(
                now.0,
                now.0 & !direction.ready(),
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Cleared::Yes,
                Err(word) => now = Seen(word),
            }
        }
    }

    /// Sets `waiting` and returns the word as it was. The caller holds the lock of the lists, its waker in them.
    pub(crate) fn announce(&self, direction: Direction) -> Seen {
        // Acquire: as in `load`, for a caller that finds a new tick. The order against `deliver` is the order of the word: an event
        // after this sees `waiting`; an event before this has moved the tick that we return.
        Seen(self.0.fetch_or(direction.waiting(), Ordering::Acquire))
    }

    /// Enters an event and returns the word as it was: where `waiting` was set, the caller must empty the list.
    pub(crate) fn deliver(&self, event: Event) -> Seen {
        let mut now = Seen(self.0.load(Ordering::Relaxed));
        loop {
            // Release: pairs with the Acquire in `load` and in `announce`. Relaxed on failure: only a better guess.
            match self.0.compare_exchange_weak(
                now.0,
                now.after(event).0,
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                Ok(_) => return now,
                Err(word) => now = Seen(word),
            }
        }
    }
}

#[cfg(all(test, not(gort_loom)))]
mod tests {
    use super::Direction::{Read, Write};
    use super::*;

    const READ: Event = Event {
        read: true,
        write: false,
        broken: false,
    };
    const BOTH: Event = Event {
        read: true,
        write: true,
        broken: false,
    };

    #[test]
    fn a_clear_takes_down_one_direction() {
        let word = Readiness::new(true);
        assert_eq!(word.clear(Read, word.load()), Cleared::Yes);
        assert!(!word.load().is_ready(Read));
        assert!(word.load().is_ready(Write));
    }

    #[test]
    fn an_event_after_the_look_undoes_the_clear() {
        let word = Readiness::new(true);
        let seen = word.load();
        let _ = word.deliver(READ);
        assert_eq!(word.clear(Read, seen), Cleared::EventCame);
        assert!(word.load().is_ready(Read));
        assert_eq!(
            word.clear(Write, seen),
            Cleared::Yes,
            "the other direction has its own tick"
        );
    }

    #[test]
    fn an_event_takes_the_announcement_of_its_direction() {
        let word = Readiness::new(false);
        let _ = word.announce(Read);
        let _ = word.announce(Write);
        let before = word.deliver(READ);
        assert!(before.is_waited_for(Read));
        assert!(!word.load().is_waited_for(Read));
        assert!(word.load().is_waited_for(Write));
    }

    #[test]
    fn ticks_wrap_without_touching_their_neighbours() {
        let word = Readiness(AtomicU64::new(u64::MAX << TICK_SHIFT));
        let seen = word.load();
        let _ = word.deliver(BOTH);
        let now = word.load();
        assert_eq!((now.tick(Read), now.tick(Write)), (0, 0));
        assert!(now.is_ready(Read) && now.is_ready(Write) && !now.is_broken());
        assert!(!seen.is_as_fresh_as(now, Read));
    }

    #[test]
    fn broken_stays() {
        let word = Readiness::new(false);
        let _ = word.deliver(Event {
            broken: true,
            ..READ
        });
        let _ = word.clear(Read, word.load());
        let _ = word.deliver(READ);
        assert!(word.load().is_broken());
    }
}
