//! M: a thread that runs goroutines while it holds a P.
//!
//! An M owns its ring and its next slot for ever: its thread is their only producer. Other threads see the [`M`] part:
//! they steal, look at the ticks, and hand it a P. The thread itself holds a [`Here`], the proof that it *is* the M, and
//! only through that reaches the [`Local`] part.
//!
//! `tick` is odd during a poll and even in the scheduler: two plain stores per poll, from which the monitor sees that a poll
//! does not end. `cur` names the goroutine, for reports.

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::ptr::{self, NonNull};
use std::sync::{Mutex, MutexGuard};
use std::task::Waker;

use async_task::Runnable;
use crossbeam_utils::CachePadded;
use gort_gc::hooks::GuardWatch;
use gort_primitives::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering};

use crate::drive;
use crate::g::G;
use crate::g::free::Cache;
use crate::g::waker::is_goroutines;
use crate::lease::{Held, Lease};
use crate::park::Parker;
use crate::runq::{RunQ, Thief};
use crate::shared::Shared;
use crate::slot::Slot;
use crate::sysmon::{Watch, thread_clock};
use crate::time::{self, Shard};

/// An M, as other threads see it. See the [module](self).
pub(crate) struct M {
    /// Polls begun plus polls ended. Stored by the M only.
    tick: CachePadded<AtomicU64>,
    /// The goroutine that is being polled.
    cur: AtomicPtr<G>,
    /// The tick at which a new goroutine was put into the ring last. Stored by the M only.
    newest: AtomicU64,
    pub(crate) lease: Lease,
    pub(crate) slot: Slot<Runnable>,
    /// Its own line: a waker writes it.
    pub(crate) parker: CachePadded<Parker>,
    /// A P on its way to this M, plus 1. Written by whoever took the M out of the idle set.
    next_p: AtomicU32,
    pub(crate) thief: Thief,
    /// Whether a thread runs this M.
    alive: AtomicBool,
    /// The kernel's name of that thread, or 0.
    tid: AtomicU32,
    /// Odd inside a [`blocking`](crate::blocking) section. Stored by the M only.
    blocking: AtomicU32,
    pub(crate) index: usize,
    rt: NonNull<Shared>,
    pub(crate) watch: Watch,
    /// Wakers that are no goroutines', and that this M is about to call. The first may block; the monitor comes for the others.
    foreign: Mutex<Vec<Waker>>,
    local: CachePadded<Local>,
}

/// What only the M's own thread touches, through [`Here`].
pub(crate) struct Local {
    pub(crate) ring: RunQ,
    pub(crate) free: Cache,
    /// The lease, as it was taken.
    pub(crate) held: Cell<Option<Held>>,
    /// The timers of its P.
    pub(crate) timers: Cell<Option<&'static Shard>>,
    /// Whether this M is counted as searching.
    pub(crate) searching: Cell<bool>,
    /// Whether ready goroutines come as a batch of the scheduler's own making: from the reactor, or from timers.
    pub(crate) batch: Cell<bool>,
    /// Whether the future that is being polled has returned its output: who is woken now waits for that.
    pub(crate) finishing: Cell<bool>,
    /// The name of the last goroutine that was woken by one that had finished.
    pub(crate) last_joiner: Cell<usize>,
    /// When the reactor or the timers last put several goroutines into the ring, until that is dealt with; else 0.
    pub(crate) delivered_at: Cell<u64>,
    /// The tick of the poll in which an operation of gort's own yielded last, for the end of a slice.
    pub(crate) yielded_in: Cell<u64>,
    /// Finds polls that leave guards of the collected heap behind.
    pub(crate) guards: GuardWatch,
    /// Whether nobody needed this thread for a long time.
    pub(crate) expired: Cell<bool>,
    /// Polls from the slot in a row.
    pub(crate) streak: Cell<u32>,
    /// Scheduling decisions made.
    pub(crate) turn: Cell<u32>,
    pub(crate) random: Cell<u64>,
    /// Goroutine ids: the next one, and the end of the block.
    pub(crate) ids: Cell<(u64, u64)>,
    /// A buffer for wakers from the reactor and the timers.
    pub(crate) wakers: Cell<Vec<Waker>>,
}

