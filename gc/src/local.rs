//! What the collector keeps for each thread, and the register of all of them.
//!
//! # Who touches what
//!
//! | field of [`Local`] | by whom |
//! |---|---|
//! | `state`, `site` | written by the owner, read by the collector |
//! | the cells, `cache` | the owner, who is one thread at a time |
//! | `grey`, `deferred` | under their locks, which the collector takes once or twice per cycle |
//!
//! A record is never freed; when its thread ends it is used by another: see [`register`]. One whose thread has ended with a
//! guard that was leaked is not: the guard may be in use for ever.
//!
//! All that is unusual about a pin is in one byte, [`Local::errands`], so that the usual pin looks at one byte only.

pub(crate) mod debt;
mod register;

use std::cell::{Cell, OnceCell};
use std::panic::Location;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};
use std::sync::{LockResult, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::arena::{self, AllocError, Cache, Place, Shape};
use crate::defer::Deferred;
use crate::epoch::{Epoch, State};
use crate::fence;
use crate::fork;
use crate::grey::{Buffer, Closing, Shade, Undecided};
use crate::object::{ObjectRef, VTable};
use crate::phase::Word;
use crate::report::{Report, report};
use crate::root::Block;
use crate::settings;
use register::{Record, Records, Register, Tenure};

/// The word of all threads. Written by the collector.
#[cfg(not(gort_loom))]
static EPOCH: Epoch = Epoch::new();
/// Never used: models make their own.
#[cfg(gort_loom)]
static EPOCH: std::sync::LazyLock<Epoch> = std::sync::LazyLock::new(Epoch::new);

/// All records.
#[cfg(not(gort_loom))]
static REGISTER: Register<&Local> = Register::new();
/// Never used: models make their own.
#[cfg(gort_loom)]
static REGISTER: std::sync::LazyLock<Register<&Local>> = std::sync::LazyLock::new(Register::new);

/// See the head of the file. No two threads write to the same cache line, and what each pin needs is in the first.
#[derive(Debug)]
#[repr(C, align(128))]
pub(crate) struct Local {
    state: State,
    /// Where the owner has pinned last.
    site: AtomicPtr<Location<'static>>,
    /// Guards of the owner that are alive, if it is pinned, beside one.
    nested: Cell<usize>,
    /// What an outermost pin, or its end, has to do beside its work.
    errands: Cell<u8>,
    /// The block that the owner takes slots for roots from.
    pub(crate) root_block: Cell<Option<&'static Block>>,
    /// Naps that the owner owes.
    naps: Cell<usize>,
    /// Bytes allocated that the pacer does not know of; less than none if it has been told of some that were given back.
    unreported: Cell<isize>,
    tenure: Tenure,
    /// The name of the owner.
    name: Mutex<Option<String>>,
    /// The word of the last pin that was reported because it did not end. The collector's.
    reported: AtomicU64,
    /// The cells of weak pointers that the owner has made since the last cycle ended.
    pub(crate) cells: Mutex<Vec<ObjectRef>>,
    /// What the owner has deferred since the last cycle began.
    pub(crate) deferred: Mutex<Vec<Deferred>>,
    /// Objects that the owner has shaded and the collector has not traced.
    pub(crate) grey: Buffer<ObjectRef>,
    /// What the owner allocates from.
    cache: Cache,
}

/// Set if the owner owes naps.
const THROTTLED: u8 = 1;
/// Set for ever if pins of this process need a full fence.
const FENCED: u8 = 2;
/// Set if the record is to be given back with the last guard, because the thread's destructor cannot do it.
const UNTIL_UNPINNED: u8 = 4;
/// Set for ever in a child of `fork`.
const FORKED: u8 = 8;

// SAFETY: the cells are the owner's, and there is one at a time: the register hands a record from one thread to the next.
unsafe impl Sync for Local {}

/// The register, which nobody else can enter.
pub(crate) type RegisterGuard = gort_primitives::sync::MutexGuard<'static, Records<&'static Local>>;

/// Locks what is never held across foreign code, so that its poison means nothing.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    unpoisoned(mutex.lock())
}

/// What is got from such a lock, or from that of a model.
pub(crate) fn unpoisoned<G>(result: LockResult<G>) -> G {
    result.unwrap_or_else(PoisonError::into_inner)
}

