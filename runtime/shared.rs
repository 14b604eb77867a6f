//! What all Ms of one runtime share.
//!
//! A `Shared` outlives every future of its runtime: shutdown does not end before the last of them is dropped, and an M that never comes back from a poll
//! keeps its reference for ever. So whoever holds something that a queue owns may use the pointer in the record.
//!
//! Lock ranks, from the outside in: `follows_system`, `ms`, then the leaves (the idle lists, the free records, a parker, a timer shard).
//! No lock is held while user code runs: polls, wakers, destructors and hooks of the user.

use std::fmt;
use std::ptr::NonNull;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, Weak};

use async_task::Runnable;
use crossbeam_utils::CachePadded;
use gort_net::Reactor;
use gort_primitives::atomic::{AtomicU64, AtomicUsize, Ordering, fence};

use crate::builder::Settings;
use crate::idle::{Idle, Pair};
use crate::inject::{Batch, Inject};
use crate::m::{self, M, MRef};
use crate::p::{P, Ps};
use crate::sysmon::{Limit, Stalls};
use crate::{frame, stop, sysmon, time};
use threads::Ms;

mod threads;

/// The state of a runtime. See the [module](self).
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) ps: Ps,
    pub(crate) inject: CachePadded<Inject>,
    pub(crate) idle: CachePadded<Idle<MRef>>,
    ms: Mutex<Ms>,
    /// Signalled when an M's thread ends.
    exited: Condvar,
    /// Whether the number of Ps is what the system says, and nobody has set one.
    follows_system: Mutex<bool>,
    /// Set once, when the runtime begins to close. Spawns are refused from then on.
    closing: AtomicBool,
    /// Set if shutdown returned before all was gone. Threads that come back later finish its work.
    abandoned: AtomicBool,
    /// Set when every future is gone.
    ended: AtomicBool,
    /// Set by tests: no thread can be started.
    #[cfg(test)]
    pub(crate) refuse_threads: AtomicBool,
    /// Failed attempts to start a thread.
    pub(crate) thread_failures: AtomicU64,
    /// Ps taken from stuck Ms.
    pub(crate) handoffs: AtomicU64,
    /// Threads that were wanted and not started because there were too many.
    pub(crate) at_thread_cap: AtomicU64,
    pub(crate) stalls: Stalls,
    pub(crate) large_frames: frame::Told,
    limit: Mutex<Limit>,
    /// Ms that compute without a P because their goroutine is known for it.
    asides: AtomicUsize,
    me: Weak<Shared>,
}

impl Shared {
    pub(crate) fn new(settings: Settings) -> Arc<Self> {
        let procs = settings.procs;
        Arc::new_cyclic(|me| Self {
            ps: Ps::new(procs),
            inject: CachePadded::new(Inject::new()),
            idle: CachePadded::new(Idle::new(procs)),
            ms: Mutex::default(),
            exited: Condvar::new(),
            follows_system: Mutex::new(settings.follows_system),
            closing: AtomicBool::new(false),
            abandoned: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            #[cfg(test)]
            refuse_threads: AtomicBool::new(false),
            thread_failures: AtomicU64::new(0),
            handoffs: AtomicU64::new(0),
            at_thread_cap: AtomicU64::new(0),
            stalls: Stalls::default(),
            large_frames: frame::Told::default(),
            limit: Mutex::default(),
            asides: AtomicUsize::new(0),
            me: me.clone(),
            settings,
        })
    }

    pub(crate) fn arc(&self) -> Arc<Self> {
        self.me.upgrade().expect("a runtime in use exists")
    }

    /// Puts a goroutine that was made ready into a queue: the M's own if this thread is one of the runtime's, the global one if not.
    ///
    /// # Safety
    ///
    /// The goroutine is one of `rt`, which exists.
    #[inline(always)]
    pub(crate) unsafe fn ready(rt: NonNull<Shared>, runnable: Runnable, yielded: bool) {
        m::with_here(|here| {
            if let Some(here) = here
                && here.belongs_to(rt.as_ptr())
            {
                here.ready(runnable, yielded);
            } else {
                // SAFETY: the caller's promise; the runtime outlives the future, which cannot go before the goroutine is
                // in a queue.
                unsafe { rt.as_ref() }.inject_foreign(runnable);
            }
        });
    }

