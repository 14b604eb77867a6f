//! Who may touch the contents of a lock: the mutator that holds it, or the collector.
//!
//! Mutators settle among themselves by a lock of std, which is not the collector's business: it never waits for a mutator.
//! The one that has won enters the gate; the collector enters it too, or goes away and comes back.
//!
//! ```text
//! FREE --enter--> HELD(word of the pin) --leave--> FREE
//! FREE --visit--> COLLECTOR             --leave--> FREE
//!                 HELD(word of an ended pin) --visit--> DEAD
//! ```
//!
//! # Rules
//!
//! 1. A mutator that marks (its pin is MARK1 or MARK2) takes the *snapshot* on its first entrance in the cycle: it shades
//!    all contents before it changes them, and notes the cycle. The collector skips contents with a snapshot: whatever
//!    leaves them later is shaded already. A pin in ARM takes none: others may still be IDLE, and write without barriers.
//! 2. A mutator whose pin shades new pointers (ARM or MARK1) shades all contents before it leaves, if it may have changed
//!    them. A pin in MARK2 need not: every pointer it can get hold of is shaded, or in a snapshot.
//! 3. The collector that finds the gate held *defers* the object. The holder is in ARM, and ends before the second grace
//!    period does, or it is about to take the snapshot.
//! 4. A holder whose pin has ended has forgotten its lock guard, with `mem::forget`. Rule 2 has not been kept, so contents
//!    may be dangling as soon as the cycle ends. They are *dead*: nobody is left who could enter the gate, `get_mut`
//!    panics, the collector passes by. They are dropped with the object; no destructor looks at a gc pointer.
//! 5. Contents that are *owned* by the one who traces, because it holds the lock around them or has not allocated them yet,
//!    are traced whatever the snapshot says: they may have been changed by `get_mut` after it. If their gate is not free,
//!    they are dead: nobody can be inside but one who has forgotten to leave.
//!
//! A gate in a value on the stack obeys the same rules, with nobody to see it. `get_mut`, which has no guard to ask for a
//! phase, takes back the snapshot: an object that is allocated white must not be skipped.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::guard::Guard;
use crate::phase::Word;
use crate::seeded::bug;
use crate::tracer::{Access, Tracer};
use crate::{Trace, fork};

const FREE: u64 = Word::NONE.0;
/// A worker of the collector is tracing the contents for a cycle.
const COLLECTOR: u64 = u64::MAX;
/// Somebody is looking at the contents who does not mark: a dump of the graph.
const VISITOR: u64 = u64::MAX - 1;
/// The last holder forgot to leave, and its pin has ended.
const DEAD: u64 = u64::MAX - 2;

/// See the head of the file.
#[derive(Debug, Default)]
pub(super) struct Gate {
    /// `FREE`, `COLLECTOR`, `VISITOR`, `DEAD`, or the word of the pin that holds the lock.
    holder: AtomicU64,
    /// One more than the number of the cycle whose snapshot has been taken; 0 for none.
    snapshot: AtomicU64,
}

/// What one who traces may do with contents.
enum Visit {
    /// Trace them, then leave.
    Enter,
    /// Trace them; they are owned.
    Look,
    /// Nothing: they have been traced in this cycle, or are being traced, or are dead.
    Skip,
    /// Come back.
    Defer,
}

impl Gate {
    pub(super) const fn new() -> Self {
        Self {
            holder: AtomicU64::new(FREE),
            snapshot: AtomicU64::new(0),
        }
    }

    /// Enters for a mutator that holds the lock of std, and takes the snapshot if it is its turn (rule 1).
    ///
    /// # Safety
    ///
    /// `contents` is what the gate protects, and the caller holds the lock of std that admits one mutator.
    pub(super) unsafe fn enter<'g, T: Trace<'g>>(&self, g: &Guard, contents: *const T) {
        let held = g.word();
        let mut naps = 0_u32;
        // Acquire: pairs with the Release in `leave`; the one before us is done with the contents.
        while self
            .holder
            .compare_exchange_weak(FREE, held, Ordering::Acquire, Ordering::Relaxed)
            .is_err()
        {
            // Only one who marks can be inside, and leaves when the contents are traced, whatever we do.
            naps += 1;
            if naps < 100 {
                std::hint::spin_loop();
            } else {
                fork::check();
                std::thread::yield_now();
            }
        }
        let Some(cycle) = g.marking() else { return };
        // Relaxed: written inside the gate only, and we are inside.
        if self.snapshot.load(Ordering::Relaxed) != cycle + 1 && !bug("no snapshot of locks") {
            // SAFETY: we are inside, so nobody else touches the contents.
            g.shade(unsafe { &*contents });
            // Release: a collector that sees the cycle's number in `visit` finds all contents shaded.
            self.snapshot.store(cycle + 1, Ordering::Release);
        }
    }

