//! The word and the queue of a mutex: one compare-and-swap to lock, one to unlock, while nobody waits.
//!
//! An unlock frees the lock and notifies the first waiter, which competes with newcomers; they win often, because they run
//! already, and that is what makes a contended lock fast: nobody waits for a wake-up. This is the normal mode of Go's
//! `sync.Mutex`. Its starvation mode begins when a waiter has waited for a millisecond; here it begins when one has come
//! [`PATIENCE`] times in vain (no clock on the path, the same on every machine, and a model can see it): then newcomers may not
//! pass any more, and the next unlock hands the lock over. One hand-over ends it: whoever is first then has its own patience. So
//! a waiter with `k` before it comes at most `PATIENCE * (k + 1)` times in turn.
//!
//! While NOTIFIED is set the first waiter is on its way, and unlocks need not wake anybody. It clears the bit itself, in the same
//! exchange in which it takes the lock or finds it taken; if it is dropped instead, it notifies the next.
//!
//! WAITERS, NOTIFIED and STARVING are set and cleared under the queue's lock; LOCKED by anybody.
//!
//! Rejected: a fair mutex (tokio's; a wake-up per lock, 150 ns instead of 15 in a loop that never waits), counting waiters in the
//! word (the queue knows), handing over at once when the waiter is there (a convoy: every holder that comes back finds the lock taken).

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use gort_primitives::atomic::{AtomicUsize, Ordering};
use gort_primitives::hint;
use pin_project_lite::pin_project;

use crate::hook::must_yield;

use super::const_unless_loom;
use super::wait::{Locked, State, WaitQueue, Waiter};

/// Set while somebody has the lock.
const LOCKED: usize = 1;
/// Set while somebody is in the queue, and for an instant longer.
const WAITERS: usize = 2;
/// Set while the first waiter is awake and has not looked yet. Only with WAITERS, never with STARVING.
const NOTIFIED: usize = 4;
/// Set while the lock is handed over. Only with WAITERS.
const STARVING: usize = 8;

/// So often a waiter comes in vain before the lock is handed to it. Thin air; one would be a fair lock half of the time.
#[cfg(not(gort_loom))]
const PATIENCE: usize = 3;
#[cfg(gort_loom)]
const PATIENCE: usize = 1;

/// How often a newcomer looks again before it queues up, pausing longer each time. From Go's order of magnitude: about 100 ns.
#[cfg(not(gort_loom))]
const LOOKS: u32 = 4;
#[cfg(gort_loom)]
const LOOKS: u32 = 0;

pub(super) struct RawMutex {
    word: AtomicUsize,
    queue: WaitQueue,
}

impl RawMutex {
    const_unless_loom! {
        pub(super) fn new() -> Self {
            Self {
                word: AtomicUsize::new(0),
                queue: WaitQueue::new(),
            }
        }
    }

    pub(super) fn is_locked(&self) -> bool {
        // Relaxed: something to look at, which may be old at once.
        self.word.load(Ordering::Relaxed) & LOCKED != 0
    }

