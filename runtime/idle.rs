//! Who sleeps: the idle Ps and the parked Ms, and the one word that tells a waker whether anyone needs waking.
//!
//! The word packs the number of idle Ps with the number of searching Ms. A thread that made work ready reads it once:
//! no idle P, or somebody searching already, and there is nothing to do. The lists behind it are touched only by a thread
//! that goes to sleep or wakes another, under one lock.
//!
//! # No work is left behind
//!
//! | a thread that makes work ready | an M that goes to sleep |
//! |---|---|
//! | 1. pushes it | 1. adds its P to the idle set (SeqCst) |
//! | 2. fence (SeqCst) | 2. fence (SeqCst) |
//! | 3. reads the word | 3. looks at every queue |
//!
//! If the push's fence is first, the sleeper finds the work at 3. If the sleeper's is first, the pusher sees an idle P at 3
//! and wakes somebody. The count of searchers is part of the argument: a pusher that relies on a searcher is safe because the *last*
//! searcher to find something looks at every queue after it stopped being counted, and wakes another if there is more; and
//! a searcher that finds nothing goes to sleep by the right column.
//!
//! # How many Ps there are
//!
//! The word also counts the *live* Ps: those that are idle, held, or in a hand on the way. [`resize`](Idle::resize) says how many are
//! wanted. Growing makes Ps live, and idle. Shrinking retires the idle ones that are too many at once; one that is held retires
//! when it is put back, in the step that would have made it idle. Which ones: those whose index is not below the number wanted, so
//! that the live Ps are the first of the table, and thieves look no further than the [`bound`](Idle::bound).
//!
//! A P that retires leaves no work behind, for the same reason as one that goes to an M that blocks: its M has handed in what it had
//! queued, and the live Ps, of which there is at least one, are idle (then a pusher sees one), or with Ms that look at every
//! queue before they sleep.
//!
//! Lock rank: the lists' lock is a leaf. It is held for a push or a pop, never while a thread is started or user code runs.
//!
//! Rejected: a bit per P in the word (caps the runtime at 32 Ps), and a lock on the fast path (tokio and Go have one behind
//! the word too, for the same reason: sleeping is slow anyway).

use gort_primitives::atomic::{AtomicU64, AtomicUsize, Ordering};
use gort_primitives::sync::Mutex;

#[cfg(all(test, gort_loom))]
mod model;

const ONE_IDLE: u64 = 1;
const ONE_LIVE: u64 = 1 << 20;
const ONE_SEARCHING: u64 = 1 << 40;

// In a lease the index of a P has 16 bits.
const _: () = assert!((u16::MAX as u64) < ONE_LIVE);

/// The idle set of a runtime. `M` names a parked M.
#[derive(Debug)]
pub(crate) struct Idle<M> {
    /// From the highest bit down: searching Ms, live Ps, idle Ps.
    word: AtomicU64,
    lists: Mutex<Lists<M>>,
    /// How many Ps are wanted. Stored under the lock.
    procs: AtomicUsize,
    /// One more than the highest index of a live P. Stored under the lock.
    bound: AtomicUsize,
}

#[derive(Debug)]
struct Lists<M> {
    ps: Vec<usize>,
    ms: Vec<M>,
    /// By index: whether the P is live.
    live: Vec<bool>,
}

/// What a thread that wakes another holds in its hand: a P, and the M to give it to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Pair<M> {
    pub(crate) p: usize,
    /// None if every M is busy or stuck: a new one is needed.
    pub(crate) m: Option<M>,
}

/// Whether the M that stopped searching was the last one that did.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct WasLast(pub(crate) bool);

impl<M: Copy + PartialEq> Idle<M> {
    /// An idle set with all of `procs` Ps in it, P 0 to be given out first.
    pub(crate) fn new(procs: usize) -> Self {
        Self {
            word: AtomicU64::new(procs as u64 * (ONE_IDLE + ONE_LIVE)),
            lists: Mutex::new(Lists {
                ps: (0..procs).rev().collect(),
                ms: Vec::new(),
                live: vec![true; procs],
            }),
            procs: AtomicUsize::new(procs),
            bound: AtomicUsize::new(procs),
        }
    }

