//! What an M makes ready while the monitor takes its P away: nothing stays behind in the queues of an M that holds no P.
//!
//! The lease and the slot are the real ones. The ring is a cell for one goroutine with the orderings of a deque: the
//! owner's push is a plain store.

use gort_primitives::atomic::{AtomicUsize, fence};
use gort_primitives::model;
use gort_primitives::sync::{Arc, Mutex};
use gort_primitives::thread;

use super::*;
use crate::lease::{Acknowledged, Held, Lease};

/// The goroutines. One is named by its address.
static GS: [u8; 2] = [0, 1];

/// A ring for one goroutine: its index plus 1.
struct Ring(AtomicUsize);

impl Ring {
    /// Called by the owner only.
    fn push(&self, g: &'static u8) {
        // Release: publishes the goroutine to the thief, and orders nothing else.
        self.0.store(usize::from(*g) + 1, Ordering::Release);
    }

    /// Called by the owner and by thieves.
    fn take(&self) -> Option<&'static u8> {
        let found = self.0.load(Ordering::Acquire);
        if found == 0 {
            return None;
        }
        let taken = self
            .0
            .compare_exchange(found, 0, Ordering::AcqRel, Ordering::Relaxed);
        taken.ok().map(|found| &GS[found - 1])
    }
}

struct World {
    lease: Lease,
    /// The lease, as it was taken.
    held: Held,
    slot: Slot<&'static u8>,
    ring: Ring,
    global: Mutex<Vec<u8>>,
}

impl World {
    /// An M that holds P 0 and polls.
    fn new() -> (Arc<Self>, Held) {
        let lease = Lease::new();
        let held = lease.acquire(0);
        let world = Self {
            lease,
            held,
            slot: Slot::new(),
            ring: Ring(AtomicUsize::new(0)),
            global: Mutex::new(Vec::new()),
        };
        (Arc::new(world), held)
    }

    /// `Here::ready`, without the wake-ups.
    fn ready(&self, g: &'static u8) {
        match self.slot.replace(g) {
            None => {}
            Some(displaced) => {
                self.ring.push(displaced);
                fence(Ordering::SeqCst);
            }
        }
        self.look_after_push();
    }

    /// `Here::look_after_push`.
    fn look_after_push(&self) {
        if self.lease.changed_by_now(Some(self.held)) && !self.lease.still_held() {
            self.hand_in_all();
        }
    }

    /// `Here::ready_after_poll` and the rest of `Here::run`. Returns whether the M still holds its P.
    fn yields(&self, g: &'static u8) -> bool {
        self.ring.push(g);
        fence(Ordering::SeqCst);
        !self.lease.changed(Some(self.held)) || self.end_poll()
    }

    /// `Here::ready_last`.
    fn ready_last(&self, g: &'static u8) {
        self.ring.push(g);
        fence(Ordering::SeqCst);
        self.look_after_push();
    }

    /// `Here::ready` without its second look, for the model of the other belt.
    fn ready_blindly(&self, g: &'static u8) {
        if let Some(displaced) = self.slot.replace(g) {
            self.ring.push(displaced);
        }
    }

    /// `Here::hand_in_all`, and the drain of the monitor: both take from the thief's side.
    fn hand_in_all(&self) {
        let found = [self.slot.take(), self.ring.take()];
        self.global
            .lock()
            .unwrap()
            .extend(found.into_iter().flatten());
    }

    /// The monitor takes the P away.
    fn revoke(&self, seen: Held) -> bool {
        let revoked = self.lease.revoke(seen);
        if revoked {
            self.hand_in_all();
        }
        revoked
    }

    /// The end of the poll. Returns whether the M still holds its P.
    fn end_poll(&self) -> bool {
        let held = matches!(self.lease.acknowledge(), Acknowledged::StillHeld(_));
        if !held {
            self.hand_in_all();
        }
        held
    }

    /// Empties all queues at the end. Returns what was left with the M, and what is in the global queue.
    fn count(&self) -> (Vec<u8>, Vec<u8>) {
        let mut own: Vec<u8> = [self.slot.take(), self.ring.take()]
            .into_iter()
            .flatten()
            .copied()
            .collect();
        let mut global = std::mem::take(&mut *self.global.lock().unwrap());
        own.sort_unstable();
        global.sort_unstable();
        (own, global)
    }

