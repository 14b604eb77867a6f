//! Select: wait for several channels, and do exactly one thing.
//!
//! [`select!`](crate::select!) is the form for arms that are known, [`Selector`] for a number of arms that is not.

// A select looks at the hints of its channels, and does one of the things that look ready, under the lock of one channel, as if
// there were no others. If nothing is ready it takes the locks of all its channels, in the order of their addresses, as in Go;
// if there is still nothing it gets into the line of each channel, or ends with its default; nothing can happen in between. Who
// waits in several lines is found by peers that hold different locks: they compete for its `Claim`.
//
// A select with a default takes no lock if two looks at all the hints, which count their changes, find that there was a moment at
// which nothing was ready.
//
// A select that is not in line cannot be won, and one that holds locks is in no line. So a peer decides alone: two selects
// that could serve each other never have to agree.
//
// Rejected: getting into one line after the other, and looking again in between (crossbeam-channel). Two selects can see each
// other halfway, both have to step back, and a select with a default has no moment at which nothing was ready.

mod arm;
mod arms;
#[macro_use]
mod macros;
#[cfg(all(test, gort_loom))]
mod model;
mod selector;
#[cfg(all(test, not(gort_loom)))]
mod tests;

use std::fmt;
use std::future::Future;
use std::marker::PhantomPinned;
use std::pin::Pin;
use std::task::{Context, Poll};

pub use arm::{FutureArm, Names, RecvArm, SendArm};
pub use arms::{Arms, Won};
pub use selector::{Selecting, Selector};

use crate::chan::Claim;
use crate::hook::{Site, WaitKind, must_yield};

/// The future behind [`select!`](crate::select!). It ends with what came out of the arm that won, or with its default.
#[must_use = "futures do nothing unless polled"]
pub struct Select<A: Arms> {
    arms: A,
    has_futures: bool,
    options: Options,
    /// The arms are in line.
    parked: bool,
    claim: Claim,
    site: Site,
    /// Peers know where the claim is while the arms are in line.
    _pinned: PhantomPinned,
}

/// How a select chooses.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Rather than wait, end without an arm.
    pub default: bool,
    /// Of the arms that are ready take the first, not any.
    pub biased: bool,
}

impl<A: Arms> Select<A> {
    /// Makes a select of `arms`.
    #[inline]
    #[track_caller]
    pub fn new(arms: A, options: Options) -> Self {
        Self {
            has_futures: arms.has_futures(),
            arms,
            options,
            parked: false,
            claim: Claim::new(),
            site: Site::here(),
            _pinned: PhantomPinned,
        }
    }

    #[inline]
    fn poll_select(&mut self, cx: &mut Context<'_>) -> Poll<Option<A::Out>> {
        if self.parked {
            if !self.has_futures {
                return self.poll_parked(cx);
            }
            // A future that is ready and a peer that takes an arm must not both win: nobody can while we ask the futures.
            let out = self.leave();
            if out.is_some() {
                return Poll::Ready(out);
            }
        } else if !self.options.default && must_yield(cx) {
            return Poll::Pending;
        }
        let out = match self.options.biased {
            true => self.try_in_turn(cx),
            false if self.has_futures && fastrand::bool() => {
                self.poll_futures(cx).or_else(|| self.try_channels())
            }
            false => self.try_channels().or_else(|| self.poll_futures(cx)),
        };
        match out {
            Some(out) => Poll::Ready(Some(out)),
            None => self.park(cx),
        }
    }

    /// Polls a select without futures that is in line.
    #[inline(never)]
    fn poll_parked(&mut self, cx: &Context<'_>) -> Poll<Option<A::Out>> {
        // A waker is cloned without the locks, and only if it is needed: then all is looked at anew.
        let mut spare = None;
        while self.claim.winner().is_none() {
            self.arms.lock_all();
            if self.claim.winner().is_some() {
                self.arms.unlock_all();
                break;
            }
            // SAFETY: we hold all locks, and nobody has won.
            if unsafe { self.claim.would_wake(cx.waker()) } {
                self.arms.unlock_all();
                return Poll::Pending;
            }
            if let Some(own) = spare.take() {
                // SAFETY: as above.
                let old = unsafe { self.claim.open(own) };
                self.arms.unlock_all();
                drop(old);
                return Poll::Pending;
            }
            self.arms.unlock_all();
            spare = Some(cx.waker().clone());
        }
        Poll::Ready(self.leave())
    }

