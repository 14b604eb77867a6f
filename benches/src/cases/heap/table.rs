//! A table that is read by all, and changed by all every tenth time.

use std::sync::atomic::Ordering;
use std::sync::{Arc, RwLock};

use crossbeam_epoch::{self as epoch, Atomic, Owned};
use gort::gc::{Edge, Root, Trace, with};

use super::{Cx, Random, Verdict, measure};
use crate::cases::check;

/// Values in the table.
const SLOTS: u64 = 65_536;

/// What a slot points to: the same number four times.
#[derive(Trace)]
struct Value([u64; 4]);

/// A table that all mutators share.
trait Table: Sync {
    fn new(slots: u64) -> Self;
    /// Tells whether the value is whole.
    fn read(&self, slot: u64) -> bool;
    fn replace(&self, slot: u64, number: u64);
}

impl Value {
    fn is_whole(&self) -> bool {
        self.0[0] == self.0[3]
    }
}

struct Counted(Vec<RwLock<Arc<Value>>>);

impl Table for Counted {
    fn new(slots: u64) -> Self {
        let value = |number| RwLock::new(Arc::new(Value([number; 4])));
        Self((0..slots).map(value).collect())
    }

    fn read(&self, slot: u64) -> bool {
        let value = self.0[slot as usize].read().expect("no holder panics");
        value.is_whole()
    }

    fn replace(&self, slot: u64, number: u64) {
        let value = Arc::new(Value([number; 4]));
        *self.0[slot as usize].write().expect("no holder panics") = value;
    }
}

struct Epochs(Vec<Atomic<Value>>);

impl Table for Epochs {
    fn new(slots: u64) -> Self {
        Self(
            (0..slots)
                .map(|number| Atomic::new(Value([number; 4])))
                .collect(),
        )
    }

    fn read(&self, slot: u64) -> bool {
        let guard = epoch::pin();
        // Acquire: pairs with the AcqRel in `replace`.
        let value = self.0[slot as usize].load(Ordering::Acquire, &guard);
        // SAFETY: a slot is never null, and its value is destroyed after our guard.
        unsafe { value.deref() }.is_whole()
    }

    fn replace(&self, slot: u64, number: u64) {
        let guard = epoch::pin();
        let value = Owned::new(Value([number; 4]));
        // AcqRel: publishes the value, and takes the old one after its publication.
        let old = self.0[slot as usize].swap(value, Ordering::AcqRel, &guard);
        // SAFETY: it is in no slot any more.
        unsafe { guard.defer_destroy(old) };
    }
}

type Slots<'g> = Vec<Edge<'g, Value>>;

impl Table for Root<Slots<'static>> {
    fn new(slots: u64) -> Self {
        Root::new(|g| {
            (0..slots)
                .map(|number| Edge::from(g.alloc(Value([number; 4]))))
                .collect()
        })
    }

    fn read(&self, slot: u64) -> bool {
        with(|g| {
            self.get(g)[slot as usize]
                .load()
                .is_some_and(|value| value.is_whole())
        })
    }

    fn replace(&self, slot: u64, number: u64) {
        with(|g| self.get(g)[slot as usize].store(g, Some(g.alloc(Value([number; 4])))));
    }
}

pub(super) fn counted(cx: Cx) -> Verdict {
    table::<Counted>(cx)
}

pub(super) fn epochs(cx: Cx) -> Verdict {
    table::<Epochs>(cx)
}

pub(super) fn collected(cx: Cx) -> Verdict {
    table::<Root<Slots<'static>>>(cx)
}

/// Nine operations of ten read, one replaces.
fn table<T: Table>(cx: Cx) -> Verdict {
    let each = cx.size / cx.procs as u64;
    let table = T::new(SLOTS);
    let work = |random: &mut Random| {
        let mut whole = 0;
        for number in 0..each {
            let slot = random.below(SLOTS);
            if number % 10 == 9 {
                table.replace(slot, number);
                whole += 1;
            } else {
                whole += u64::from(table.read(slot));
            }
        }
        whole
    };
    let (measured, whole) = measure(cx, Random::new, work);
    let operations = each * cx.procs as u64;
    check(
        "operations on values that are whole",
        whole.iter().sum(),
        operations,
    )?;
    Ok(measured.per_op(operations))
}
