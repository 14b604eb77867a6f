//! Who else drives, against the backstop on its way into the kernel: the second table of the module above.

use gort_primitives::atomic::{AtomicBool, AtomicUsize, Ordering, totally_ordered};
use gort_primitives::thread::yield_now;

/// The words of the table.
#[derive(Debug)]
pub(super) struct Claims {
    /// Runtimes with a monitor.
    adopters: AtomicUsize,
    /// Threads that drive when they park.
    intents: AtomicUsize,
    /// Set while the backstop has the baton, or is about to take it.
    driving: AtomicBool,
}

/// Whether a wait may last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    /// Until something happens.
    Endless,
    /// Not at all.
    None,
}

impl Claims {
    pub(super) fn new() -> Self {
        Self {
            adopters: AtomicUsize::new(0),
            intents: AtomicUsize::new(0),
            driving: AtomicBool::new(false),
        }
    }

    /// Counts a runtime in, and returns when the backstop has left. `ring` ends a wait in the kernel, this one or the next.
    pub(super) fn adopt(&self, ring: impl Fn()) {
        // Without a bound: the backstop calls no foreign code before it clears `driving`.
        Self::count_in(&self.adopters);
        self.send_out(ring, usize::MAX);
    }

    /// Takes a runtime out. Returns whether it was the last.
    pub(super) fn disown(&self) -> bool {
        // SeqCst: before the caller's look at the sources; pairs with the load in `is_adopted`, which comes after a source was counted.
        let before = self.adopters.fetch_sub(1, Ordering::SeqCst);
        totally_ordered();
        debug_assert!(before > 0, "disown: not adopted");
        before == 1
    }

    /// Counts a thread in, and gives the backstop some time, `yields`, to leave.
    #[inline]
    pub(super) fn intend(&self, ring: impl Fn(), yields: usize) {
        Self::count_in(&self.intents);
        self.send_out(ring, yields);
    }

    pub(super) fn intend_no_more(&self) {
        // Relaxed: the backstop sees it at its next look, at most 10 ms from now.
        self.intents.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn is_adopted(&self) -> bool {
        // SeqCst: the right column of the table, and pairs with `disown`.
        self.adopters.load(Ordering::SeqCst) != 0
    }

    pub(super) fn has_intents(&self) -> bool {
        // SeqCst: the right column of the table.
        self.intents.load(Ordering::SeqCst) != 0
    }

    /// Step 1 of the left column.
    #[inline]
    fn count_in(count: &AtomicUsize) {
        // SeqCst: before the load of `driving`.
        count.fetch_add(1, Ordering::SeqCst);
        totally_ordered();
    }

    /// Steps 2 and 3 of the left column, and the wait for the backstop.
    #[inline]
    fn send_out(&self, ring: impl Fn(), yields: usize) {
        // SeqCst: after the count.
        if self.driving.load(Ordering::SeqCst) {
            self.wait_for_the_end(ring, yields);
        }
    }

    #[cold]
    fn wait_for_the_end(&self, ring: impl Fn(), yields: usize) {
        ring();
        for _ in 0..yields {
            // Acquire: pairs with the Release in `drive_once`: the baton is free.
            if !self.driving.load(Ordering::Acquire) {
                return;
            }
            yield_now();
        }
    }

    /// The right column: waits once with what `take` gets, if it gets the baton.
    pub(super) fn drive_once<D, R>(
        &self,
        take: impl FnOnce() -> Option<D>,
        wait: impl FnOnce(D, Patience) -> R,
    ) -> Option<R> {
        // SeqCst: before the looks at the counts.
        self.driving.store(true, Ordering::SeqCst);
        totally_ordered();
        // Whoever adopts may park for good if it finds the baton taken, so not even for a moment.
        let driver = (!self.is_adopted()).then(take).flatten();
        let outcome = driver.map(|driver| {
            let patience = match self.has_intents() || self.is_adopted() {
                true => Patience::None,
                false => Patience::Endless,
            };
            wait(driver, patience)
        });
        // Release: whoever waits in `send_out` then finds the baton free.
        self.driving.store(false, Ordering::Release);
        outcome
    }
}
