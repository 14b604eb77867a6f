//! Stepping aside: what is known to block is polled without a P from the start.
//!
//! The monitor needs a millisecond to find that a poll blocks, and ten that it computes. A goroutine that did so in its
//! last poll will often do it again, so its M gives the P away before it polls, and is then what it would have become: an M
//! without a P. A poll that turns out to be short ends the habit.

use std::time::{Duration, Instant};

use crate::g::{G, Habit};
use crate::m::Here;
use crate::shared::Shared;

/// A poll that is shorter ends the habit. Thin air: half of what the monitor calls blocked.
const SHORT: Duration = Duration::from_micros(500);

/// A poll without a P. Ends when dropped.
#[must_use]
pub(crate) struct Aside<'m> {
    g: &'static G,
    began: Instant,
    /// The runtime that counts this M as computing without a P.
    counted: Option<&'m Shared>,
}

impl<'m> Here<'m> {
    /// Gives the P away before a poll of a goroutine with a habit.
    #[cold]
    pub(crate) fn step_aside(self, g: &'static G) -> Aside<'m> {
        let counted = match g.habit() {
            Habit::Computes if self.rt().start_aside() => Some(self.rt()),
            _ => None,
        };
        if counted.is_some() || g.habit() == Habit::Blocks {
            self.give_p_away();
        }
        Aside {
            g,
            began: Instant::now(),
            counted,
        }
    }
}

impl Drop for Aside<'_> {
    fn drop(&mut self) {
        if let Some(rt) = self.counted {
            rt.end_aside();
        }
        if self.began.elapsed() < SHORT {
            self.g.set_habit(Habit::None);
        }
    }
}
