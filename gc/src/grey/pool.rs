//! Grey objects that several mark, and how the collector finds out that nobody does any more.
//!
//! Whoever marks has a stack of grey objects of its own, and traces what it takes from it. The collector is always there.
//! *Helpers* come and go: threads of the collector, idle threads of an executor, threads that allocate too fast. What one has
//! too much of goes to the pool, where the others find it.
//!
//! # Protocol
//!
//! All of it happens under one lock, which is never held while an object is traced.
//!
//! 1. A helper *enters* by taking objects, so it can only do so when there are some. It is *active* from then on.
//! 2. When it leaves it gives back what it has not traced, and what it had to [defer](crate::lock), and is not active any
//!    more: one step. [`Active`] is the evidence that a helper is in between.
//! 3. Whoever is active may give objects to the pool, and take some.
//! 4. The collector, when it has nothing left itself, takes objects back. It finds *nothing left* if there are none and
//!    nobody is active. Then it has its [last look](super::last_look) at the buffers of the threads.
//!
//! # Why nothing is grey then
//!
//! A grey object is in the buffer of a thread, in the pool, on the stack of the collector, or on that of an active helper,
//! because what a helper shades it has on its stack before it leaves. (While it traces, the object that it traces counts as
//! its own; so does a slice of which only a part has been traced.) Buffers are emptied by the collector only.
//!
//! Once there is nothing left, that stays so: nobody can enter an empty pool, nobody is active, and the collector gives it
//! nothing before it has found something in a buffer. So at the moment between the two rounds of the last look at which all
//! buffers are empty, nothing else is grey either, and what is said there holds with any number of helpers.
//!
//! The other way round, a helper that is active keeps the cycle from ending: what it is about to trace is not swept, whether
//! the helper is pinned or not. It must not wait for anything while it is active, because the collector waits for it.
//!
//! What the collector knows, and a helper has to: the cycle, and which pins have ended. It is in the pool for this reason:
//! who enters is after the collector's look at those pins.
//!
//! # Who gives
//!
//! Whoever finds the pool empty after a while gives the older half of its stack, a [`CHUNK`] at most: the largest parts of a
//! graph hang on the oldest objects, and a few may stand for much, since the stack of one who traces a tree is no longer than
//! the tree is deep. One who marks alone takes back in the end what it has given. Of a list there is never anything to give.
//!
//! Rejected: a work-stealing deque for each helper, as Go and Java have. "Nothing in any deque, and nobody who is about to
//! steal" is a protocol of its own, where here it is a step under a lock, and the lock costs little: it is taken once for
//! each chunk, or part of one, that goes from one to another, some microseconds of work. Rejected too: to let threads give
//! full grey buffers to the pool. Then the pool would not stay empty, and the last look would have to include it.

use gort_primitives::atomic::{AtomicUsize, Ordering};
use gort_primitives::sync::{Condvar, Mutex, MutexGuard};

use crate::local::unpoisoned;
use crate::seeded::bug;

/// How many objects go from one to another at a time, at most. Thin air: some microseconds of work. A test has few objects.
pub(crate) const CHUNK: usize = if cfg!(test) { 1 } else { 128 };

/// An object of which some may have been traced: a large slice, or one with a lock that was held.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rest<T> {
    pub(crate) object: T,
    /// How many of its elements have been traced.
    pub(crate) from: usize,
}

/// What one who marks has to do.
#[derive(Debug)]
pub(crate) struct Work<T> {
    /// Objects to be traced, as a stack.
    pub(crate) grey: Vec<T>,
    /// Objects to be traced in parts, when nothing else is left.
    pub(crate) rests: Vec<Rest<T>>,
    /// Objects with a lock that is held.
    pub(crate) deferred: Vec<Rest<T>>,
}

/// What those who mark have to know.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Job {
    /// The number of the cycle.
    pub(crate) cycle: u64,
    /// All pins with a word below this have ended: 0 before the second grace period is over.
    pub(crate) gone: u64,
}