    /// Changes how many Ps are wanted; returns how many were before. The table has that many.
    ///
    /// A SeqCst fence and a look at every queue must follow, to wake somebody for what waits.
    pub(crate) fn resize(&self, procs: usize) -> usize {
        let mut lists = self.lists.lock().expect("leaf lock");
        let lists = &mut *lists;
        // Relaxed: decided by under the lock only; elsewhere a hint.
        let before = self.procs.swap(procs, Ordering::Relaxed);
        let mut change = 0_u64;
        if lists.live.len() < procs {
            lists.live.resize(procs, false);
        }
        for (p, live) in lists.live.iter_mut().enumerate().take(procs) {
            if !std::mem::replace(live, true) {
                lists.ps.push(p);
                change = change.wrapping_add(ONE_LIVE + ONE_IDLE);
            }
        }
        lists.ps.retain(|&p| {
            if p >= procs {
                lists.live[p] = false;
                change = change.wrapping_sub(ONE_LIVE + ONE_IDLE);
            }
            p < procs
        });
        self.set_bound(&lists.live);
        // SeqCst: as in `sleep`.
        self.word.fetch_add(change, Ordering::SeqCst);
        before
    }

    fn set_bound(&self, live: &[bool]) {
        let bound = live.iter().rposition(|&live| live).map_or(0, |p| p + 1);
        // Relaxed: see `bound`.
        self.bound.store(bound, Ordering::Relaxed);
    }

    /// Puts a P back: into the idle set, or out of the world if it is one too many. Returns what that adds to the word.
    fn put(&self, lists: &mut Lists<M>, p: usize) -> u64 {
        if !self.is_surplus(p) {
            lists.ps.push(p);
            return ONE_IDLE;
        }
        lists.live[p] = false;
        self.set_bound(&lists.live);
        ONE_LIVE.wrapping_neg()
    }

    /// How many Ps are wanted.
    pub(crate) fn procs(&self) -> usize {
        // Relaxed: whoever must not be wrong holds the lock.
        self.procs.load(Ordering::Relaxed)
    }

    /// Returns whether the P retires when it is put back.
    pub(crate) fn is_surplus(&self, p: usize) -> bool {
        p >= self.procs()
    }

    /// How many Ps of the table may have queues behind them.
    ///
    /// Exact after a SeqCst fence, like the queues: who pushed into a ring before the fence took its P before that, out of the lists,
    /// and those had raised the bound before. It sinks when a P retires, whose M has emptied its ring.
    pub(crate) fn bound(&self) -> usize {
        // Relaxed: the fence orders it.
        self.bound.load(Ordering::Relaxed)
    }

    /// Returns whether work that was just pushed needs somebody to be woken for it.
    ///
    /// The push and a SeqCst fence come before.
    #[inline(always)]
    pub(crate) fn wants_wake(&self) -> bool {
        // SeqCst: step 3 of the left column of the module's table; pairs with the read-modify-writes of the word.
        let word = self.word.load(Ordering::SeqCst);
        searching(word) == 0 && idle(word) != 0
    }

    /// Takes an idle P, and a parked M for it if there is one, for a wake-up. The M counts as searching from here on.
    ///
    /// `prefer` says which Ms are cheaper to wake; the one that parked last among them is taken.
    pub(crate) fn take_pair(&self, prefer: impl Fn(&M) -> bool) -> Option<Pair<M>> {
        while self.try_start_search() {
            let mut lists = self.lists.lock().expect("leaf lock");
            if let Some(p) = lists.ps.pop() {
                let at = lists.ms.iter().rposition(&prefer);
                let m = match at {
                    Some(at) => Some(lists.ms.remove(at)),
                    None => lists.ms.pop(),
                };
                // SeqCst: keeps the word in one total order for the module's argument.
                self.word.fetch_sub(ONE_IDLE, Ordering::SeqCst);
                return Some(Pair { p, m });
            }
            drop(lists);
            // A sleeper took the last P itself. Whoever put one back while we counted as searching left its work to us,
            // so the word is read again.
            let WasLast(_) = self.stop_search();
        }
        None
    }