    /// Gets in line, or ends with the default: nothing was ready at that moment.
    #[inline(never)]
    fn park(&mut self, cx: &Context<'_>) -> Poll<Option<A::Out>> {
        if self.options.default && self.is_quiet() {
            return Poll::Ready(None);
        }
        // A waker's clone is foreign code: not under the locks.
        let own = (!self.options.default).then(|| cx.waker().clone());
        loop {
            self.arms.lock_all();
            let Some(i) = self.choose() else {
                break;
            };
            // There was something a moment ago; if it is gone, it does not look so any more.
            self.arms.unlock_all();
            let out = self.arms.try_now(i);
            if out.is_some() {
                return Poll::Ready(out);
            }
        }
        let Some(own) = own else {
            self.arms.unlock_all();
            return Poll::Ready(None);
        };
        // SAFETY: we hold all locks, and nobody can have won.
        let old = unsafe { self.claim.open(own) };
        // SAFETY: we hold all locks; the claim is pinned with us, and we leave all lines before we go.
        unsafe { self.arms.enter(&self.claim, 0) };
        self.parked = true;
        self.arms.unlock_all();
        drop(old);
        Poll::Pending
    }

    /// Whether there was a moment at which no channel was ready. A false may be wrong.
    ///
    /// Two looks at all hints, one after the other. Their changes are counted, and counts never go down: so the sums are equal only
    /// if no hint has changed from the first look at it to the second, and all of them were so when the first look ended.
    fn is_quiet(&self) -> bool {
        let changes = self.arms.unready();
        changes.is_some() && changes == self.arms.unready()
    }

    /// Gets out of all lines; what came of it, if an arm had won.
    #[inline(never)]
    fn leave(&mut self) -> Option<A::Out> {
        let winner = self.claim.shut().err();
        self.parked = false;
        let out = self.arms.leave(winner);
        // If an arm has won there is no waker left to drop: no foreign code comes between a value and its receiver.
        drop(self.claim.reset());
        out
    }

    /// Gets out of all lines, and gives back what an arm was handed.
    #[cold]
    fn cancel(&mut self) {
        // Nobody wins any more; who has won gave its value, and that is what goes back.
        let _winner = self.claim.shut();
        self.parked = false;
        self.arms.cancel();
        drop(self.claim.reset());
    }

    /// Tries one arm that looks ready, with one lock.
    #[inline]
    fn try_channels(&mut self) -> Option<A::Out> {
        let i = self.choose()?;
        self.arms.try_now(i)
    }

    /// Chooses among the arms that look ready, each as likely as the others.
    ///
    /// If any arm, taken at random, looks ready, that is the one, and no other channel is looked at: a hint is in the cache of
    /// whoever changed it last. If it does not, all who do are still alike.
    #[inline]
    fn choose(&self) -> Option<usize> {
        let (biased, count) = (self.options.biased, self.arms.count());
        if !biased && count != 0 {
            let any = fastrand::usize(..count);
            if self.arms.looks_ready(any) {
                return Some(any);
            }
        }
        self.choose_among_all(biased)
    }

    fn choose_among_all(&self, biased: bool) -> Option<usize> {
        let mut chosen = None;
        let mut seen = 0;
        self.arms.ready(0, &mut |i| {
            // The n-th replaces the chosen one in one of n cases: each is as likely as the others.
            if seen == 0 || (!biased && fastrand::u32(..=seen) == 0) {
                chosen = Some(i);
            }
            seen += 1;
        });
        chosen
    }

    #[inline]
    fn poll_futures(&mut self, cx: &mut Context<'_>) -> Option<A::Out> {
        match self.has_futures {
            true => self.poll_from_any(cx),
            false => None,
        }
    }

    /// Polls the futures, from any of them on.
    fn poll_from_any(&mut self, cx: &mut Context<'_>) -> Option<A::Out> {
        let len = self.arms.count();
        let first = fastrand::usize(..len);
        let mut all = (first..len).chain(0..first);
        // SAFETY: the arms are pinned with us.
        all.find_map(|i| unsafe { self.arms.poll_future(i, cx) })
    }

    /// Tries the arms in their order.
    fn try_in_turn(&mut self, cx: &mut Context<'_>) -> Option<A::Out> {
        (0..self.arms.count()).find_map(|i| {
            let now = self.arms.try_now(i);
            // SAFETY: the arms are pinned with us.
            now.or_else(|| unsafe { self.arms.poll_future(i, cx) })
        })
    }
}

impl<A: Arms> Future for Select<A> {
    type Output = Option<A::Out>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // SAFETY: neither the arms nor the claim are moved.
        let this = unsafe { self.get_unchecked_mut() };
        let poll = this.poll_select(cx);
        this.site.or_waits(WaitKind::Select, poll)
    }
}

impl<A: Arms> Drop for Select<A> {
    #[inline]
    fn drop(&mut self) {
        if self.parked {
            self.cancel();
        }
    }
}

impl<A: Arms> fmt::Debug for Select<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Select")
            .field("arms", &self.arms.count())
            .field("waits", &self.parked)
            .finish_non_exhaustive()
    }
}
