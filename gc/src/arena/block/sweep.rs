//! The sweep of one block: colour by colour where others are at work in it, by words of eight where nobody is. Who may do what is said
//! in the table of the module above.

use super::super::eight::{Count, Eight, LANES, Lanes};
use super::super::poison;
use super::{Block, Found};
use crate::phase::{CONDEMNED, Color, FREE, other};

impl Block {
    /// Frees all objects without the colour `live`, when all that can be reached have it; condemns them if they must be
    /// dropped. The caller holds the lock of the lists, or has the block in the state `Sweeping`.
    pub(in crate::arena) fn sweep(self, live: Color) -> Found {
        self.sweep_words(live, |first| self.eight(first), Self::free_lanes)
    }

    /// The same, but leaves the colours of a block as they are in which all slots are free then.
    ///
    /// # Safety
    ///
    /// The caller has the block in the state `Sweeping`, and slots are not filled by foreign code.
    pub(in crate::arena) unsafe fn sweep_alone(self, live: Color) -> Found {
        // SAFETY: the caller vouches that nobody changes colours.
        let word = |first| unsafe { self.word(first) };
        let found = self.sweep_words(live, word, |_, _, _, _| {});
        if found.dead == 0 || found.free == self.slots() {
            return found;
        }
        self.sweep_words(live, word, |block, first, colors, dead| {
            if colors.lanes(live).is_empty() {
                // SAFETY: the same, and nobody looks at those of slots without an object.
                unsafe { block.free_word(first, colors, dead) };
            } else {
                block.free_lanes(first, colors, dead);
            }
        })
    }

    /// Calls `free` with the first of each eight slots, their colours, and those of them that are dead.
    #[inline]
    fn sweep_words(
        self,
        live: Color,
        read: impl Fn(usize) -> Eight,
        free: impl Fn(Self, usize, Eight, Lanes),
    ) -> Found {
        let (mut lives, mut deads, mut frees) = <(Count, Count, Count)>::default();
        for first in (0..self.slots()).step_by(LANES) {
            let colors = read(first);
            let dead = colors.lanes(other(live));
            lives.add(colors.lanes(live));
            deads.add(dead);
            frees.add(colors.lanes(FREE));
            if !dead.is_empty() {
                free(self, first, colors, dead);
            }
        }
        let padding = self.slots().next_multiple_of(LANES) - self.slots();
        let (dead, free) = (deads.total(), frees.total() - padding);
        Found {
            live: lives.total(),
            dead,
            free: free + if self.vtable().needs_drop { 0 } else { dead },
        }
    }

    /// Eight colours.
    #[inline]
    fn eight(self, first: usize) -> Eight {
        Eight::of_each(|lane| self.color(first + lane).get())
    }

    /// The same.
    ///
    /// # Safety
    ///
    /// Nobody changes them meanwhile.
    #[inline]
    unsafe fn word(self, first: usize) -> Eight {
        let word = self.color_ptr(first).cast::<u64>();
        // SAFETY: the caller vouches for it; words of colours are aligned, and complete. Volatile: see the head of the file.
        Eight::of_memory(unsafe { word.read_volatile() })
    }

    /// Frees or condemns dead slots.
    #[inline]
    fn free_lanes(self, first: usize, _: Eight, dead: Lanes) {
        for slot in dead.map(|lane| first + lane) {
            if self.vtable().needs_drop {
                self.color(slot).condemn();
            } else {
                self.free(slot);
            }
        }
    }

    /// The same, for all dead slots of eight of these colours, none of which is alive.
    ///
    /// # Safety
    ///
    /// Nobody looks at their colours meanwhile.
    #[inline]
    unsafe fn free_word(self, first: usize, colors: Eight, dead: Lanes) {
        let freed = if self.vtable().needs_drop {
            CONDEMNED
        } else {
            let dead = dead.filter(|_| poison::IS_ON);
            dead.for_each(|lane| self.poison(first + lane));
            FREE
        };
        let word = self.color_ptr(first).cast::<u64>();
        // SAFETY: the same; words of colours are aligned, and complete.
        unsafe { word.write(colors.with(dead, freed).to_memory()) };
    }
}