    /// Counts the caller as searching if nobody else is, and if there is a P for it.
    fn try_start_search(&self) -> bool {
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            if searching(word) != 0 || idle(word) == 0 {
                return false;
            }
            // SeqCst: as in `take_pair`. One winner: a burst of wakes starts one searcher, which starts the next.
            match self.word.compare_exchange_weak(
                word,
                word + ONE_SEARCHING,
                Ordering::SeqCst,
                Ordering::Relaxed,
            ) {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
    }

    /// Gives back the P of a wake-up that came to nothing, because no thread could be started, and ends its search.
    ///
    /// An M that has gone to sleep meanwhile found no P. It gets this one, or another if this one retires: both are returned, and
    /// the M counts as searching.
    #[must_use]
    pub(crate) fn put_back(&self, p: usize) -> Option<Pair<M>> {
        let mut lists = self.lists.lock().expect("leaf lock");
        let mut change = self.put(&mut lists, p);
        // One step, and under the lock: an M that comes to sleep later finds the P.
        let pair = match lists.ps.last().copied() {
            Some(p) => lists.ms.pop().map(|m| Pair { p, m: Some(m) }),
            None => None,
        };
        if pair.is_some() {
            lists.ps.pop();
            change = change.wrapping_sub(ONE_IDLE);
        } else {
            change = change.wrapping_sub(ONE_SEARCHING);
        }
        // SeqCst: as in `sleep` and `stop_search`.
        self.word.fetch_add(change, Ordering::SeqCst);
        pair
    }

    /// Counts an M with a P as searching, unless half of the busy Ms search already.
    ///
    /// More searchers than that only fight over the same queues (the bound is Go's and tokio's).
    pub(crate) fn start_search(&self) -> bool {
        let word = self.word.load(Ordering::Relaxed);
        let busy = live(word) - idle(word);
        if 2 * searching(word) >= busy {
            return false;
        }
        // SeqCst: as in `take_pair`.
        self.word.fetch_add(ONE_SEARCHING, Ordering::SeqCst);
        true
    }

    /// Stops counting the caller as searching.
    pub(crate) fn stop_search(&self) -> WasLast {
        // SeqCst: comes before the last searcher's look at every queue, after which it may wake another.
        let word = self.word.fetch_sub(ONE_SEARCHING, Ordering::SeqCst);
        debug_assert_ne!(searching(word), 0, "stop_search: nobody searches");
        WasLast(searching(word) == 1)
    }

    /// Announces that `m` goes to sleep and gives its P up, in one step with the end of its search.
    ///
    /// A SeqCst fence and a look at every queue must follow.
    pub(crate) fn sleep(&self, m: M, p: usize, was_searching: bool) {
        let mut lists = self.lists.lock().expect("leaf lock");
        let change = self.put(&mut lists, p);
        lists.ms.push(m);
        let stop = if was_searching { ONE_SEARCHING } else { 0 };
        // SeqCst: step 1 of the right column of the module's table.
        self.word
            .fetch_add(change.wrapping_sub(stop), Ordering::SeqCst);
    }

    /// Adds an M that has no P to the sleepers.
    pub(crate) fn sleep_without_p(&self, m: M) {
        self.lists.lock().expect("leaf lock").ms.push(m);
    }

    /// Puts back a P whose M does not sleep but blocks, or has stopped.
    pub(crate) fn put_p(&self, p: usize) {
        let mut lists = self.lists.lock().expect("leaf lock");
        let change = self.put(&mut lists, p);
        self.word.fetch_add(change, Ordering::SeqCst);
    }

    /// Takes an idle P for a thread that is in nobody's list.
    pub(crate) fn take_p(&self) -> Option<usize> {
        let mut lists = self.lists.lock().expect("leaf lock");
        let p = lists.ps.pop()?;
        self.word.fetch_sub(ONE_IDLE, Ordering::SeqCst);
        Some(p)
    }

    /// Takes the sleeper `m` itself out of the list, with a P for it.
    pub(crate) fn retract(&self, m: M) -> Retracted {
        let mut lists = self.lists.lock().expect("leaf lock");
        let Some(at) = lists.ms.iter().rposition(|&other| other == m) else {
            return Retracted::Woken;
        };
        let Some(p) = lists.ps.pop() else {
            return Retracted::NoP;
        };
        lists.ms.remove(at);
        self.word.fetch_sub(ONE_IDLE, Ordering::SeqCst);
        Retracted::P(p)
    }

    /// Takes the sleeper `m` out of the list, without a P. Returns false if a waker was faster.
    pub(crate) fn leave(&self, m: M) -> bool {
        let mut lists = self.lists.lock().expect("leaf lock");
        let at = lists.ms.iter().rposition(|&other| other == m);
        at.map(|at| lists.ms.remove(at)).is_some()
    }

    /// Returns whether no P is at work, and nobody searches.
    pub(crate) fn all_idle(&self) -> bool {
        // SeqCst: the monitor announces its sleep before it looks, and an M takes its P before it looks at the monitor.
        let word = self.word.load(Ordering::SeqCst);
        idle(word) == live(word) && searching(word) == 0
    }

    /// The number of live Ps, as it was a moment ago.
    pub(crate) fn live(&self) -> usize {
        live(self.word.load(Ordering::Relaxed)) as usize
    }

    /// The number of idle Ps, as it was a moment ago.
    pub(crate) fn idle_ps(&self) -> usize {
        idle(self.word.load(Ordering::Relaxed)) as usize
    }

    /// The number of searching Ms, as it was a moment ago.
    pub(crate) fn searching(&self) -> usize {
        searching(self.word.load(Ordering::Relaxed)) as usize
    }
}

/// What [`Idle::retract`] found.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Retracted {
    /// The M is awake, with this P in its hand.
    P(usize),
    /// All Ps are taken; the M is still in the list.
    NoP,
    /// A waker took the M out: a P is on its way.
    Woken,
}

