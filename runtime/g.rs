//! G: the record of a goroutine.
//!
//! A goroutine is an `async_task` task; its record holds what the runtime wants to know about it. Records are
//! [type-stable](gort_gc::records): a pointer to one never dangles, a finished goroutine's record is used again for another,
//! and *the chunks are the registry* (Go's `allgs`), so a dump or a shutdown walks them and takes no lock.
//!
//! The public handle of a goroutine must be exactly `async_task::Task<T>`, a type that libraries store, so there is no room
//! for the record in async-task's metadata. The future holds a pointer to it instead, and queues hold async-task's
//! `Runnable`s.
//!
//! A goroutine gets its record at its *first poll*, unless it was given a name or a handle that can abort it: until then a
//! queue is all that can reach it. A burst of spawns touches no records, and goroutines that end in their first poll take
//! turns with one that stays in the cache. (Measured: with a record from the start, a burst of 500,000 spawns missed a
//! 512 KiB cache 13.9 times per goroutine, against 4.1 of async-executor, which has no records.)
//!
//! # Who may touch what
//!
//! * `data`, `vtable`: written at the start of the first poll, then constant until the record is used again.
//! * `refs`: see [`refs`].
//! * everything else: written by the thread that runs or schedules the goroutine, read by anyone, for reports only.
//!
//! # Life of a record
//!
//! ```text
//!  Free --poll--> Running --Pending--> Waiting --wake--> Runnable --poll--> Running ...
//!                    |                    |                 |
//!                    +--------------------+-----------------+--> Dead (the future is dropped) --> Free (no waker is left)
//! ```

use std::panic::Location;
use std::ptr;

use gort_gc::records::Records;
use gort_primitives::atomic::{
    AtomicBool, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering,
};

use crate::shared::Shared;
use crate::task::{Note, WaitReason};
use refs::Refs;

pub(crate) mod abort;
pub(crate) mod body;
pub(crate) mod chain;
pub(crate) mod free;
pub(crate) mod refs;
pub(crate) mod waker;

/// What a goroutine is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum State {
    /// The record belongs to no goroutine.
    Free = 0,
    /// In a queue, waiting for a P: not polled yet, or woken since.
    Runnable = 1,
    /// Being polled.
    Running = 2,
    /// Waiting for a wake-up.
    Waiting = 3,
    /// Its future has been dropped.
    Dead = 4,
}

impl State {
    fn from_byte(byte: u8) -> Self {
        match byte {
            1 => Self::Runnable,
            2 => Self::Running,
            3 => Self::Waiting,
            4 => Self::Dead,
            _ => Self::Free,
        }
    }
}

/// What the monitor found a goroutine to do in a poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Habit {
    None = 0,
    /// It blocked its thread.
    Blocks = 1,
    /// It computed for longer than a time slice.
    Computes = 2,
}

/// The hot part of a record: one cache line, of which a poll touches nothing else.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct G {
    /// Owners of the task's waker: 1 for the future, 1 for each waker of the user. 0 before the first of them exists.
    refs: Refs,
    state: AtomicU8,
    /// Why it waits: a [`crate::task::WaitReason`].
    wait: AtomicU8,
    /// Whether it was woken since its last poll began: a Waiting goroutine is then in a queue.
    woken: AtomicBool,
    /// A [`Habit`].
    habit: AtomicU8,
    /// The two halves of async-task's own waker.
    data: AtomicPtr<()>,
    vtable: AtomicPtr<()>,
    rt: AtomicPtr<Shared>,
    /// The next record of the [`chain`] this one is in, while it is free.
    next: AtomicPtr<G>,
    waits_at: AtomicPtr<Location<'static>>,
    /// The number of goroutines this record has served.
    generation: AtomicU32,
    /// The generation that shall stop. See [`abort`].
    abort: AtomicU32,
    polls: AtomicU32,
    /// The monitor's tick when it last began to wait.
    since: AtomicU32,
}

// loom's atomics are larger.
#[cfg(not(gort_loom))]
const _: () = assert!(size_of::<G>() == 64);

/// The cold part of a record.
#[derive(Debug)]
pub(crate) struct Cold {
    id: AtomicU64,
    parent: AtomicU64,
    /// The size of the future in bytes.
    frame: AtomicUsize,
    spawned_at: AtomicPtr<Location<'static>>,
    /// A `Box<Box<str>>`, owned by the record until it is used again.
    name: AtomicPtr<Box<str>>,
}