    /// Takes the lock if it is free, passing those who wait, unless they starve.
    #[inline]
    pub(super) fn try_lock(&self) -> bool {
        // Acquire: pairs with the Release in `unlock`.
        self.word
            .compare_exchange(0, LOCKED, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
            || self.try_lock_among_waiters()
    }

    #[cold]
    fn try_lock_among_waiters(&self) -> bool {
        // Relaxed: the exchange below orders.
        let mut word = self.word.load(Ordering::Relaxed);
        while word & (LOCKED | STARVING) == 0 {
            // Acquire: pairs with the Release in `unlock`.
            match self.word.compare_exchange_weak(
                word,
                word | LOCKED,
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
        false
    }

    /// As `try_lock`, looking a few times.
    ///
    /// Not when others wait: then the holder is likely to be a task that is not running.
    fn try_lock_spinning(&self) -> bool {
        for look in 0..LOOKS {
            // Relaxed: `try_lock` orders.
            let word = self.word.load(Ordering::Relaxed);
            if word & LOCKED == 0 {
                if self.try_lock() {
                    return true;
                }
            } else if word & WAITERS != 0 {
                return false;
            }
            for _ in 0..1 << look {
                hint::spin_loop();
            }
        }
        false
    }

    /// Frees the lock, which the caller has.
    #[inline]
    pub(super) fn unlock(&self) {
        // Release: publishes what was done under the lock to the Acquire of who locks it next.
        let word = self.word.fetch_sub(LOCKED, Ordering::Release);
        if word & (WAITERS | NOTIFIED) == WAITERS {
            self.pass_on();
        }
    }

    /// Wakes a waiter if the lock is free.
    #[cold]
    fn pass_on(&self) {
        let mut list = self.queue.lock();
        let waker = self.choose(&mut list);
        drop(list);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Notifies the first waiter, or hands the lock to it, if the lock is free and no waiter is on its way.
    ///
    /// If it is not free, its holder finds WAITERS when it unlocks.
    #[must_use]
    fn choose(&self, list: &mut Locked<'_>) -> Option<Waker> {
        // Relaxed: the exchange below orders.
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            let hand_over = word & STARVING != 0;
            let next = if list.is_empty() {
                word & LOCKED
            } else if word & (LOCKED | NOTIFIED) != 0 {
                return None;
            } else if hand_over {
                LOCKED | waiters_without_first(list)
            } else {
                word | NOTIFIED
            };
            // AcqRel: with LOCKED it is a lock on behalf of the waiter, who sees it by the queue's lock.
            match self
                .word
                .compare_exchange(word, next, Ordering::AcqRel, Ordering::Relaxed)
            {
                Ok(_) if list.is_empty() => return None,
                Ok(_) if hand_over => return list.grant_front(),
                Ok(_) => return list.notify_front(),
                Err(now) => word = now,
            }
        }
    }
}

impl RawMutex {
    /// Takes the lock for the first waiter, which is Notified, if it is free.
    fn take_notified(&self, list: &mut Locked<'_>) -> bool {
        // Relaxed: the exchange below orders.
        let mut word = self.word.load(Ordering::Relaxed);
        while word & LOCKED == 0 {
            // Acquire: as in `try_lock`.
            match self.word.compare_exchange_weak(
                word,
                LOCKED | waiters_without_first(list),
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
        false
    }

    /// As [`Self::take_notified`]; if the lock is not free, it clears NOTIFIED in the same instant.
    fn take_or_wait_on(&self, list: &mut Locked<'_>, starving: bool) -> bool {
        loop {
            if self.take_notified(list) {
                return true;
            }
            // Relaxed: the exchange below is the one that counts.
            let word = self.word.load(Ordering::Relaxed);
            if word & LOCKED == 0 {
                continue;
            }
            let starving = if starving { STARVING } else { 0 };
            // Relaxed: nothing is taken; the queue's lock orders the bits.
            if self
                .word
                .compare_exchange_weak(
                    word,
                    (word & !NOTIFIED) | starving,
                    Ordering::Relaxed,
                    Ordering::Relaxed,
                )
                .is_ok()
            {
                return false;
            }
        }
    }
}

/// The bit of those who stay when the first waiter gets the lock.
fn waiters_without_first(list: &Locked<'_>) -> usize {
    if list.len() == 1 { 0 } else { WAITERS }
}

impl fmt::Debug for RawMutex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawMutex")
            .field("locked", &self.is_locked())
            .finish_non_exhaustive()
    }
}

pin_project! {
    /// One that takes the lock, and waits for it.
    ///
    /// What a waiter "wants", in the words of the queue, is how often it has come in vain. Its owner calls `cancel` before it is dropped.
    #[derive(Debug)]
    pub(super) struct RawLock {
        #[pin]
        waiter: Waiter,
    }
}

impl RawLock {
    #[inline]
    pub(super) fn new() -> Self {
        Self {
            waiter: Waiter::new(),
        }
    }

    #[inline]
    pub(super) fn poll(self: Pin<&mut Self>, raw: &RawMutex, cx: &mut Context<'_>) -> Poll<()> {
        if self.waiter.is_queued() {
            return self.poll_queued(raw, cx);
        }
        if must_yield(cx) {
            return Poll::Pending;
        }
        if raw.try_lock() {
            return Poll::Ready(());
        }
        self.queue_up(raw, cx)
    }

    #[cold]
    fn queue_up(self: Pin<&mut Self>, raw: &RawMutex, cx: &mut Context<'_>) -> Poll<()> {
        if raw.try_lock_spinning() {
            return Poll::Ready(());
        }
        let entered = self.project().waiter.enter_if(&raw.queue, cx, |_| {
            // Relaxed: the exchange below orders.
            let mut word = raw.word.load(Ordering::Relaxed);
            loop {
                let free = word & (LOCKED | STARVING) == 0;
                let next = if free { word | LOCKED } else { word | WAITERS };
                // Acquire: as in `try_lock`.
                match raw.word.compare_exchange_weak(
                    word,
                    next,
                    Ordering::Acquire,
                    Ordering::Relaxed,
                ) {
                    Ok(_) if free => return None,
                    Ok(_) => return Some(0),
                    Err(now) => word = now,
                }
            }
        });
        match entered {
            true => Poll::Pending,
            false => Poll::Ready(()),
        }
    }

    #[cold]
    fn poll_queued(self: Pin<&mut Self>, raw: &RawMutex, cx: &mut Context<'_>) -> Poll<()> {
        let waiter = self.project().waiter;
        // A waker is cloned without the lock, and only if it is needed: then all is looked at anew.
        let mut spare = None;
        loop {
            let mut list = raw.queue.lock();
            let state = list.state(&waiter);
            let done = match state {
                State::Notified => raw.take_notified(&mut list),
                State::Granted => true,
                State::Waiting => false,
            };
            if done {
                list.leave(waiter);
                return Poll::Ready(());
            }
            if state == State::Waiting && list.would_wake(&waiter, cx.waker()) {
                return Poll::Pending;
            }
            let Some(waker) = spare.take() else {
                drop(list);
                spare = Some(cx.waker().clone());
                continue;
            };
            let old = if state == State::Waiting {
                list.stay(&waiter, waker)
            } else {
                let vain = list.want(&waiter) + 1;
                if raw.take_or_wait_on(&mut list, vain >= PATIENCE) {
                    list.leave(waiter);
                    drop(list);
                    return Poll::Ready(());
                }
                // Whoever unlocks from here on notifies us, but not before we release the queue.
                list.stay_wanting(&waiter, waker, vain)
            };
            drop(list);
            drop(old);
            return Poll::Pending;
        }
    }

    /// Leaves the queue, and passes on the lock, or the notice that it is free.
    #[inline]
    pub(super) fn cancel(self: Pin<&mut Self>, raw: &RawMutex) {
        let waiter = self.project().waiter;
        if waiter.is_queued() {
            cancel_slow(waiter, raw);
        }
    }
}

#[cold]
fn cancel_slow(waiter: Pin<&mut Waiter>, raw: &RawMutex) {
    let mut list = raw.queue.lock();
    let left = list.leave(waiter);
    let waker = match left.state {
        State::Granted => {
            drop(list);
            drop(left);
            return raw.unlock();
        }
        State::Notified => {
            // Relaxed: the next exchange, in `choose`, orders. Unlocks from here on wait for the queue's lock.
            raw.word.fetch_and(!NOTIFIED, Ordering::Relaxed);
            raw.choose(&mut list)
        }
        // Clears the bits if this was the last.
        State::Waiting => raw.choose(&mut list),
    };
    drop(list);
    drop(left);
    if let Some(waker) = waker {
        waker.wake();
    }
}