    /// Leaves. All changes must be shaded if they have to be (rule 2).
    pub(super) fn leave(&self) {
        // Release: publishes our changes to the Acquire in `enter` and `visit` of the next.
        self.holder.store(FREE, Ordering::Release);
    }

    /// Prepares for changes by an owner who has no guard.
    ///
    /// # Panics
    ///
    /// Panics if the contents are dead.
    #[track_caller]
    pub(super) fn own(&mut self) {
        assert!(
            *self.holder.get_mut() == FREE,
            "the contents of a lock whose guard was forgotten are lost"
        );
        *self.snapshot.get_mut() = 0;
    }

    /// Traces the contents, or defers the object. `alone` says that no mutator reads them while the gate is free or the
    /// collector's own, so that locks *in* the contents are owned too.
    ///
    /// # Safety
    ///
    /// `contents` is what the gate protects, and the gate itself is reachable only together with them.
    pub(super) unsafe fn trace<'g, T: Trace<'g>>(
        &self,
        contents: *const T,
        alone: bool,
        tracer: &mut Tracer<'_>,
    ) {
        let (visit, cycle) = match tracer.access() {
            Access::Owned => (self.look(), None),
            Access::Mark { cycle, gone } => (self.visit(cycle, gone), Some(cycle)),
            Access::Visit => (
                self.enter_as(VISITOR)
                    .map_or(Visit::Skip, |()| Visit::Enter),
                None,
            ),
        };
        let inside = match visit {
            Visit::Skip => return,
            Visit::Defer => return tracer.defer(),
            Visit::Enter => true,
            Visit::Look => false,
        };
        // SAFETY: we are inside, or own the contents; so others can read them at most.
        let contents = unsafe { &*contents };
        if alone {
            tracer.owned(|tracer| contents.trace(tracer));
        } else {
            contents.trace(tracer);
        }
        if !inside {
            return;
        }
        if let Some(cycle) = cycle
            && !tracer.deferred()
        {
            // Release: as in `enter`.
            self.snapshot.store(cycle + 1, Ordering::Release);
        }
        self.leave();
    }

    /// Decides what an owner does.
    fn look(&self) -> Visit {
        // Relaxed: the owner is after every mutator that could hold the gate, by the lock around it or its own life.
        if self.holder.load(Ordering::Relaxed) == FREE {
            Visit::Look
        } else {
            Visit::Skip
        }
    }

    /// Decides what the collector does in `cycle`, when all pins with a word below `gone` have ended.
    fn visit(&self, cycle: u64, gone: u64) -> Visit {
        // Acquire: pairs with the Release of the one who noted the snapshot, whose shades come before it.
        if self.snapshot.load(Ordering::Acquire) == cycle + 1 {
            return Visit::Skip;
        }
        match self.enter_as(COLLECTOR) {
            Ok(()) => Visit::Enter,
            // Another worker is at it; the cycle does not end before it is done or has deferred the object.
            Err(COLLECTOR | DEAD) => Visit::Skip,
            Err(VISITOR) => Visit::Defer,
            // A holder that did leave is not seen here any more: that happens before the end of its pin, which the
            // collector has seen.
            Err(held) if held < gone => {
                // Relaxed: nobody is left who would enter; other workers write the same.
                self.holder.store(DEAD, Ordering::Relaxed);
                Visit::Skip
            }
            Err(_) => Visit::Defer,
        }
    }

    fn enter_as(&self, visitor: u64) -> Result<(), u64> {
        // Acquire: pairs with the Release in `leave`. Relaxed on failure: only the value counts.
        self.holder
            .compare_exchange(FREE, visitor, Ordering::Acquire, Ordering::Relaxed)
            .map(drop)
    }
}
