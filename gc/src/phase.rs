//! The word that all threads agree on: the number of the cycle and its phase.
//!
//! ```text
//! IDLE(c) --> ARM(c) --> MARK1(c) --> MARK2(c) --> IDLE(c + 1)
//! ```
//!
//! It only increases. A thread reads it when it pins, and acts for as long as it is pinned by what it has read then:
//!
//! | phase | shades what it overwrites | shades what it writes | allocates |
//! |---|---|---|---|
//! | IDLE | - | - | the live colour |
//! | ARM | yes | yes | the live colour, which is white in this cycle |
//! | MARK1 | yes | yes, and what a new object holds | the mark colour: black |
//! | MARK2 | yes | - | the mark colour: black |
//!
//! There are two colours for objects; which of them means marked alternates from cycle to cycle, so that nothing has to be
//! reset. The mark colour of a cycle is the live colour of the next.

/// The word, as a value: odd, so that the state of a thread is the word that it is pinned with, or [`Word::NONE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Word(pub(crate) u64);

/// What a pinned thread does and may expect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub(crate) enum Phase {
    Idle = 0,
    Arm = 1,
    Mark1 = 2,
    Mark2 = 3,
}

/// What a colour byte says: 1 and 2 are those of objects, and the others those of slots without one.
pub(crate) type Color = u8;

/// Tells whether there is an object in a slot of this colour.
pub(crate) const fn is_object(color: Color) -> bool {
    matches!(color, 1 | 2)
}

/// The colour of an object that is not of this one.
pub(crate) const fn other(color: Color) -> Color {
    debug_assert!(is_object(color));
    3 - color
}

/// The colour of a slot that may be used for a new object.
pub(crate) const FREE: Color = 0;

/// The colour of a slot with a value that nobody can reach, and that has to be dropped yet.
pub(crate) const CONDEMNED: Color = 3;

/// The colour of a slot that somebody is filling, while foreign code runs that may do anything.
pub(crate) const TAKEN: Color = 4;

impl Word {
    /// No word. It is before all others.
    pub(crate) const NONE: Word = Word(0);

    /// The first cycle has the number 1, so that there is one before it.
    pub(crate) const FIRST: Word = Word::new(1, Phase::Idle);

    pub(crate) const fn new(cycle: u64, phase: Phase) -> Self {
        Self(8 * cycle + 2 * phase as u64 + 1)
    }

    #[inline]
    pub(crate) const fn cycle(self) -> u64 {
        self.0 / 8
    }

    #[inline]
    pub(crate) const fn phase(self) -> Phase {
        match self.0 / 2 % 4 {
            0 => Phase::Idle,
            1 => Phase::Arm,
            2 => Phase::Mark1,
            _ => Phase::Mark2,
        }
    }

    /// The colour of what is marked in this cycle.
    #[inline]
    pub(crate) const fn mark_color(self) -> Color {
        mark_color(self.cycle())
    }

    /// The colour of a new object.
    #[inline]
    pub(crate) const fn alloc_color(self) -> Color {
        match self.phase() {
            Phase::Idle | Phase::Arm => mark_color(self.cycle() - 1),
            Phase::Mark1 | Phase::Mark2 => mark_color(self.cycle()),
        }
    }

    /// Tells whether pointers that are overwritten must be shaded.
    #[inline]
    pub(crate) const fn shades_old(self) -> bool {
        !matches!(self.phase(), Phase::Idle)
    }

    /// Tells whether pointers that are written must be shaded.
    #[inline]
    pub(crate) const fn shades_new(self) -> bool {
        matches!(self.phase(), Phase::Arm | Phase::Mark1)
    }

    /// Tells whether the pointers in a new object must be shaded: it is black, and they may be to white ones.
    #[inline]
    pub(crate) const fn shades_initial(self) -> bool {
        matches!(self.phase(), Phase::Mark1)
    }

    /// Returns the number of the cycle if it is being marked.
    #[inline]
    pub(crate) const fn marking(self) -> Option<u64> {
        match self.phase() {
            Phase::Idle | Phase::Arm => None,
            Phase::Mark1 | Phase::Mark2 => Some(self.cycle()),
        }
    }
}

/// The colour of what is marked in a cycle.
#[inline]
pub(crate) const fn mark_color(cycle: u64) -> Color {
    1 + (cycle & 1) as Color
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_goes_round_in_order() {
        use Phase::{Arm, Idle, Mark1, Mark2};
        let mut word = Word::FIRST;
        for cycle in 1..4 {
            for phase in [Idle, Arm, Mark1, Mark2] {
                assert_eq!(word, Word::new(cycle, phase));
                assert_eq!((word.cycle(), word.phase()), (cycle, phase));
                assert!(word > Word::NONE);
                word = Word(word.0 + 2);
            }
        }
    }

    #[test]
    fn what_was_marked_is_live_in_the_next_cycle() {
        for cycle in 1..5 {
            let (idle, mark) = (
                Word::new(cycle, Phase::Idle),
                Word::new(cycle, Phase::Mark1),
            );
            assert_ne!(idle.alloc_color(), mark.alloc_color());
            assert_eq!(mark.alloc_color(), mark.mark_color());
            assert_eq!(
                mark.alloc_color(),
                Word::new(cycle + 1, Phase::Idle).alloc_color()
            );
            assert_eq!(
                idle.alloc_color(),
                Word::new(cycle, Phase::Arm).alloc_color()
            );
        }
    }
}