    /// Appends a goroutine to the global queue, on a thread that has no ring of this runtime.
    #[cold]
    pub(crate) fn inject_foreign(&self, runnable: Runnable) {
        // Once the goroutine is in the queue it may be run and dropped, and with the last of them the runtime may go.
        let keep = self.arc();
        keep.inject_and_wake(Batch::One(runnable));
        // The fence of `inject_and_wake` pairs with the one in `Shared::end`. If our push is first, the last look of the
        // shutdown finds it; if its mark is first, we see it here. Only a spawn can come so late: no future is left to wake.
        if keep.ended.load(Ordering::Relaxed) {
            stop::drop_queued(&keep);
        }
    }

    /// Appends a batch that is not empty to the global queue, and wakes somebody for it.
    pub(crate) fn inject_and_wake(&self, batch: Batch) {
        self.inject.push(batch);
        self.wake_p_after_fence();
    }

    /// Wakes an M for work that was pushed, or for a P that was put back, just before.
    pub(crate) fn wake_p_after_fence(&self) {
        // SeqCst: step 2 of the left column in `idle`.
        fence(Ordering::SeqCst);
        self.wake_p();
    }

    /// Marks the runtime as one without futures. The queues must be emptied once more after this.
    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
        // SeqCst: see `inject_foreign`.
        fence(Ordering::SeqCst);
    }

    /// Wakes an M for work that was pushed before a SeqCst fence, if nobody else will look for it.
    #[inline(always)]
    pub(crate) fn wake_p(&self) {
        if self.idle.wants_wake() {
            self.wake_p_slow();
        }
    }

    #[cold]
    fn wake_p_slow(&self) {
        // A thread on its own parker is cheaper to wake, and leaves the reactor watched.
        let prefer = |m: &MRef| !m.get(self).parker.is_polling();
        if let Some(pair) = self.idle.take_pair(prefer) {
            self.give(pair);
        }
    }

    /// Hands a P to an M that searches for work, starting one if all are busy or stuck.
    fn give(&self, pair: Pair<MRef>) {
        match pair.m {
            Some(m) => m.get(self).hand_over(pair.p),
            None => self.start_m(pair.p),
        }
    }

    /// Gives back a P that was on its way to an M, and ends the search it stood for.
    pub(crate) fn put_back(&self, p: usize) {
        if let Some(pair) = self.idle.put_back(p) {
            self.give(pair);
        }
    }

    /// How many Ps are wanted: those that are live, but for some that retire when the polls they are in end.
    pub(crate) fn procs(&self) -> usize {
        self.idle.procs()
    }

    /// Sets the number of Ps for good; returns what it was.
    pub(crate) fn set_procs(&self, procs: usize) -> usize {
        let mut follows = self.lock_follows_system();
        *follows = false;
        self.resize(procs)
    }

    /// Sets the number of Ps that the system gives, unless somebody has set one.
    pub(crate) fn follow_system(&self, procs: usize) {
        let follows = self.lock_follows_system();
        if *follows {
            self.resize(procs);
        }
    }

    /// Whether [`follow_system`](Self::follow_system) does anything.
    pub(crate) fn follows_system(&self) -> bool {
        *self.lock_follows_system()
    }

    fn lock_follows_system(&self) -> MutexGuard<'_, bool> {
        self.follows_system.lock().expect("as in `lock_ms`")
    }

    /// Makes Ps, or has them retire. The caller holds the lock that makes this one at a time.
    fn resize(&self, procs: usize) -> usize {
        self.ps.reserve(procs);
        let before = self.idle.resize(procs);
        // SeqCst: as before `wake_p` everywhere. What was queued while every P was busy waits for the new ones.
        fence(Ordering::SeqCst);
        if self.has_work() {
            self.wake_p();
        }
        if procs < before {
            // Threads beyond the number of Ps end after a while, but only those that sleep in the knowledge of it.
            self.for_each_m(|m| m.unpark());
            // It asks those that hold the Ps.
            sysmon::ensure();
        }
        before
    }

    /// Begins to close. Returns false if that was done before.
    pub(crate) fn close(&self) -> bool {
        // Relaxed: a spawn that misses it is found in a queue, see `inject_foreign`.
        !self.closing.swap(true, Ordering::Relaxed)
    }

    #[inline(always)]
    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Relaxed)
    }

    /// Leaves the rest of a shutdown to the threads that are stuck.
    pub(crate) fn abandon(&self) {
        // Release: pairs with `was_abandoned`.
        self.abandoned.store(true, Ordering::Release);
    }

    pub(crate) fn was_abandoned(&self) -> bool {
        // Acquire: pairs with `abandon`.
        self.abandoned.load(Ordering::Acquire)
    }

    /// Returns whether something may happen that nobody waits for: events of the reactor, or timers.
    pub(crate) fn is_watched_for(&self) -> bool {
        let reactor = Reactor::existing();
        if reactor.is_some_and(Reactor::is_driven) {
            return false;
        }
        reactor.is_some_and(|reactor| reactor.sources() > 0) || time::next_deadline() != time::NEVER
    }

    /// The number of goroutines in queues, as it was a moment ago.
    pub(crate) fn backlog(&self) -> usize {
        let rings = self.live_ps().filter_map(P::m);
        self.inject.len() + rings.map(|m| m.thief.len()).sum::<usize>()
    }

    /// The monitor's limit.
    pub(crate) fn limit(&self) -> MutexGuard<'_, Limit> {
        self.limit.lock().expect("used by the monitor only")
    }

    /// Counts an M that is about to compute without a P, if there are not too many.
    pub(crate) fn start_aside(&self) -> bool {
        // Relaxed: a bound on how many compete for CPUs, exact because it is one word.
        let before = self.asides.fetch_add(1, Ordering::Relaxed);
        let allowed = before < self.procs();
        if !allowed {
            self.end_aside();
        }
        allowed
    }

    pub(crate) fn end_aside(&self) {
        self.asides.fetch_sub(1, Ordering::Relaxed);
    }

    /// Returns whether any queue but a next slot holds work. Exact after a SeqCst fence.
    pub(crate) fn has_work(&self) -> bool {
        !self.inject.is_empty() || self.live_ps().any(|p| p.m().is_some_and(M::has_queued))
    }

    /// The Ps that may have queues behind them, and perhaps some that have retired.
    fn live_ps(&self) -> impl Iterator<Item = &P> {
        self.ps.first(self.idle.bound())
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("procs", &self.procs())
            .field("idle_procs", &self.idle.idle_ps())
            .field("searching", &self.idle.searching())
            .field("global_queue", &self.inject.len())
            .field("threads", &self.threads())
            .field("closing", &self.is_closing())
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(gort_loom)))]
mod tests {
    use std::sync::{Arc, Barrier, mpsc};

