//! The word that all threads agree on, and the states that tell who is pinned with which.
//!
//! Pinning is Dekker's protocol with the collector:
//!
//! | [`State::pin`] | [`Epoch::advance`], then [`State::get`] |
//! |---|---|
//! | reads the word | writes the new word |
//! | writes it to the state | |
//! | half a fence | half a fence |
//! | reads the word again: if it is another, back to the second line | reads the state |
//!
//! *If ours is first*, the collector sees our state and waits for us. *If theirs is first*, we see the new word, and publish
//! that. The second look is needed: between the first and the write the collector may have found nobody pinned.

use gort_primitives::atomic::{AtomicU64, Ordering};

use crate::fence;
use crate::phase::Word;
use crate::seeded::bug;

/// The word of all threads. Every pin reads it, so nothing else that is written shares its cache line.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Epoch(AtomicU64);

/// Whether one thread is pinned, and with which word: [`Word::NONE`] if it is not.
#[derive(Debug)]
pub(crate) struct State(AtomicU64);

impl Epoch {
    #[cfg(not(gort_loom))]
    pub(crate) const fn new() -> Self {
        Self(AtomicU64::new(Word::FIRST.0))
    }

    #[cfg(gort_loom)]
    pub(crate) fn new() -> Self {
        Self(AtomicU64::new(Word::FIRST.0))
    }

    /// The word of now.
    pub(crate) fn word(&self) -> Word {
        // Acquire: pairs with the Release in `advance`.
        Word(self.0.load(Ordering::Acquire))
    }

    /// Goes on to the next word. Whoever pins after this either has it, or is seen by the caller with an older one.
    pub(crate) fn advance(&self, word: Word) {
        // Release: what the collector did comes before what is done under the new word.
        self.0.store(word.0, Ordering::Release);
        // Pairs with the half in `State::pin`.
        fence::heavy();
    }
}

impl State {
    pub(crate) fn unpinned() -> Self {
        Self(AtomicU64::new(Word::NONE.0))
    }

    /// Pins, or pins anew with the word of now. This is for threads whose half of the fence is the light one.
    #[inline]
    pub(crate) fn pin(&self, epoch: &Epoch) {
        // Relaxed: a guess, confirmed below.
        let word = epoch.0.load(Ordering::Relaxed);
        // Release: a collector that reads this and not the end of our last pin is after that all the same.
        self.0.store(word, Ordering::Release);
        fence::light();
        // Acquire: pairs with the Release in `advance`; what comes before a phase comes before those who are in it.
        if epoch.0.load(Ordering::Acquire) != word && !bug("no second look at the word") {
            self.pin_fenced(epoch);
        }
    }

    /// Pins with a full fence.
    #[cold]
    pub(crate) fn pin_fenced(&self, epoch: &Epoch) {
        // Relaxed: as in `pin`.
        let mut word = epoch.0.load(Ordering::Relaxed);
        loop {
            // Release: as in `pin`.
            self.0.store(word, Ordering::Release);
            fence::full();
            // Acquire: as in `pin`.
            let now = epoch.0.load(Ordering::Acquire);
            if now == word || bug("no second look at the word") {
                return;
            }
            word = now;
        }
    }

    #[inline]
    pub(crate) fn unpin(&self) {
        // Release: what was done under the pin comes before what the collector does when it sees this.
        self.0.store(Word::NONE.0, Ordering::Release);
    }

    /// The word of the pin, for the thread that is pinned.
    #[inline]
    pub(crate) fn own(&self) -> Word {
        // Relaxed: written by this thread.
        Word(self.0.load(Ordering::Relaxed))
    }

    /// The word of the pin, if there is one, for others.
    pub(crate) fn get(&self) -> Option<Word> {
        // Acquire: pairs with the Release in `unpin` and `pin`.
        let word = Word(self.0.load(Ordering::Acquire));
        (word != Word::NONE).then_some(word)
    }
}

#[cfg(all(test, gort_loom))]
mod model;