/// The record of the current thread.
struct Owned(&'static Local);

impl Drop for Owned {
    fn drop(&mut self) {
        if self.0.is_pinned() {
            // A guard was leaked, or is in a thread-local that is destroyed after this one.
            self.0.set_errand(UNTIL_UNPINNED, true);
        } else {
            self.0.release();
        }
    }
}

thread_local! {
    /// The fast way to `OWNED`, without a destructor.
    static CURRENT: Cell<Option<&'static Local>> = const { Cell::new(None) };
    static OWNED: OnceCell<Owned> = const { OnceCell::new() };
}

impl Local {
    /// Returns the record of the current thread, unless this is a child of `fork`.
    ///
    /// When the thread's own has been given back already, because other thread-locals are being destroyed, this returns one
    /// that is given back with its last guard.
    #[inline]
    pub(crate) fn current() -> Option<&'static Local> {
        CURRENT.get().or_else(Self::first)
    }

    #[cold]
    fn first() -> Option<&'static Local> {
        if fork::is_child() {
            return None;
        }
        let local = Self::acquire();
        *lock(&local.name) = std::thread::current().name().map(str::to_owned);
        let owned = OWNED.try_with(|owned| owned.set(Owned(local)).is_ok());
        local.set_errand(UNTIL_UNPINNED, owned != Ok(true));
        CURRENT.set(Some(local));
        Some(local)
    }

    /// Lets no pin of the current thread succeed from now on. For a child of `fork`.
    pub(crate) fn refuse_to_pin() {
        if let Some(local) = CURRENT.get() {
            local.set_errand(FORKED, true);
        }
    }

    fn acquire() -> &'static Local {
        settings::check();
        REGISTER.take(|closing| Box::leak(Box::new(Self::new(closing))))
    }

    fn new(closing: Closing) -> Self {
        Self {
            state: State::unpinned(),
            site: AtomicPtr::new(ptr::null_mut()),
            nested: Cell::new(0),
            errands: Cell::new(if fence::are_light() { 0 } else { FENCED }),
            root_block: Cell::new(None),
            naps: Cell::new(0),
            unreported: Cell::new(0),
            tenure: Tenure::taken(),
            name: Mutex::default(),
            reported: AtomicU64::new(Word::NONE.0),
            deferred: Mutex::default(),
            cells: Mutex::default(),
            grey: Buffer::new(closing),
            cache: Cache::new(),
        }
    }

    /// Gives the record to the next thread.
    fn release(&self) {
        // A destructor that runs after this gets another record, for the time of its guards.
        CURRENT.set(None);
        register::give_back(self);
    }

    /// All records, in a register that nobody can enter meanwhile.
    pub(crate) fn all() -> RegisterGuard {
        REGISTER.lock()
    }

    /// Pins the owner once more, unless this is a child of `fork`.
    ///
    /// The count is that of the others, so that the usual pin, which has none, neither reads nor writes what the last one wrote.
    #[inline]
    pub(crate) fn pin(&self, site: &'static Location<'static>) -> Option<()> {
        if self.is_pinned() {
            self.nested.set(self.nested.get() + 1);
            return Some(());
        }
        self.set_site(site);
        self.publish()
    }

    #[inline]
    pub(crate) fn unpin(&self) {
        match self.nested.get() {
            0 => {
                self.state.unpin();
                if self.errands.get() & UNTIL_UNPINNED != 0 {
                    self.release();
                }
            }
            others => self.nested.set(others - 1),
        }
    }

    /// Unpins and pins, if there is one guard only, and this is no child of `fork`.
    #[inline]
    pub(crate) fn repin(&self, site: &'static Location<'static>) -> Option<()> {
        if self.nested.get() > 0 {
            return Some(());
        }
        self.set_site(site);
        self.publish()
    }

    /// Tells the owner whether it is pinned.
    #[inline]
    fn is_pinned(&self) -> bool {
        self.word() != Word::NONE
    }

    /// How many guards the owner has.
    #[inline]
    fn pins(&self) -> usize {
        if self.is_pinned() {
            self.nested.get() + 1
        } else {
            0
        }
    }

    #[inline]
    fn publish(&self) -> Option<()> {
        if self.errands.get() != 0 {
            return self.publish_slow();
        }
        self.state.pin(&EPOCH);
        Some(())
    }

    #[cold]
    fn publish_slow(&self) -> Option<()> {
        if self.errands.get() & FORKED != 0 {
            return None;
        }
        if self.errands.get() & THROTTLED != 0 {
            self.pay_for_nap();
        }
        self.state.pin_fenced(&EPOCH);
        Some(())
    }

    fn set_errand(&self, errand: u8, on: bool) {
        let others = self.errands.get() & !errand;
        self.errands.set(if on { others | errand } else { others });
    }

    #[inline]
    fn set_site(&self, site: &'static Location<'static>) {
        // Relaxed: for reports.
        self.site
            .store(ptr::from_ref(site).cast_mut(), Ordering::Relaxed);
    }

    /// The word at the outermost pin.
    #[inline]
    pub(crate) fn word(&self) -> Word {
        self.state.own()
    }

    /// Takes a slot for an object of a type.
    #[inline]
    pub(crate) fn place(&self, vtable: &'static VTable) -> Result<Place, AllocError> {
        match self.cache.take(vtable) {
            Some(place) => Ok(place),
            None => self.place_slow(vtable),
        }
    }

    #[cold]
    fn place_slow(&self, vtable: &'static VTable) -> Result<Place, AllocError> {
        fork::check();
        if vtable.shape.is_large() {
            return self.place_large(vtable, vtable.shape);
        }
        let place = self.cache.take_slow(vtable)?;
        self.count(self.cache.count());
        Ok(place)
    }

    /// Takes blocks for a large object of a type, whose shape may be another for each.
    #[cold]
    pub(crate) fn place_large(
        &self,
        vtable: &'static VTable,
        shape: Shape,
    ) -> Result<Place, AllocError> {
        self.count_allocation(shape.slot);
        arena::take_large(vtable, shape)
    }

    /// Gives the blocks that the owner allocates from to whoever needs one.
    pub(crate) fn flush(&self) {
        // In a child, locks may be held by threads that it does not have.
        if !fork::is_child() {
            self.cache.flush();
            let unreported = self.unreported.get() + self.cache.count();
            self.unreported.set(unreported);
        }
    }

    /// Does the same for the current thread, if it has a record.
    #[inline]
    pub(crate) fn flush_current() {
        if let Some(local) = CURRENT.get() {
            local.flush();
        }
    }

    /// The word that the owner is pinned with.
    pub(crate) fn pinned_with(&self) -> Option<Word> {
        self.state.get()
    }

    /// Reports the owner's pin if it has a word before `word`, unless that has been done.
    pub(crate) fn report_pin_before(&self, word: Word, waited: Duration) {
        let Some(pinned) = self.pinned_with().filter(|pinned| *pinned < word) else {
            return;
        };
        // Relaxed: for reports, and the collector's alone.
        if self.reported.swap(pinned.0, Ordering::Relaxed) == pinned.0 {
            return;
        }
        let (thread, site) = self.who_and_where();
        report(Report::StalledGuard {
            thread,
            site,
            waited,
        });
    }

    /// Shades an object for the owner: the collector will trace it in this cycle.
    #[inline]
    pub(crate) fn shade(&self, object: ObjectRef) {
        if object.color() != self.word().mark_color() {
            self.shade_white(object);
        }
    }

    #[cold]
    fn shade_white(&self, object: ObjectRef) {
        // Nobody marks in a child, and the collector may have held the lock.
        if fork::is_child() {
            return;
        }
        self.grey.push(object, self.word().mark_color());
    }

    /// Makes a strong pointer of a weak one, whose target `load` reads, while a cycle marks. See [`weak`](crate::weak).
    pub(crate) fn upgrade(
        &self,
        load: impl FnOnce() -> Option<ObjectRef>,
    ) -> Result<Option<ObjectRef>, Undecided> {
        fork::check();
        self.grey.upgrade(load, self.word().mark_color())
    }

    /// How many guards the current thread has.
    #[inline]
    pub(crate) fn pins_of_current() -> usize {
        CURRENT.get().map_or(0, Self::pins)
    }

    /// Reports the pin of the current thread.
    pub(crate) fn report_left_guard() {
        if let Some(local) = CURRENT.get().filter(|local| local.is_pinned()) {
            let (thread, site) = local.who_and_where();
            report(Report::LeftGuard { thread, site });
        }
    }

    /// The name of the owner, and where it has pinned last. If the caller is another thread, and the pin ends now, that may be
    /// the site of the next.
    fn who_and_where(&self) -> (Option<String>, Option<&'static Location<'static>>) {
        let thread = lock(&self.name).clone();
        // Relaxed: for reports.
        let site = self.site.load(Ordering::Relaxed);
        // SAFETY: null, or from a reference that lives for ever.
        (thread, unsafe { site.as_ref() })
    }
}

impl Record for Local {
    type Object = ObjectRef;

    fn tenure(&self) -> &Tenure {
        &self.tenure
    }

    fn grey(&self) -> &Buffer<ObjectRef> {
        &self.grey
    }

    fn empty(&self) {
        self.flush();
    }
}

#[cfg(test)]
impl Local {
    /// A record that is no thread's, for a mutator of the simulator.
    pub(crate) fn of_simulator() -> &'static Local {
        Self::acquire()
    }

    /// Gives back a record of the simulator.
    pub(crate) fn end_of_simulator(&self) {
        register::give_back(self);
    }

    /// Calls `f` on this thread as if it were the one with this record.
    pub(crate) fn act<R>(&'static self, f: impl FnOnce() -> R) -> R {
        struct Restore(Option<&'static Local>);
        impl Drop for Restore {
            fn drop(&mut self) {
                CURRENT.set(self.0);
            }
        }
        let _restore = Restore(CURRENT.replace(Some(self)));
        f()
    }
}

/// The word of now.
pub(crate) fn word() -> Word {
    EPOCH.word()
}

/// Goes on to the next word. Whoever pins after this either has it, or is seen by the caller with an older one.
pub(crate) fn advance(word: Word) {
    EPOCH.advance(word);
}