    /// Asserts that each of the first `n` goroutines is in one queue, and where that must be.
    fn all_found(&self, n: u8, revoked: bool) {
        let (own, global) = self.count();
        let mut all = [own.clone(), global].concat();
        all.sort_unstable();
        assert_eq!(all, (0..n).collect::<Vec<_>>(), "each is in one queue");
        assert!(!revoked || own.is_empty(), "left behind: {own:?}");
    }
}

#[test]
fn what_goes_into_the_slot_of_a_revoked_m_is_found_once() {
    model(|| {
        let (world, seen) = World::new();
        let monitor = thread::spawn({
            let world = world.clone();
            move || world.revoke(seen)
        });
        world.ready(&GS[0]);
        // The poll goes on for ever: nobody acknowledges.
        let revoked = monitor.join().unwrap();
        world.all_found(1, revoked);
    });
}

#[test]
fn what_goes_into_the_ring_of_a_revoked_m_is_found_once() {
    model(|| {
        let (world, seen) = World::new();
        let monitor = thread::spawn({
            let world = world.clone();
            move || world.revoke(seen)
        });
        world.ready_last(&GS[0]);
        let revoked = monitor.join().unwrap();
        world.all_found(1, revoked);
    });
}

#[test]
fn what_yields_is_found_once_by_the_look_at_the_end_of_its_poll() {
    model(|| {
        let (world, seen) = World::new();
        let monitor = thread::spawn({
            let world = world.clone();
            move || world.revoke(seen)
        });
        let held = world.yields(&GS[0]);
        let revoked = monitor.join().unwrap();
        assert!(!(held && revoked) || world.lease.is_revoked());
        // There is no next poll: neither the M nor the monitor looks again.
        world.all_found(1, revoked);
    });
}

#[test]
fn what_the_slot_displaces_is_found_once() {
    model(|| {
        let (world, seen) = World::new();
        let monitor = thread::spawn({
            let world = world.clone();
            move || world.revoke(seen)
        });
        world.ready(&GS[0]);
        world.ready(&GS[1]);
        let revoked = monitor.join().unwrap();
        world.all_found(2, revoked);
    });
}

#[test]
fn a_drain_that_is_undone_loses_nothing() {
    model(|| {
        let (world, seen) = World::new();
        let monitor = thread::spawn({
            let world = world.clone();
            move || world.revoke(seen) && !world.lease.undo(seen)
        });
        world.ready(&GS[0]);
        let held = world.end_poll();
        let has_p = monitor.join().unwrap();
        assert!(held || world.lease.observe().is_none());
        world.all_found(1, has_p);
    });
}

#[test]
fn a_later_scan_of_an_orphan_finds_what_a_blind_push_left() {
    model(|| {
        let (world, seen) = World::new();
        let stuck = thread::spawn({
            let world = world.clone();
            move || world.ready_blindly(&GS[0])
        });
        let revoked = world.revoke(seen);
        assert!(revoked);
        stuck.join().unwrap();
        // The monitor's next round; the poll has still not ended.
        world.hand_in_all();
        world.all_found(1, revoked);
    });
}

#[test]
fn the_end_of_a_poll_finds_what_a_blind_push_left() {
    model(|| {
        let (world, seen) = World::new();
        let monitor = thread::spawn({
            let world = world.clone();
            move || world.revoke(seen)
        });
        world.ready_blindly(&GS[0]);
        world.end_poll();
        let revoked = monitor.join().unwrap();
        // A revocation that this end of a poll has missed is seen at the next.
        assert_eq!(world.end_poll(), !revoked);
        world.all_found(1, revoked);
    });
}

#[test]
fn a_goroutine_in_the_slot_has_one_winner() {
    model(|| {
        let (world, seen) = World::new();
        world.ready(&GS[0]);
        let thief = thread::spawn({
            let world = world.clone();
            move || world.slot.take().is_some()
        });
        let monitor = thread::spawn({
            let world = world.clone();
            move || world.revoke(seen)
        });
        let owner = world.slot.take().is_some();
        let thief = thief.join().unwrap();
        monitor.join().unwrap();
        let (own, global) = world.count();
        assert_eq!(own.len(), 0);
        assert_eq!(global.len() + usize::from(owner) + usize::from(thief), 1);
    });
}
