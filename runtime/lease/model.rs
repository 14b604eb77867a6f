//! The races of the lease word: whoever wins, a P is in exactly one place.

use gort_primitives::cell::UnsafeCell;
use gort_primitives::model;
use gort_primitives::sync::{Arc, Mutex};
use gort_primitives::thread;

use super::*;

/// A lease that is held for P 0, and what the monitor saw of it.
fn held() -> (Arc<Lease>, Held) {
    let lease = Arc::new(Lease::new());
    let held = lease.acquire(0);
    assert_eq!(lease.observe(), Some(held));
    (lease, held)
}

/// Asserts that exactly one of `hands` and the word has the P.
fn in_one_place(lease: &Lease, hands: &[bool]) {
    let hands = hands.iter().filter(|&&has| has).count();
    let held = usize::from(lease.observe().is_some());
    assert_eq!(hands + held, 1, "the P is in one place");
}

#[test]
fn a_release_and_a_revocation_have_one_winner() {
    model(|| {
        let (lease, seen) = held();
        let monitor = thread::spawn({
            let lease = lease.clone();
            move || lease.revoke(seen)
        });
        let released = lease.release();
        let revoked = monitor.join().unwrap();
        assert_eq!(released == Released::Revoked, revoked);
        in_one_place(&lease, &[released == Released::P(0), revoked]);
    });
}

#[test]
fn an_undo_and_an_acknowledgement_leave_the_p_with_one_of_them() {
    model(|| {
        let (lease, seen) = held();
        let m = thread::spawn({
            let lease = lease.clone();
            move || lease.acknowledge()
        });
        let has_p = lease.revoke(seen) && !lease.undo(seen);
        let acknowledged = m.join().unwrap();
        in_one_place(&lease, &[has_p]);
        match acknowledged {
            Acknowledged::StillHeld(held) => assert_eq!(held, seen),
            Acknowledged::Gone => assert_eq!(lease.observe(), None),
        }
    });
}

#[test]
fn an_undo_during_a_release_leaves_the_p_with_one_of_them() {
    model(|| {
        let (lease, seen) = held();
        let m = thread::spawn({
            let lease = lease.clone();
            move || lease.release()
        });
        let has_p = lease.revoke(seen) && !lease.undo(seen);
        let released = m.join().unwrap();
        // An M that released its lease does not look at the word before it acquires again.
        assert_eq!(lease.observe(), None);
        in_one_place(&lease, &[released == Released::P(0), has_p]);
        let _ = lease.acquire(0);
    });
}

#[test]
fn an_old_observation_revokes_no_newer_lease() {
    model(|| {
        let (lease, seen) = held();
        let monitor = thread::spawn({
            let lease = lease.clone();
            move || lease.revoke(seen)
        });
        let first = lease.release();
        if let Released::P(p) = first {
            let newer = lease.acquire(p);
            assert_ne!(newer, seen);
        }
        let revoked = monitor.join().unwrap();
        assert_eq!(first == Released::Revoked, revoked);
        in_one_place(&lease, &[revoked]);
    });
}

#[test]
fn an_old_undo_touches_no_newer_lease() {
    model(|| {
        let (lease, seen) = held();
        assert!(lease.revoke(seen));
        let monitor = thread::spawn({
            let lease = lease.clone();
            move || lease.undo(seen)
        });
        if let Acknowledged::Gone = lease.acknowledge() {
            // The monitor has P 0; this is another one.
            let _ = lease.acquire(1);
            assert!(!monitor.join().unwrap());
            assert_eq!(lease.observe().map(Held::p), Some(1));
        } else {
            assert!(monitor.join().unwrap());
            assert_eq!(lease.observe(), Some(seen));
        }
    });
}

#[test]
fn a_flag_beside_any_transition_is_seen_and_costs_no_p() {
    model(|| {
        let (lease, seen) = held();
        let closer = thread::spawn({
            let lease = lease.clone();
            move || lease.raise(Flag::Shutdown)
        });
        let monitor = thread::spawn({
            let lease = lease.clone();
            move || lease.revoke(seen) && !lease.undo(seen)
        });
        if let Released::P(p) = lease.release() {
            let _ = lease.acquire(p);
        }
        let has_p = monitor.join().unwrap();
        closer.join().unwrap();
        in_one_place(&lease, &[has_p]);
        assert!(lease.raised(Flag::Shutdown));
    });
}

#[test]
fn a_flag_that_is_taken_publishes_its_reason() {
    model(|| {
        let (lease, held) = held();
        let reason = Arc::new(UnsafeCell::new(0));
        let monitor = thread::spawn({
            let (lease, reason) = (lease.clone(), reason.clone());
            move || {
                // SAFETY: the other thread reads after it has seen the flag, which loom checks.
                reason.with_mut(|it| unsafe { *it = 1 });
                lease.raise(Flag::Slice);
            }
        });
        let look = || {
            let taken = lease.take(Flag::Slice);
            if taken {
                // SAFETY: as above.
                assert_eq!(reason.with(|it| unsafe { *it }), 1);
            }
            taken
        };
        let early = look();
        assert!(lease.still_held());
        monitor.join().unwrap();
        assert_ne!(early, look(), "a flag is taken once");
        assert!(!lease.changed(Some(held)));
    });
}

#[test]
fn a_revoked_p_goes_to_one_other_m() {
    model(|| {
        let (stuck, seen) = held();
        let other = Arc::new(Lease::new());
        let idle = Arc::new(Mutex::new(None));
        let monitor = thread::spawn({
            let (stuck, other) = (stuck.clone(), other.clone());
            let idle = idle.clone();
            move || {
                // The other M: it gets the P from the monitor, or finds it idle.
                if stuck.revoke(seen) {
                    let _ = other.acquire(seen.p());
                } else if let Some(p) = idle.lock().unwrap().take() {
                    let _ = other.acquire(p);
                }
            }
        });
        match stuck.release() {
            Released::P(p) => *idle.lock().unwrap() = Some(p),
            Released::Revoked => assert_eq!(stuck.acknowledge(), Acknowledged::Gone),
        }
        monitor.join().unwrap();
        assert_eq!(stuck.observe(), None);
        let is_idle = idle.lock().unwrap().is_some();
        in_one_place(&other, &[is_idle]);
    });
}
