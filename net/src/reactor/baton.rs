//! The baton: the right of one thread to wait in the reactor.
//!
//! One word, `[turns: 31 bits | taken: 1 bit]`. Whoever takes the baton counts a turn, so a monitor that sees the same
//! number in two rounds, and the baton free in the second, knows that nobody polled in between.
//!
//! The baton is a try-lock and nothing more: nobody queues for it, and giving it back wakes nobody. A thread that finds it
//! taken has something better to do than to wait for it.
//!
//! Rejected: a `Mutex` around the event buffer (its futex word cannot count turns), and handing the baton to a waiter (the
//! thread that leaves is about to run goroutines; a wake-up here costs more than the poll it saves).

use gort_primitives::atomic::{AtomicU32, Ordering};

const TAKEN: u32 = 1;
const ONE_TURN: u32 = 2;

/// The word of the module.
#[derive(Debug)]
pub(crate) struct Baton(AtomicU32);

impl Baton {
    pub(crate) fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// Takes the baton if it is free.
    #[inline]
    #[must_use]
    pub(crate) fn try_take(&self) -> bool {
        // Relaxed: a guess that the exchange below verifies.
        let word = self.0.load(Ordering::Relaxed);
        word & TAKEN == 0
            && self
                .0
                .compare_exchange(
                    word,
                    word.wrapping_add(ONE_TURN) | TAKEN,
                    // Acquire: what the last holder did to the event buffer and the notification word happens before our turn;
                    // pairs with the Release in `give_back`.
                    Ordering::Acquire,
                    Ordering::Relaxed,
                )
                .is_ok()
    }

    /// Gives the baton back. Only the holder may call this.
    #[inline]
    pub(crate) fn give_back(&self) {
        // Relaxed: only the holder changes a taken word, so this reads its own write.
        let word = self.0.load(Ordering::Relaxed);
        debug_assert!(word & TAKEN != 0, "give_back: the baton is free");
        // Release: publishes the event buffer to the Acquire in `try_take`. A plain store will do, because every other
        // writer expects TAKEN to be clear.
        self.0.store(word & !TAKEN, Ordering::Release);
    }

    /// Whether somebody has it.
    #[inline]
    pub(crate) fn is_taken(&self) -> bool {
        // Relaxed: stale as soon as it is read, and the callers know it.
        self.0.load(Ordering::Relaxed) & TAKEN != 0
    }

    /// How often it was taken, modulo 2^31.
    #[inline]
    pub(crate) fn turns(&self) -> u32 {
        // Relaxed: a monitor compares it with what it saw a round ago; nothing is read on the strength of it.
        self.0.load(Ordering::Relaxed) >> 1
    }
}

#[cfg(all(test, not(gort_loom)))]
mod tests {
    use super::*;

    #[test]
    fn one_thread_at_a_time_has_the_baton() {
        let baton = Baton::new();
        assert!(baton.try_take());
        assert!(baton.is_taken());
        assert!(!baton.try_take());
        baton.give_back();
        assert!(!baton.is_taken());
        assert!(baton.try_take());
    }

    #[test]
    fn every_turn_counts_and_the_counter_wraps() {
        let baton = Baton(AtomicU32::new(u32::MAX - 1));
        let before = baton.turns();
        assert!(baton.try_take());
        assert_eq!(baton.turns(), 0);
        assert_ne!(baton.turns(), before);
        assert!(!baton.try_take());
        baton.give_back();
        assert_eq!(baton.turns(), 0);
    }
}

#[cfg(all(test, gort_loom))]
mod model {
    use super::*;
    use gort_primitives::cell::UnsafeCell;
    use gort_primitives::sync::Arc;
    use gort_primitives::thread;

    struct Guarded {
        baton: Baton,
        events: UnsafeCell<u32>,
    }

    // SAFETY: `events` is touched by the holder of the baton only; loom's cell checks exactly that.
    unsafe impl Sync for Guarded {}

    fn turn(it: &Guarded) -> bool {
        if !it.baton.try_take() {
            return false;
        }
        it.events.with_mut(|events| {
            // SAFETY: this thread has the baton.
            unsafe { *events += 1 }
        });
        it.baton.give_back();
        true
    }

    #[test]
    fn model_the_baton_guards_the_event_buffer() {
        gort_primitives::model(|| {
            let it = Arc::new(Guarded {
                baton: Baton::new(),
                events: UnsafeCell::new(0),
            });
            let other = {
                let it = Arc::clone(&it);
                thread::spawn(move || u32::from(turn(&it)) + u32::from(turn(&it)))
            };
            let mine = u32::from(turn(&it));
            let theirs = other.join().unwrap();
            assert!(mine + theirs >= 1);
            assert_eq!(it.baton.turns(), mine + theirs);
            assert!(it.baton.try_take(), "a baton given back is free");
        });
    }
}
