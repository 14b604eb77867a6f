//! Models of the lease word: whatever the interleaving, the P is in exactly one hand.

use gort_primitives::sync::{Arc, Mutex};
use gort_primitives::{model, thread};

use super::*;
use crate::slot::Slot;

/// Counts in how many hands the P ends up.
#[derive(Default)]
struct Hands {
    owner: bool,
    monitor: bool,
    idle: bool,
}

impl Hands {
    fn count(&self) -> usize {
        usize::from(self.owner) + usize::from(self.monitor) + usize::from(self.idle)
    }
}

#[test]
fn release_and_revoke_leave_the_p_in_one_hand() {
    model(|| {
        let lease = Arc::new(Lease::new());
        lease.acquire(0);
        let seen = lease.observe().expect("held");
        let monitor = {
            let lease = lease.clone();
            thread::spawn(move || lease.revoke(seen))
        };
        let mut hands = Hands::default();
        match lease.release() {
            Released::P(p) => hands.idle = p == 0,
            Released::Revoked => assert_eq!(lease.acknowledge(), Acknowledged::Gone),
        }
        hands.monitor = monitor.join().expect("no panics");
        assert_eq!(hands.count(), 1);
    });
}

#[test]
fn an_undo_that_races_with_the_acknowledgement_keeps_the_p() {
    model(|| {
        let lease = Arc::new(Lease::new());
        lease.acquire(0);
        let seen = lease.observe().expect("held");
        let monitor = {
            let lease = lease.clone();
            thread::spawn(move || lease.revoke(seen) && !lease.undo(seen))
        };
        let owner = matches!(lease.acknowledge(), Acknowledged::StillHeld(_));
        let monitor = monitor.join().expect("no panics");
        // The owner may have looked before the revocation; then the undo has the last word, or it looks again at its next poll.
        let owner = owner && matches!(lease.acknowledge(), Acknowledged::StillHeld(_));
        let hands = Hands {
            owner,
            monitor,
            idle: false,
        };
        assert_eq!(hands.count(), 1);
    });
}

#[test]
fn evidence_of_an_old_poll_revokes_no_new_lease() {
    model(|| {
        let lease = Arc::new(Lease::new());
        lease.acquire(0);
        let seen = lease.observe().expect("held");
        let monitor = {
            let lease = lease.clone();
            thread::spawn(move || lease.revoke(seen))
        };
        // Parks, and comes back with the same P.
        let Released::P(p) = lease.release() else {
            let _gone = lease.acknowledge();
            assert!(monitor.join().expect("no panics"));
            return;
        };
        let held = lease.acquire(p);
        assert!(!monitor.join().expect("no panics"));
        assert!(!lease.changed(held));
    });
}

#[test]
fn a_flag_is_seen_and_costs_nobody_the_p() {
    model(|| {
        let lease = Arc::new(Lease::new());
        let held = lease.acquire(0);
        let seen = lease.observe().expect("held");
        let asker = {
            let lease = lease.clone();
            thread::spawn(move || lease.raise(Flag::Shutdown))
        };
        let monitor = {
            let lease = lease.clone();
            thread::spawn(move || lease.revoke(seen))
        };
        let owner = match lease.release() {
            Released::P(_) => true,
            Released::Revoked => {
                assert_eq!(lease.acknowledge(), Acknowledged::Gone);
                false
            }
        };
        asker.join().expect("no panics");
        assert_ne!(owner, monitor.join().expect("no panics"));
        assert!(lease.raised(Flag::Shutdown));
        assert!(lease.changed(held));
    });
}

/// The owner puts a goroutine into its slot while the monitor takes its P away and drains the slot.
#[test]
fn a_goroutine_in_the_slot_of_a_revoked_m_is_found_by_one() {
    static G: u32 = 0;
    model(|| {
        let m = Arc::new((Lease::new(), Slot::<u32>::new()));
        m.0.acquire(0);
        let seen = m.0.observe().expect("held");
        let monitor = {
            let m = m.clone();
            thread::spawn(move || {
                assert!(m.0.revoke(seen));
                m.1.take().is_some()
            })
        };
        assert!(m.1.replace(&G).is_none());
        let handed_in = !m.0.still_held() && m.1.take().is_some();
        let drained = monitor.join().expect("no panics");
        assert!(
            handed_in != drained,
            "by us {handed_in}, by the monitor {drained}"
        );
    });
}

/// The same for the ring, whose push is a plain store and needs the fence.
#[test]
fn a_goroutine_in_the_ring_of_a_revoked_m_is_found_by_one() {
    use gort_primitives::atomic::{AtomicU32, fence};
    model(|| {
        let m = Arc::new((Lease::new(), AtomicU32::new(0)));
        m.0.acquire(0);
        let seen = m.0.observe().expect("held");
        let take = |ring: &AtomicU32| {
            ring.load(Ordering::SeqCst) != 0 && ring.swap(0, Ordering::SeqCst) != 0
        };
        let monitor = {
            let m = m.clone();
            thread::spawn(move || {
                assert!(m.0.revoke(seen));
                // SeqCst: crossbeam's steal begins with this fence.
                fence(Ordering::SeqCst);
                take(&m.1)
            })
        };
        m.1.store(1, Ordering::Release);
        fence(Ordering::SeqCst);
        let handed_in = !m.0.still_held() && take(&m.1);
        let drained = monitor.join().expect("no panics");
        assert!(
            handed_in != drained,
            "by us {handed_in}, by the monitor {drained}"
        );
    });
}

/// A monitor that has the P in its hand gives it to a second M, while the first acknowledges and looks for a P too.
#[test]
fn a_p_that_is_handed_on_has_one_owner() {
    model(|| {
        let (a, b) = (Arc::new(Lease::new()), Arc::new(Lease::new()));
        let idle = Arc::new(Mutex::new(Vec::new()));
        a.acquire(0);
        let seen = a.observe().expect("held");
        let monitor = {
            let (a, idle) = (a.clone(), idle.clone());
            thread::spawn(move || {
                if a.revoke(seen) {
                    idle.lock().expect("no panics").push(0);
                }
            })
        };
        let other = {
            let (b, idle) = (b.clone(), idle.clone());
            thread::spawn(move || {
                let p = idle.lock().expect("no panics").pop();
                p.map(|p| b.acquire(p)).is_some()
            })
        };
        let mine = matches!(a.acknowledge(), Acknowledged::StillHeld(_));
        monitor.join().expect("no panics");
        let theirs = other.join().expect("no panics");
        let mine = mine && matches!(a.acknowledge(), Acknowledged::StillHeld(_));
        let left = idle.lock().expect("no panics").len();
        assert_eq!(usize::from(mine) + usize::from(theirs) + left, 1);
    });
}