fn idle(word: u64) -> u64 {
    word & (ONE_LIVE - 1)
}

fn live(word: u64) -> u64 {
    word % ONE_SEARCHING / ONE_LIVE
}

fn searching(word: u64) -> u64 {
    word / ONE_SEARCHING
}

#[cfg(all(test, not(gort_loom)))]
mod tests {
    use super::*;

    #[test]
    fn one_wake_up_is_under_way_at_a_time() {
        let set = Idle::<u8>::new(2);
        assert_eq!(set.take_pair(|_| true), Some(Pair { p: 0, m: None }));
        assert!(!set.wants_wake());
        assert_eq!(set.take_pair(|_| true), None);
        assert_eq!(set.stop_search(), WasLast(true));
        assert!(set.wants_wake());
        set.sleep(7, 0, false);
        assert!(set.all_idle());
        assert_eq!(set.take_pair(|_| true), Some(Pair { p: 0, m: Some(7) }));
    }

    #[test]
    fn half_of_the_busy_ms_may_search() {
        let set = Idle::<u8>::new(4);
        for _ in 0..4 {
            set.take_p().expect("idle");
        }
        assert!(set.start_search());
        assert!(set.start_search());
        assert!(!set.start_search());
        assert_eq!(set.stop_search(), WasLast(false));
        assert_eq!(set.stop_search(), WasLast(true));
    }

    #[test]
    fn a_sleeper_that_was_woken_cannot_retract() {
        let set = Idle::<u8>::new(1);
        let p = set.take_p().expect("idle");
        set.sleep(1, p, false);
        assert!(set.take_pair(|_| true).is_some());
        assert_eq!(set.retract(1), Retracted::Woken);
        set.sleep_without_p(2);
        assert_eq!(set.retract(2), Retracted::NoP);
        assert!(set.leave(2));
        assert!(!set.leave(2));
    }

    #[test]
    fn ps_that_are_too_many_retire_when_they_are_put_back() {
        let set = Idle::<u8>::new(4);
        let held: Vec<_> = (0..3).map(|_| set.take_p().expect("idle")).collect();
        assert_eq!(held, [0, 1, 2]);
        assert_eq!(set.resize(1), 4);
        assert_eq!((set.live(), set.idle_ps(), set.bound()), (3, 0, 3));
        set.put_p(1);
        assert_eq!((set.live(), set.bound()), (2, 3));
        set.sleep(7, 2, false);
        assert_eq!((set.live(), set.idle_ps(), set.bound()), (1, 0, 1));
        assert!(!set.all_idle());
        set.put_p(0);
        assert!(set.all_idle());
        assert_eq!(set.resize(3), 1);
        assert_eq!((set.live(), set.idle_ps(), set.bound()), (3, 3, 3));
    }

    #[test]
    fn a_p_that_is_wanted_again_before_it_is_put_back_stays() {
        let set = Idle::<u8>::new(2);
        let held = [set.take_p(), set.take_p()];
        assert_eq!(held, [Some(0), Some(1)]);
        assert_eq!(set.resize(1), 2);
        assert_eq!(set.resize(2), 1);
        assert_eq!((set.live(), set.idle_ps()), (2, 0));
        set.put_p(1);
        assert_eq!((set.live(), set.idle_ps()), (2, 1));
    }

    #[test]
    fn a_sleeper_gets_another_p_for_one_that_retires() {
        let set = Idle::<u8>::new(2);
        let first = set.take_pair(|_| true).expect("idle").p;
        let second = set.take_p().expect("idle");
        assert_eq!((first, second), (0, 1));
        assert_eq!(set.stop_search(), WasLast(true));
        set.put_p(0);
        // P 0 is idle, P 1 stands for a wake-up that comes to nothing.
        assert!(set.start_search());
        set.sleep_without_p(7);
        assert_eq!(set.resize(1), 2);
        assert_eq!(set.put_back(1), Some(Pair { p: 0, m: Some(7) }));
        assert_eq!((set.live(), set.idle_ps(), set.searching()), (1, 0, 1));
        assert_eq!(set.put_back(0), None);
        assert!(set.all_idle());
    }
}
