//! An M without a goroutine to run: how it gives its P away, sleeps, and gets one again.

use std::task::Waker;

use gort_gc::hooks;
use gort_primitives::atomic::{Ordering, fence};

use super::{KEEP_ALIVE, Root};
use crate::drive::{self, Slept};
use crate::idle::{Retracted, WasLast};
use crate::lease::Released;
use crate::m::Here;
use crate::sysmon;
use crate::time;

impl Here<'_> {
    /// Takes up a P that is in this M's hand.
    pub(crate) fn gain_p(self, p: usize) {
        let held = self.m().lease.acquire(p);
        self.local().held.set(Some(held));
        let p = self.rt().ps.get(p);
        p.set_m(self.m());
        self.local().timers.set(Some(p.timers()));
        time::enter(Some(p.timers()));
        sysmon::stir();
    }

    pub(super) fn lost_p(self) {
        self.local().held.set(None);
        self.local().timers.set(None);
        time::enter(None);
    }

    /// Gives the P up for as long as this thread blocks. What is queued here goes to others.
    pub(crate) fn give_p_away(self) {
        if self.local().held.get().is_none() {
            return;
        }
        self.hand_in_all();
        hooks::flush();
        let released = self.m().lease.release();
        self.lost_p();
        if let Released::P(p) = released {
            self.rt().idle.put_p(p);
            // SeqCst: as before `wake_p` everywhere. What was ready when we left must not wait for us, nor what will be.
            fence(Ordering::SeqCst);
            if self.rt().has_work() || self.rt().is_watched_for() {
                self.rt().wake_p();
            }
        }
    }

    /// Gives the P back and sleeps until there is work.
    #[cold]
    pub(super) fn sleep(self, root: &impl Root) {
        debug_assert!(self.m().slot.is_empty(), "sleep: the next slot is full");
        // Before anybody can want this M back.
        hooks::flush();
        let searching = self.local().searching.replace(false);
        let released = self.m().lease.release();
        self.lost_p();
        match released {
            Released::P(p) => self.rt().idle.sleep(self.m().as_ref(), p, searching),
            Released::Revoked => {
                if searching {
                    let WasLast(_) = self.rt().idle.stop_search();
                }
                self.rt().idle.sleep_without_p(self.m().as_ref());
            }
        }
        self.sleep_in_list(root);
    }

    /// Sleeps after the P was lost or given away, unless one is free.
    #[cold]
    pub(super) fn sleep_without_p(self, root: &impl Root) {
        if let Some(p) = self.rt().idle.take_p() {
            return self.gain_p(p);
        }
        if self.local().searching.replace(false) {
            // The look at every queue follows.
            let WasLast(_) = self.rt().idle.stop_search();
        }
        self.rt().idle.sleep_without_p(self.m().as_ref());
        self.sleep_in_list(root);
    }

    /// Waits, as a member of the idle set, until this M has left it.
    pub(super) fn sleep_in_list(self, root: &impl Root) {
        // SeqCst: step 2 of the right column in `idle`.
        fence(Ordering::SeqCst);
        loop {
            let wanted = self.rt().has_work() || root.is_ready() || self.must_stop();
            if wanted && self.try_rise() {
                return;
            }
            let leaves = self.must_stop() || self.local().expired.get();
            if leaves && self.rt().idle.leave(self.m().as_ref()) {
                return;
            }
            // A waker was faster: it has a P for us.
            self.local().expired.set(false);
            if self.doze(root) {
                return;
            }
        }
    }

    /// Leaves the idle set if there is a P for it.
    pub(super) fn try_rise(self) -> bool {
        match self.rt().idle.retract(self.m().as_ref()) {
            Retracted::P(p) => {
                self.gain_p(p);
                true
            }
            Retracted::NoP => false,
            Retracted::Woken => {
                self.wait_for_p();
                true
            }
        }
    }

    /// A waker has taken this M out of the idle set: its P is on the way.
    pub(super) fn wait_for_p(self) {
        loop {
            if let Some(p) = self.m().take_next_p() {
                self.gain_p(p);
                self.local().searching.set(true);
                return;
            }
            self.m().parker.park();
        }
    }

    /// Sleeps once: in the reactor if nobody else does, on its own if not. Returns whether the M has left the idle set.
    pub(super) fn doze(self, root: &impl Root) -> bool {
        let parker = &self.m().parker;
        let mut wakers = self.local().wakers.take();
        // A token stands for what it finds anyway.
        if drive::sleep(parker, &mut wakers) == Slept::NotHere {
            if root.may_end() && self.rt().has_spare_threads() {
                self.local().expired.set(!parker.park_timeout(KEEP_ALIVE));
            } else {
                parker.park();
            }
        }
        let risen = if let Some(p) = self.m().take_next_p() {
            self.gain_p(p);
            self.local().searching.set(true);
            true
        } else {
            !wakers.is_empty() && self.try_rise()
        };
        let risen = risen || !wakers.is_empty() && self.wake_without_p(&mut wakers);
        if risen {
            self.deliver(&mut wakers);
        }
        self.local().wakers.set(wakers);
        risen
    }

    /// Calls wakers while no P is free: some M is busy and will look at the global queue, where these go.
    ///
    /// Not as a member of the idle set: a waker may block, and who hands a P to a sleeper relies on its waking up. Returns true,
    /// and leaves the wakers alone, if a P was on its way.
    #[cold]
    pub(super) fn wake_without_p(self, wakers: &mut Vec<Waker>) -> bool {
        if !self.rt().idle.leave(self.m().as_ref()) {
            self.wait_for_p();
            return true;
        }
        self.begin_poll();
        self.wake_all(wakers);
        self.end_poll();
        self.rt().idle.sleep_without_p(self.m().as_ref());
        // SeqCst: step 2 of the right column in `idle`, again.
        fence(Ordering::SeqCst);
        false
    }
}
