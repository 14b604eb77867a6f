//! Threads that come and go, and the collector, which decides what is dead meanwhile.

use std::sync::Arc;

use gort_primitives::atomic::AtomicPtr;
use gort_primitives::cell::UnsafeCell;
use gort_primitives::{model, thread};

use super::*;
use crate::epoch::{Epoch, State};
use crate::grey::model::{BLACK, Object, Pointer};
use crate::phase::{Phase, Word};
use crate::seeded::with_bug;

/// What stands for a [`Local`](crate::local::Local).
struct Entry {
    tenure: Tenure,
    state: State,
    grey: Buffer<Pointer>,
    /// The cells, and what the owner has at hand. loom reports two who touch them.
    cells: UnsafeCell<u8>,
}

impl Entry {
    fn new(closing: Closing) -> Arc<Self> {
        Arc::new(Self {
            tenure: Tenure::taken(),
            state: State::unpinned(),
            grey: Buffer::new(closing),
            cells: UnsafeCell::new(0),
        })
    }

    /// Touches the cells, as the owner does.
    fn work(&self) {
        // SAFETY: loom checks it.
        self.cells.with_mut(|cells| unsafe { *cells += 1 });
    }
}

impl Record for Entry {
    type Object = Pointer;

    fn tenure(&self) -> &Tenure {
        &self.tenure
    }

    fn grey(&self) -> &Buffer<Pointer> {
        &self.grey
    }

    fn empty(&self) {
        self.work();
    }
}

/// An object that no root leads to, and a weak cell to it.
struct World {
    register: Register<Arc<Entry>>,
    epoch: Epoch,
    object: Box<Object>,
    cell: AtomicPtr<Object>,
}

impl World {
    fn new() -> Arc<Self> {
        let mut object = Object::new(std::ptr::null_mut());
        let cell = AtomicPtr::new(&raw mut *object);
        Arc::new(Self {
            register: Register::new(),
            epoch: Epoch::new(),
            object,
            cell,
        })
    }

    /// Is a thread that gets a record, uses it, and ends.
    fn live(&self, work: impl FnOnce(&Entry)) {
        let record = self.register.take(Entry::new);
        record.work();
        work(&record);
        give_back(&*record);
    }

    /// Upgrades the weak pointer by a pin that marks. One that would have to wait for the decision goes away.
    fn upgrade(&self, record: &Entry) {
        let upgraded = record.grey.upgrade(|| Pointer::load(&self.cell), BLACK);
        if let Ok(object) = upgraded {
            object.iter().for_each(Pointer::read);
        }
    }

    /// Reads the object if the cell leads to it.
    fn pin_and_read(&self, record: &Entry) {
        record.state.pin(&self.epoch);
        Pointer::load(&self.cell).iter().for_each(Pointer::read);
        record.state.unpin();
    }

    /// Marks and sweeps, as steps 5 and 6 of a cycle. `look` is the last look.
    fn collect(&self, look: impl Fn(&mut Vec<Pointer>) -> bool) {
        let mut grey = Vec::new();
        while !look(&mut grey) {
            // They lead to nothing.
            grey.clear();
        }
        let is_dead = self.object.color() != BLACK;
        if is_dead {
            // Release: as `weak::clear_dead`.
            self.cell.store(std::ptr::null_mut(), Ordering::Release);
        }
        self.register.lock().set_closing(Closing::Done);
        if is_dead {
            self.object.free();
        }
    }

    fn collect_all(&self) {
        self.collect(|grey| self.register.lock().last_look(grey));
    }

    /// Frees the object when all who may have seen it have unpinned.
    fn unlink_and_free(&self) {
        const NEXT: Word = Word::new(1, Phase::Arm);
        // Release: as `Edge::store`.
        self.cell.store(std::ptr::null_mut(), Ordering::Release);
        self.epoch.advance(NEXT);
        let records = self.register.lock().to_vec();
        let is_older = |record: &Arc<Entry>| record.state.get().is_some_and(|pinned| pinned < NEXT);
        while records.iter().any(is_older) {
            thread::yield_now();
        }
        self.object.free();
    }
}

/// Lets so many threads come and go while `collector` is at work. None keeps its record.
fn come_and_go(
    threads: usize,
    live: fn(&World, &Entry),
    collector: impl Fn(&World) + Send + Sync + 'static,
) {
    model(move || {
        let world = World::new();
        let threads: Vec<_> = (0..threads)
            .map(|_| {
                let world = world.clone();
                thread::spawn(move || world.live(|record| live(&world, record)))
            })
            .collect();
        collector(&world);
        for thread in threads {
            thread.join().unwrap();
        }
        let records = world.register.lock().to_vec();
        assert!(records.iter().all(|record| record.tenure.try_take()));
    });
}

fn rest(_: &World, _: &Entry) {}

#[test]
fn a_record_has_one_owner_at_a_time() {
    come_and_go(2, rest, |world| world.live(|_| ()));
}

#[test]
#[should_panic(expected = "Causality violation")]
fn a_record_must_be_given_back_with_a_release() {
    with_bug(Some("records are given back without a release"), || {
        come_and_go(1, rest, |world| world.live(|_| ()));
    });
}

#[test]
#[should_panic(expected = "Causality violation")]
fn what_is_at_hand_must_be_given_back_before_the_record() {
    let bug = "records are given back before what is at hand";
    with_bug(Some(bug), || {
        come_and_go(1, rest, |world| world.live(|_| ()));
    });
}

#[test]
#[should_panic(expected = "Causality violation")]
fn a_record_must_be_taken_under_the_lock_of_the_register() {
    model(|| {
        let record = Entry::new(Closing::Open);
        give_back(&*record);
        let take = |record: &Entry| record.tenure.try_take().then(|| record.work());
        let other = thread::spawn({
            let record = record.clone();
            move || take(&record)
        });
        take(&record);
        other.join().unwrap();
    });
}

#[test]
fn a_thread_that_comes_during_the_last_look_gets_nothing_that_is_dead() {
    come_and_go(1, World::upgrade, World::collect_all);
}

#[test]
fn threads_that_share_a_record_during_the_last_look_get_nothing_that_is_dead() {
    come_and_go(2, World::upgrade, World::collect_all);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn a_new_record_must_know_how_far_the_collector_is() {
    with_bug(Some("new buffers are open"), || {
        come_and_go(1, World::upgrade, World::collect_all);
    });
}

#[test]
#[should_panic(expected = "Causality violation")]
fn nobody_may_come_during_the_last_look() {
    come_and_go(1, World::upgrade, |world| {
        world.collect(|grey| {
            let records = world.register.lock().to_vec();
            let nothing = grey::last_look(records.iter().map(|record| &record.grey), grey);
            if nothing {
                world.register.lock().closing = Closing::Closed;
            }
            nothing
        });
    });
}

#[test]
fn the_pin_of_an_owner_hides_nothing_of_that_of_the_last() {
    come_and_go(2, World::pin_and_read, World::unlink_and_free);
}
