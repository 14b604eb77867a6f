//! What a thread owes to the pacer: word of what it has allocated, and naps if that is too much.

use std::time::Duration;

use super::{Local, THROTTLED, UNTIL_UNPINNED};
use crate::{marker, pacer, sweep};

/// A thread tells the pacer when it has allocated so many bytes. Thin air.
pub(crate) const BATCH: usize = 32 * 1024;

/// How long a thread waits in an outermost pin for one nap that it owes. The system makes it some 50 us longer: less than
/// 100 us in all.
const NAP: Duration = Duration::from_micros(25);

/// How long it helps instead if there is something to mark or to sweep.
pub(crate) const ASSIST: Duration = Duration::from_micros(50);

impl Local {
    /// Helps to mark or to sweep, or takes a nap.
    pub(super) fn pay_for_nap(&self) {
        // The cycle may have ended since.
        let naps = self.naps.get().min(pacer::naps_now());
        // Code of the program that pins while we mark pays for nothing.
        self.owe(0);
        if naps == 0 {
            return;
        }
        // A record that is given back with the next guard must not meet such code at all.
        let may_help = self.errands.get() & UNTIL_UNPINNED == 0;
        if may_help && (marker::assist() || sweep::assist()) {
            pacer::assisted();
        } else {
            // Not pinned, so the collector goes on meanwhile.
            self.state.unpin();
            pacer::napped();
            std::thread::sleep(NAP);
        }
        self.owe(naps - 1);
    }

    /// Counts what is allocated.
    pub(crate) fn count_allocation(&self, bytes: usize) {
        self.count(bytes.cast_signed());
    }

    pub(super) fn count(&self, bytes: isize) {
        let unreported = self.unreported.get().saturating_add(bytes);
        if unreported < BATCH.cast_signed() {
            self.unreported.set(unreported);
            return;
        }
        self.unreported.set(0);
        self.owe(pacer::count(unreported.cast_unsigned()));
    }

    /// Lets the owner take so many naps, one in each of the next outermost pins, whatever it has owed before.
    pub(crate) fn owe(&self, naps: usize) {
        self.naps.set(naps);
        self.set_errand(THROTTLED, naps > 0);
    }
}
