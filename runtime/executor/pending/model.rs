//! The races for free entries: an entry is in one place at a time, what was done with it before is done, and none is lost.

use std::collections::BTreeSet;

use gort_primitives::model;
use gort_primitives::seeded::with_bug;
use gort_primitives::sync::Arc;
use gort_primitives::thread;

use super::*;

impl Pending {
    fn keep_noop(&self, desk: Option<&mut Desk>) -> Ticket {
        // SAFETY: the ticket stays with the thread, or goes to who joins it.
        unsafe { self.keep(desk, Waker::noop().clone()) }
    }

    /// Gives back what is held when all threads are done. Then every entry is free, and once.
    fn end(
        &self,
        tickets: impl IntoIterator<Item = Ticket>,
        desks: impl IntoIterator<Item = Desk>,
    ) {
        for ticket in tickets {
            let waker = self.forget(None, ticket);
            assert!(waker.is_some(), "an entry for two");
        }
        for desk in desks {
            self.push_chain(desk.0);
        }
        let mut free = BTreeSet::new();
        while let Some(first) = self.pop_chain() {
            for index in std::iter::successors(Some(first), |index| self.next_of(*index)) {
                assert!(free.insert(index), "an entry that is free twice");
            }
        }
        let used = self.used.load(Ordering::Relaxed);
        assert!(free.into_iter().eq(0..used), "an entry that is lost");
    }
}

/// One takes two entries and gives the first back, while another takes one.
fn take_while_others_take_and_give() {
    model(|| {
        let pending = Arc::new(Pending::new());
        let tickets = [pending.keep_noop(None), pending.keep_noop(None)];
        for ticket in tickets {
            drop(pending.forget(None, ticket));
        }
        let other = thread::spawn({
            let pending = pending.clone();
            move || {
                let (first, second) = (pending.keep_noop(None), pending.keep_noop(None));
                drop(pending.forget(None, first));
                second
            }
        });
        let mine = pending.keep_noop(None);
        let theirs = other.join().expect("no panic");
        pending.end([mine, theirs], []);
    });
}

#[test]
fn model_free_entries_have_one_taker() {
    take_while_others_take_and_give();
}

#[test]
#[should_panic(expected = "Causality violation")]
fn model_free_chains_need_a_tag() {
    with_bug("free chains have no tag", take_while_others_take_and_give);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn model_chains_must_be_given_back_with_a_release() {
    with_bug(
        "chains are given back without a release",
        take_while_others_take_and_give,
    );
}

/// Two use entries of a bucket for the first time, and one of them uses the other's.
fn make_a_bucket() {
    model(|| {
        let pending = Arc::new(Pending::new());
        let old = [pending.keep_noop(None), pending.keep_noop(None)];
        let other = thread::spawn({
            let pending = pending.clone();
            move || pending.keep_noop(None)
        });
        let mine = [pending.keep_noop(None), pending.keep_noop(None)];
        let theirs = other.join().expect("no panic");
        pending.end(old.into_iter().chain(mine).chain([theirs]), []);
    });
}

#[test]
fn model_two_need_a_new_bucket() {
    make_a_bucket();
}

#[test]
#[should_panic(expected = "ausality violation")]
fn model_buckets_must_be_published_with_a_release() {
    with_bug("buckets are published without a release", make_a_bucket);
}

/// A desk gives chains back, and fills itself, while another takes from the same stack: by chains or one by one.
fn exchange(other_has_desk: bool) {
    model(move || {
        let pending = Arc::new(Pending::new());
        let other = thread::spawn({
            let pending = pending.clone();
            move || {
                let mut desk = Desk::default();
                let held = [(); 2].map(|()| {
                    let desk = other_has_desk.then_some(&mut desk);
                    pending.keep_noop(desk)
                });
                (held, desk)
            }
        });
        let mut desk = Desk::default();
        let tickets: Vec<_> = (0..DESK + 1)
            .map(|_| pending.keep_noop(Some(&mut desk)))
            .collect();
        for ticket in tickets {
            drop(pending.forget(Some(&mut desk), ticket));
        }
        let mine = pending.keep_noop(Some(&mut desk));
        let (theirs, their_desk) = other.join().expect("no panic");
        pending.end([mine].into_iter().chain(theirs), [desk, their_desk]);
    });
}

#[test]
fn model_desks_pass_chains_on() {
    exchange(true);
}

#[test]
fn model_who_has_no_desk_leaves_the_rest_of_a_chain() {
    exchange(false);
}
