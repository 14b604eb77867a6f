//! Asking a goroutine to stop, from a handle that owns nothing.
//!
//! An abort handle holds a record and a generation. It writes the generation into the record and wakes the goroutine, which
//! compares it with its own at each poll. A stale handle may write too, after the record was used again: its generation
//! matches nobody.
//!
//! | the aborter | the goroutine, at the end of its first poll |
//! |---|---|
//! | 1. writes the generation | 1. arms its references, so that it can be upgraded |
//! | 2. fence (SeqCst) | 2. fence (SeqCst) |
//! | 3. upgrades and wakes it | 3. looks at the generation once more |
//!
//! If the aborter's fence is first, the goroutine sees the request at 3. If the goroutine's is first, the upgrade succeeds.

use gort_primitives::atomic::{Ordering, fence};

use super::G;

impl G {
    /// Asks the goroutine of `generation` to stop. Does nothing if that one has finished.
    pub(crate) fn abort(&'static self, generation: u32) {
        // Acquire: pairs with the Release below. Whoever sees a newer request sees the newer generation too, and gives up.
        let mut old = self.abort.load(Ordering::Acquire);
        loop {
            if self.generation() != generation {
                return;
            }
            // If the record is used again between the look above and this, and the new goroutine is aborted meanwhile,
            // the exchange fails; if it is not, we leave a generation that matches nobody.
            // Release: publishes the generation, which we have seen, to a stale aborter. The fence below orders the rest.
            match self
                .abort
                .compare_exchange(old, generation, Ordering::Release, Ordering::Acquire)
            {
                Ok(_) => break,
                Err(now) => old = now,
            }
        }
        // SeqCst: see the table of the module.
        fence(Ordering::SeqCst);
        self.wake_if_reachable();
    }

    /// Returns whether the goroutine was asked to stop. Called from its own poll.
    #[inline(always)]
    pub(crate) fn is_aborted(&self) -> bool {
        self.abort.load(Ordering::Relaxed) == self.generation()
    }

    /// [`is_aborted`](Self::is_aborted), after the references were armed.
    #[inline]
    pub(crate) fn is_aborted_after_arming(&self) -> bool {
        // SeqCst: see the table of the module.
        fence(Ordering::SeqCst);
        self.is_aborted()
    }
}