// SAFETY: `local` is reached through `Here` only, which exists on the M's own thread only; `rt` points to what outlives
// the M; everything else is atomic.
unsafe impl Sync for M {}
// SAFETY: an M is made by one thread and then run by another; `local` is untouched until it runs.
unsafe impl Send for M {}

/// The name of an M in the idle set. Valid with the runtime it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MRef(NonNull<M>);

// SAFETY: it names an M, and an M may be used from all threads.
unsafe impl Send for MRef {}
// SAFETY: as for `Send`.
unsafe impl Sync for MRef {}

impl MRef {
    /// The M, which belongs to `_rt`.
    pub(crate) fn get<'rt>(&self, _rt: &'rt Shared) -> &'rt M {
        // SAFETY: idle sets hold Ms of their own runtime only, and those are not freed before it.
        unsafe { self.0.as_ref() }
    }
}

impl M {
    pub(crate) fn new(rt: &Shared, index: usize) -> Self {
        let (ring, thief) = RunQ::new();
        Self {
            tick: CachePadded::new(AtomicU64::new(0)),
            cur: AtomicPtr::new(ptr::null_mut()),
            newest: AtomicU64::new(0),
            lease: Lease::new(),
            slot: Slot::new(),
            parker: CachePadded::new(Parker::new()),
            next_p: AtomicU32::new(0),
            thief,
            alive: AtomicBool::new(true),
            tid: AtomicU32::new(0),
            blocking: AtomicU32::new(0),
            index,
            rt: NonNull::from(rt),
            watch: Watch::default(),
            foreign: Mutex::default(),
            local: CachePadded::new(Local {
                ring,
                free: Cache::default(),
                held: Cell::new(None),
                timers: Cell::new(None),
                searching: Cell::new(false),
                batch: Cell::new(false),
                finishing: Cell::new(false),
                last_joiner: Cell::new(0),
                delivered_at: Cell::new(0),
                yielded_in: Cell::new(0),
                guards: GuardWatch::default(),
                expired: Cell::new(false),
                streak: Cell::new(0),
                turn: Cell::new(0),
                random: Cell::new(fastrand::u64(1..)),
                ids: Cell::new((0, 0)),
                wakers: Cell::new(Vec::new()),
            }),
        }
    }

    pub(crate) fn as_ref(&self) -> MRef {
        MRef(NonNull::from(self))
    }

    /// Gives the M a P to search with, and wakes it. The caller took both out of the idle set, or has just made the M.
    pub(crate) fn hand_over(&self, p: usize) {
        // Relaxed: published by the unpark.
        self.next_p.store(p as u32 + 1, Ordering::Relaxed);
        self.unpark();
    }

    /// Wakes the M's thread.
    pub(crate) fn unpark(&self) {
        self.parker.unpark(drive::notify);
    }

    /// Takes the P that was handed over.
    pub(crate) fn take_next_p(&self) -> Option<usize> {
        // Relaxed: the parker's token ordered it.
        let p = self.next_p.swap(0, Ordering::Relaxed);
        p.checked_sub(1).map(|p| p as usize)
    }

    /// The kernel's name of the thread that runs this M, if there is one.
    pub(crate) fn tid(&self) -> Option<u32> {
        // Relaxed: a name that is out of date gives a wrong guess about a thread, for one look.
        Some(self.tid.load(Ordering::Relaxed)).filter(|&tid| tid != 0)
    }

    /// The count of entries into and exits from blocking sections.
    pub(crate) fn blocking_sections(&self) -> u32 {
        self.blocking.load(Ordering::Relaxed)
    }