/// Guards the names against being freed under a reader. A leaf lock; a goroutine without a name never takes it.
static NAMES: std::sync::Mutex<()> = std::sync::Mutex::new(());

/// The records of all goroutines of the process.
pub(crate) static RECORDS: Records<G, Cold> = Records::new();

impl Default for G {
    fn default() -> Self {
        Self {
            refs: Refs::default(),
            state: AtomicU8::new(State::Free as u8),
            wait: AtomicU8::new(0),
            woken: AtomicBool::new(false),
            habit: AtomicU8::new(Habit::None as u8),
            data: AtomicPtr::new(ptr::null_mut()),
            vtable: AtomicPtr::new(ptr::null_mut()),
            rt: AtomicPtr::new(ptr::null_mut()),
            next: AtomicPtr::new(ptr::null_mut()),
            waits_at: AtomicPtr::new(ptr::null_mut()),
            generation: AtomicU32::new(0),
            abort: AtomicU32::new(0),
            polls: AtomicU32::new(0),
            since: AtomicU32::new(0),
        }
    }
}

impl Default for Cold {
    fn default() -> Self {
        Self {
            id: AtomicU64::new(0),
            parent: AtomicU64::new(0),
            frame: AtomicUsize::new(0),
            spawned_at: AtomicPtr::new(ptr::null_mut()),
            name: AtomicPtr::new(ptr::null_mut()),
        }
    }
}

/// What a record needs to know of a goroutine.
#[derive(Debug)]
pub(crate) struct Birth {
    pub(crate) id: u64,
    /// The id of the goroutine that spawned it, or 0.
    pub(crate) parent: u64,
    /// The size of its future in bytes.
    pub(crate) frame: usize,
    pub(crate) at: &'static Location<'static>,
    pub(crate) name: Option<Box<str>>,
}

impl G {
    /// Makes a free record that of a goroutine.
    #[inline]
    pub(crate) fn begin(&'static self, rt: &Shared, birth: Birth) {
        let cold = self.cold();
        cold.id.store(birth.id, Ordering::Relaxed);
        cold.parent.store(birth.parent, Ordering::Relaxed);
        cold.frame.store(birth.frame, Ordering::Relaxed);
        cold.spawned_at
            .store(ptr::from_ref(birth.at).cast_mut(), Ordering::Relaxed);
        if let Some(name) = birth.name {
            let name = Box::into_raw(Box::new(name));
            // Release: publishes the name to the Acquire in `with_name`.
            cold.name.store(name, Ordering::Release);
        }
        self.vtable.store(ptr::null_mut(), Ordering::Relaxed);
        self.polls.store(0, Ordering::Relaxed);
        self.woken.store(false, Ordering::Relaxed);
        self.habit.store(Habit::None as u8, Ordering::Relaxed);
        self.wait.store(0, Ordering::Relaxed);
        self.rt
            .store(ptr::from_ref(rt).cast_mut(), Ordering::Relaxed);
        let generation = self.generation.load(Ordering::Relaxed).wrapping_add(1);
        self.generation.store(generation, Ordering::Relaxed);
        // Release: a walk that sees the new state (Acquire) sees the new owner and generation too.
        self.state.store(State::Runnable as u8, Ordering::Release);
    }