    use crate::Builder;

    #[test]
    fn ps_that_are_too_many_go_before_those_that_block_with_them_come_back() {
        const PROCS: usize = 4;
        let builder = Builder::new().procs(PROCS).on_stall(|_| {});
        let rt = builder.build().expect("threads");
        let all_run = Arc::new(Barrier::new(PROCS + 1));
        let (releases, blocked): (Vec<_>, Vec<_>) = (0..PROCS)
            .map(|_| {
                let (release, held) = mpsc::channel::<()>();
                let all_run = all_run.clone();
                let blocked = rt.go(async move {
                    all_run.wait();
                    held.recv().is_err()
                });
                (release, blocked)
            })
            .unzip();
        all_run.wait();
        rt.handle().set_procs(1).expect("in range");
        while rt.shared().idle.live() != 1 {
            std::thread::yield_now();
        }
        rt.handle().set_procs(PROCS).expect("in range");
        assert_eq!(rt.shared().idle.live(), PROCS);
        drop(releases);
        for one in blocked {
            assert!(rt.block_on(one).expect("no panic"));
        }
    }

    #[test]
    fn busy_ms_give_up_the_ps_that_are_too_many() {
        let rt = Builder::new().procs(4).build().expect("threads");
        let busy: Vec<_> = (0..8)
            .map(|_| {
                rt.spawn(async {
                    loop {
                        crate::task::yield_now().await;
                    }
                })
            })
            .collect::<Vec<crate::Task<()>>>();
        for procs in [1, 3, 2, 4, 1] {
            rt.handle().set_procs(procs).expect("in range");
            while rt.shared().idle.live() != procs {
                std::thread::yield_now();
            }
        }
        drop(busy);
    }
}