    fn foreign(&self) -> MutexGuard<'_, Vec<Waker>> {
        self.foreign.lock().expect("leaf lock")
    }

    /// Takes the wakers that the M has not come to.
    pub(crate) fn take_foreign(&self) -> Vec<Waker> {
        std::mem::take(&mut *self.foreign())
    }

    /// Returns whether the ring holds work. The slot does not count: its M looks there next.
    pub(crate) fn has_queued(&self) -> bool {
        !self.thief.is_empty()
    }

    /// The tick: odd during a poll.
    pub(crate) fn tick(&self) -> u64 {
        self.tick.load(Ordering::Relaxed)
    }

    /// How many ticks ago a new goroutine was put into the ring.
    pub(crate) fn ticks_since_spawn(&self) -> u64 {
        self.tick()
            .wrapping_sub(self.newest.load(Ordering::Relaxed))
    }

    /// The goroutine that is being polled, as it was a moment ago.
    pub(crate) fn cur(&self) -> Option<&'static G> {
        // SAFETY: only pointers to records are stored, and records are never freed.
        unsafe { self.cur.load(Ordering::Relaxed).as_ref() }
    }

    /// Takes note that the thread has ended.
    pub(crate) fn retire(&self) {
        self.tid.store(0, Ordering::Relaxed);
        // Release: publishes the last state of `local` to the thread that revives the M.
        self.alive.store(false, Ordering::Release);
    }

    /// Takes a retired M for a new thread.
    pub(crate) fn try_revive(&self) -> bool {
        // Acquire: pairs with `retire`.
        let revived =
            self.alive
                .compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed);
        revived.is_ok()
    }
}

impl fmt::Debug for M {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("M")
            .field("index", &self.index)
            .field("tick", &self.tick())
            .field("lease", &self.lease)
            .field("queued", &self.thief.len())
            .finish_non_exhaustive()
    }
}

thread_local! {
    /// The M that this thread is, if it is one. Without a destructor, so that an access is one instruction.
    static CURRENT: Cell<*const M> = const { Cell::new(ptr::null()) };
}

/// Proof that the current thread is this M.
#[derive(Clone, Copy)]
pub(crate) struct Here<'m> {
    m: &'m M,
    _not_send: PhantomData<*const ()>,
}