    #[inline(always)]
    fn cold(&'static self) -> &'static Cold {
        // SAFETY: every `&'static G` comes from `RECORDS`, which is a set of these two types.
        unsafe { Records::<G, Cold>::cold(self) }
    }

    /// The runtime the goroutine belongs to. Dangling once the goroutine is dead.
    #[inline(always)]
    pub(crate) fn runtime(&self) -> *const Shared {
        self.rt.load(Ordering::Relaxed)
    }

    pub(crate) fn state(&self) -> State {
        // Acquire: pairs with the Release in `begin`, `begin_poll` and `end_poll`.
        match State::from_byte(self.state.load(Ordering::Acquire)) {
            // Acquire: pairs with the Release in `begin_poll`, for `doing`.
            State::Waiting if self.woken.load(Ordering::Acquire) => State::Runnable,
            state => state,
        }
    }

    /// Whether the goroutine's future exists.
    pub(crate) fn is_alive(&self) -> bool {
        !matches!(self.state(), State::Free | State::Dead)
    }

    pub(crate) fn generation(&self) -> u32 {
        self.generation.load(Ordering::Relaxed)
    }

    pub(crate) fn id(&'static self) -> u64 {
        self.cold().id.load(Ordering::Relaxed)
    }

    pub(crate) fn parent(&'static self) -> u64 {
        self.cold().parent.load(Ordering::Relaxed)
    }

    pub(crate) fn frame(&'static self) -> usize {
        self.cold().frame.load(Ordering::Relaxed)
    }

    pub(crate) fn polls(&self) -> u32 {
        self.polls.load(Ordering::Relaxed)
    }

    pub(crate) fn since(&self) -> u32 {
        self.since.load(Ordering::Relaxed)
    }

    pub(crate) fn spawned_at(&'static self) -> Option<&'static Location<'static>> {
        // Relaxed: a location is there before the program began.
        location(&self.cold().spawned_at, Ordering::Relaxed)
    }

    /// Copies the goroutine's name.
    pub(crate) fn name(&'static self) -> Option<String> {
        let _names = NAMES.lock().expect("leaf lock");
        // Acquire: pairs with the Release in `begin`.
        let name = self.cold().name.load(Ordering::Acquire);
        // SAFETY: a name is freed under the lock that we hold.
        unsafe { name.as_ref() }.map(|name| String::from(&**name))
    }

    /// Frees the name, if there is one.
    fn drop_name(&'static self) {
        let cell = &self.cold().name;
        if cell.load(Ordering::Relaxed).is_null() {
            return;
        }
        let _names = NAMES.lock().expect("leaf lock");
        let name = cell.swap(ptr::null_mut(), Ordering::Relaxed);
        // SAFETY: `begin` made it from a box, the swap takes it once, and readers hold the lock.
        drop(unsafe { Box::from_raw(name) });
    }

    /// What the goroutine does and, if it waits, why and where, as far as gort's own code knows: all three of one moment.
    ///
    /// A reason is told only of one that waits, because an operation made of others notes theirs on the way to its own.
    pub(crate) fn doing(&'static self) -> (State, u8, Option<&'static Location<'static>>) {
        // A goroutine that is polled all the time may spoil every look: after a few, the last one is as good as any.
        for _ in 0..8 {
            // Acquire: pairs with the Release stores of `end_poll`, and so do the loads below with those of `begin_poll`.
            let polls = self.polls.load(Ordering::Acquire);
            let state = self.state();
            // Acquire, Acquire: pair with the Release of 0 in `begin_poll` and with those in `note_wait`: who reads one of a later poll
            // finds `polls` changed.
            let reason = self.wait.load(Ordering::Acquire);
            let at = location(&self.waits_at, Ordering::Acquire);
            if state != State::Waiting {
                return (state, 0, None);
            }
            if self.polls.load(Ordering::Relaxed) == polls {
                return (state, reason, at.filter(|_| reason != 0));
            }
        }
        (self.state(), 0, None)
    }

    /// Notes why the goroutine is about to wait.
    #[inline]
    pub(crate) fn put_note(&'static self, note: Note) {
        let at = note.at.map_or(ptr::null(), ptr::from_ref);
        // Release, Release: pair with the loads in `doing`.
        self.wait.store(note.reason as u8, Ordering::Release);
        self.waits_at.store(at.cast_mut(), Ordering::Release);
    }

    /// What this thread noted, if anything.
    pub(crate) fn note(&'static self) -> Note {
        let reason = WaitReason::from_byte(self.wait.load(Ordering::Relaxed));
        // Relaxed, Relaxed: our own stores.
        let at = location(&self.waits_at, Ordering::Relaxed);
        Note {
            reason,
            at: at.filter(|_| reason != WaitReason::Other),
        }
    }

    /// What the goroutine was last found to do.
    #[inline(always)]
    pub(crate) fn habit(&self) -> Habit {
        // Relaxed: a hint.
        match self.habit.load(Ordering::Relaxed) {
            1 => Habit::Blocks,
            2 => Habit::Computes,
            _ => Habit::None,
        }
    }

    pub(crate) fn set_habit(&self, habit: Habit) {
        self.habit.store(habit as u8, Ordering::Relaxed);
    }

    /// Notes that the goroutine is about to be woken, by a caller who holds a reference.
    ///
    /// The next poll clears it, and there is one: async-task orders this store before the poll that the wake-up leads to.
    #[inline(always)]
    fn note_woken(&self) {
        self.woken.store(true, Ordering::Relaxed);
    }
}

/// The location that a cell holds. Only pointers from `&'static Location` are stored in those.
pub(crate) fn location(
    cell: &AtomicPtr<Location<'static>>,
    order: Ordering,
) -> Option<&'static Location<'static>> {
    // SAFETY: only pointers from `&'static Location` are stored.
    unsafe { cell.load(order).as_ref() }
}