/// See the head of the file.
#[derive(Debug)]
pub(crate) struct Pool<T> {
    shared: Mutex<Shared<T>>,
    /// How many grey objects there are.
    len: AtomicUsize,
    /// Signalled when there are some, and somebody sleeps.
    more: Condvar,
}

#[derive(Debug)]
struct Shared<T> {
    work: Work<T>,
    job: Job,
    /// How many helpers have entered and not left.
    active: usize,
    /// How many wait until there is something to do.
    asleep: usize,
    /// How many objects helpers have traced in this cycle.
    traced: usize,
}

/// What is left for the collector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Left {
    /// It has taken some.
    Taken,
    /// There is nothing, but somebody is active.
    InWork,
    /// There is nothing, and nobody is active.
    Nothing,
}

/// Evidence that a helper is active: the cycle does not end while this is there.
#[derive(Debug)]
pub(crate) struct Active<'p, T: Copy> {
    pool: &'p Pool<T>,
    pub(crate) work: Work<T>,
    pub(crate) job: Job,
    /// How many objects it has traced.
    pub(crate) traced: usize,
}

impl<T: Copy> Work<T> {
    pub(crate) const fn new() -> Self {
        Self {
            grey: Vec::new(),
            rests: Vec::new(),
            deferred: Vec::new(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn len(&self) -> usize {
        self.grey.len() + self.rests.len()
    }

    /// Takes all of another's.
    fn append(&mut self, other: &mut Self) {
        if self.grey.len() < other.grey.len() {
            std::mem::swap(&mut self.grey, &mut other.grey);
        }
        self.grey.append(&mut other.grey);
        self.rests.append(&mut other.rests);
        self.deferred.append(&mut other.deferred);
    }
}

/// Moves a chunk, or what there is, from the top of a stack to that of another.
fn take_top<T: Copy>(from: &mut Work<T>, to: &mut Work<T>) {
    if from.grey.is_empty() {
        to.rests.extend(from.rests.pop());
    }
    let left = from.grey.len().saturating_sub(CHUNK);
    to.grey.extend_from_slice(&from.grey[left..]);
    from.grey.truncate(left);
}

/// Moves a chunk, or half of what there is, from the bottom of a stack to the top of another. The hole is filled from the top.
fn take_bottom<T: Copy>(from: &mut Vec<T>, to: &mut Vec<T>) {
    let taken = CHUNK.min(from.len() / 2);
    to.extend_from_slice(&from[..taken]);
    let rest = from.len() - taken;
    from.copy_within(rest.., 0);
    from.truncate(rest);
}

impl<T: Copy> Shared<T> {
    const fn new() -> Self {
        Self {
            work: Work::new(),
            job: Job { cycle: 0, gone: 0 },
            active: 0,
            asleep: 0,
            traced: 0,
        }
    }
}

impl<T: Copy> Pool<T> {
    #[cfg(not(gort_loom))]
    pub(crate) const fn new() -> Self {
        Self {
            shared: Mutex::new(Shared::new()),
            len: AtomicUsize::new(0),
            more: Condvar::new(),
        }
    }

    #[cfg(gort_loom)]
    pub(crate) fn new() -> Self {
        Self {
            shared: Mutex::new(Shared::new()),
            len: AtomicUsize::new(0),
            more: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Shared<T>> {
        unpoisoned(self.shared.lock())
    }

    /// Begins to mark for a cycle, when there is nothing left of the last.
    pub(crate) fn begin(&self, job: Job) {
        let mut shared = self.lock();
        shared.work = Work::new();
        shared.job = job;
        shared.traced = 0;
    }

    /// Forgets what is left, which is something only after a bug.
    #[cfg(test)]
    pub(crate) fn clear(&self) {
        self.begin(Job::default());
        self.set_len(&self.lock());
    }

    /// Lets those who enter from now on know which pins have ended.
    pub(crate) fn set_gone(&self, gone: u64) {
        self.lock().job.gone = gone;
    }

    /// How many objects helpers have traced in this cycle.
    pub(crate) fn traced(&self) -> usize {
        self.lock().traced
    }

    /// Tells whether there may be objects to be traced.
    #[inline]
    pub(crate) fn has_some(&self) -> bool {
        self.len() > 0
    }

    #[inline]
    fn len(&self) -> usize {
        // Relaxed: a hint; the lock orders the rest.
        self.len.load(Ordering::Relaxed)
    }

    fn set_len(&self, shared: &Shared<T>) {
        // Relaxed: as in `len`.
        self.len.store(shared.work.len(), Ordering::Relaxed);
    }

    /// Gives others some of one's own, if the pool is empty. The caller is active, or the collector.
    #[inline]
    pub(crate) fn share(&self, own: &mut Work<T>) {
        if own.grey.len() > 1 && !self.has_some() {
            self.share_slow(own);
        }
    }

    #[cold]
    fn share_slow(&self, own: &mut Work<T>) {
        let mut shared = self.lock();
        take_bottom(&mut own.grey, &mut shared.work.grey);
        self.filled(&shared);
    }

    /// Lets others know that there are more than before.
    fn filled(&self, shared: &Shared<T>) {
        self.set_len(shared);
        if shared.asleep > 0 && !shared.work.is_empty() {
            self.more.notify_one();
        }
    }

    /// Enters, if there are objects to be traced.
    #[must_use]
    pub(crate) fn enter(&self) -> Option<Active<'_, T>> {
        if !self.has_some() {
            return None;
        }
        self.enter_locked(self.lock())
    }

    /// Enters as soon as there are objects to be traced.
    pub(crate) fn enter_when_filled(&self) -> Active<'_, T> {
        let mut shared = self.lock();
        shared.asleep += 1;
        while shared.work.is_empty() {
            shared = unpoisoned(self.more.wait(shared));
        }
        shared.asleep -= 1;
        self.enter_locked(shared).expect("there is something")
    }

    fn enter_locked<'p>(&'p self, mut shared: MutexGuard<'_, Shared<T>>) -> Option<Active<'p, T>> {
        if shared.work.is_empty() {
            return None;
        }
        let mut work = Work::new();
        take_top(&mut shared.work, &mut work);
        self.set_len(&shared);
        if !bug("helpers are not counted") {
            shared.active += 1;
        }
        let job = shared.job;
        Some(Active {
            pool: self,
            work,
            job,
            traced: 0,
        })
    }

    /// Gives the collector, who has nothing grey left, a chunk, and all that helpers had to defer.
    pub(crate) fn take_back(&self, own: &mut Work<T>) -> Left {
        if bug("no look at the pool") {
            return Left::Nothing;
        }
        let mut shared = self.lock();
        own.deferred.append(&mut shared.work.deferred);
        take_top(&mut shared.work, own);
        self.set_len(&shared);
        if !own.is_empty() {
            Left::Taken
        } else if shared.active > 0 {
            Left::InWork
        } else {
            Left::Nothing
        }
    }
}

impl<T: Copy> Active<'_, T> {
    /// Gives others some of one's own, if the pool is empty.
    #[inline]
    pub(crate) fn share(&mut self) {
        self.pool.share(&mut self.work);
    }

    /// Takes more when nothing grey is left, and tells whether there is some.
    pub(crate) fn refill(&mut self) -> bool {
        if self.work.is_empty() {
            let mut shared = self.pool.lock();
            take_top(&mut shared.work, &mut self.work);
            self.pool.set_len(&shared);
            self.job = shared.job;
        }
        !self.work.is_empty()
    }

    /// Leaves, and gives nothing back.
    #[cfg(test)]
    pub(crate) fn forget(mut self) {
        self.work = Work::new();
    }
}

impl<T: Copy> Drop for Active<'_, T> {
    /// Leaves.
    fn drop(&mut self) {
        let mut shared = self.pool.lock();
        if bug("helpers leave before they give back") {
            shared.active -= 1;
            drop(shared);
            shared = self.pool.lock();
            shared.active += 1;
        }
        if bug("what helpers defer is lost") {
            self.work.deferred.clear();
        }
        shared.work.append(&mut self.work);
        shared.traced += self.traced;
        if !bug("helpers are not counted") {
            shared.active -= 1;
        }
        self.pool.filled(&shared);
    }
}

#[cfg(all(test, gort_loom))]
mod model;