/// Calls `f` with the M that this thread is.
#[inline(always)]
pub(crate) fn with_here<R>(f: impl FnOnce(Option<Here<'_>>) -> R) -> R {
    let m = CURRENT.get();
    // SAFETY: `enter` keeps the M alive while the pointer is there.
    let m = unsafe { m.as_ref() };
    f(m.map(|m| Here {
        m,
        _not_send: PhantomData,
    }))
}

/// Makes the current thread the M `m` while `f` runs.
///
/// # Safety
///
/// No other thread is this M.
pub(crate) unsafe fn enter<R>(m: &M, f: impl FnOnce(Here<'_>) -> R) -> R {
    struct Reset(*const M);
    impl Drop for Reset {
        fn drop(&mut self) {
            CURRENT.set(self.0);
        }
    }
    m.tid.store(thread_clock::current_tid(), Ordering::Relaxed);
    let _reset = Reset(CURRENT.replace(m));
    f(Here {
        m,
        _not_send: PhantomData,
    })
}

impl<'m> Here<'m> {
    #[inline(always)]
    pub(crate) fn m(self) -> &'m M {
        self.m
    }

    #[inline(always)]
    pub(crate) fn local(self) -> &'m Local {
        &self.m.local
    }

    #[inline(always)]
    pub(crate) fn rt(self) -> &'m Shared {
        // SAFETY: the thread of an M holds a reference to its runtime.
        unsafe { self.m.rt.as_ref() }
    }

    #[inline(always)]
    pub(crate) fn belongs_to(self, rt: *const Shared) -> bool {
        ptr::eq(self.m.rt.as_ptr(), rt)
    }

    #[inline(always)]
    pub(crate) fn free_records(self) -> &'m Cache {
        &self.m.local.free
    }

    /// The goroutine that this thread is polling.
    #[inline(always)]
    pub(crate) fn cur(self) -> Option<&'static G> {
        self.m.cur()
    }

    /// Marks the M as in a poll, or in another call of foreign code.
    #[inline(always)]
    pub(crate) fn begin_poll(self) {
        self.bump_tick();
    }

    /// Notes that a new goroutine was put into the ring.
    #[inline(always)]
    pub(crate) fn has_spawned(self) {
        // Relaxed: something for thieves to go by, which may be old.
        self.m.newest.store(self.m.tick(), Ordering::Relaxed);
    }

    /// Names the goroutine that is being polled, until the poll ends.
    #[inline(always)]
    pub(crate) fn set_cur(self, g: &'static G) {
        self.m
            .cur
            .store(ptr::from_ref(g).cast_mut(), Ordering::Relaxed);
    }

    /// Marks the M as back in the scheduler.
    #[inline(always)]
    pub(crate) fn end_poll(self) {
        self.bump_tick();
        self.m.cur.store(ptr::null_mut(), Ordering::Relaxed);
        self.local().finishing.set(false);
    }

    #[inline(always)]
    fn bump_tick(self) {
        // Relaxed: only this thread stores. The monitor acts on a tick that stays the same for a millisecond.
        let tick = self.m.tick.load(Ordering::Relaxed);
        self.m.tick.store(tick.wrapping_add(1), Ordering::Relaxed);
    }

    /// Wakes everybody, in a poll's stead: first goroutines, which only go into a queue, then those of which nothing is known.
    pub(crate) fn wake_all(self, wakers: &mut Vec<Waker>) {
        wakers.retain(|waker| {
            let goroutine = is_goroutines(waker);
            if goroutine {
                waker.wake_by_ref();
            }
            !goroutine
        });
        if wakers.is_empty() {
            return;
        }
        // In order: the last is taken first.
        self.m.foreign().extend(wakers.drain(..).rev());
        loop {
            let next = self.m.foreign().pop();
            match next {
                Some(waker) => wakers.push(waker),
                None => return,
            }
            time::wake_all(wakers);
        }
    }

    /// Runs `f`, which may block, with a mark for the monitor: it may take the P away at its next look.
    #[inline]
    pub(crate) fn blocking<R>(self, f: impl FnOnce() -> R) -> R {
        struct End<'m>(&'m AtomicU32, u32);
        impl Drop for End<'_> {
            #[inline]
            fn drop(&mut self) {
                self.0.store(self.1.wrapping_add(2), Ordering::Relaxed);
            }
        }
        let sections = &self.m.blocking;
        // Relaxed, all of them: only this thread stores, and the monitor acts on what stays the same for a whole round.
        let before = sections.load(Ordering::Relaxed);
        if before % 2 == 1 {
            // Inside another section.
            return f();
        }
        sections.store(before.wrapping_add(1), Ordering::Relaxed);
        let _end = End(sections, before);
        f()
    }

    /// A new goroutine id, from a block of the M's own.
    #[inline]
    pub(crate) fn new_id(self) -> u64 {
        let (next, end) = self.local().ids.get();
        let (next, end) = if next < end { (next, end) } else { new_ids(64) };
        self.local().ids.set((next + 1, end));
        next
    }

    /// A random number (xorshift64*, Vigna 2014): good enough to choose a victim.
    #[inline]
    pub(crate) fn random(self) -> u32 {
        let mut x = self.local().random.get();
        x ^= x >> 12;
        x ^= x << 25;
        x ^= x >> 27;
        self.local().random.set(x);
        (x.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32) as u32
    }
}

static NEXT_ID: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);

/// Takes a block of goroutine ids: the first, and the end. Go hands out blocks of 16 in the same way.
pub(crate) fn new_ids(n: u64) -> (u64, u64) {
    let first = NEXT_ID.fetch_add(n, Ordering::Relaxed);
    (first, first + n)
}
