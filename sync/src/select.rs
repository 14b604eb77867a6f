//! Select: wait for several channels, and do exactly one thing.
//!
//! [`select!`](crate::select!) is the form for arms that are known, [`Selector`] for a number of arms that is not.

// A select takes the locks of all its channels, in the order of their addresses, as in Go. Then it either does one of the things
// that are ready, or it gets into the line of each channel; nothing can happen in between. Who waits in several lines is found
// by peers that hold different locks: they compete for its `Claim`.
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
use std::task::{Context, Poll, Waker};

pub use arm::{FutureArm, Names, RecvArm, SendArm};
pub use arms::Arms;
pub use selector::{Selecting, Selector};

use crate::chan::{Claim, wake};
use crate::hook::{Site, WaitKind};

/// The future behind [`select!`](crate::select!). Its arms keep what came out.
#[must_use = "futures do nothing unless polled"]
pub struct Select<A: Arms, O: AsMut<[u32]>> {
    arms: A,
    /// The arms that have a channel, in the order of the channels' addresses.
    order: O,
    /// How many those are; known when all locks are first taken.
    channels: Option<usize>,
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

impl<A: Arms, O: AsMut<[u32]>> Select<A, O> {
    /// Makes a select of `arms`; `order` is room for as many numbers.
    #[track_caller]
    pub fn new(mut arms: A, order: O, options: Options) -> Self {
        let mut has_futures = false;
        arms.visit(0, &mut |_, arm| has_futures |= arm.is_future());
        Self {
            arms,
            order,
            channels: None,
            has_futures,
            options,
            parked: false,
            claim: Claim::new(),
            site: Site::here(),
            _pinned: PhantomPinned,
        }
    }

    /// What came out of each arm: something out of the one that won.
    pub fn outs(self: Pin<&mut Self>) -> A::Outs {
        // SAFETY: the arms stay where they are.
        let this = unsafe { self.get_unchecked_mut() };
        this.arms.outs()
    }

    fn poll_select(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.parked {
            if !self.has_futures {
                return self.poll_parked(cx);
            }
            // A future that is ready and a peer that takes an arm must not both win: nobody can while we ask the futures.
            if self.leave() {
                return Poll::Ready(());
            }
        }
        let done = match self.options.biased {
            true => self.try_in_turn(cx),
            false if self.has_futures && fastrand::bool() => {
                self.poll_futures(cx) || self.try_channels()
            }
            false => self.try_channels() || self.poll_futures(cx),
        };
        if done {
            return Poll::Ready(());
        }
        // A waker's clone is foreign code: not under the locks.
        let own = (!self.options.default).then(|| cx.waker().clone());
        self.park_or_commit(own)
    }

    /// Polls a select without futures that is in line.
    fn poll_parked(&mut self, cx: &Context<'_>) -> Poll<()> {
        if self.claim.winner().is_none() {
            let own = cx.waker().clone();
            self.lock_all();
            let mut old = None;
            if self.claim.winner().is_none() {
                // SAFETY: we hold all locks, and nobody has won.
                if !unsafe { self.claim.would_wake(&own) } {
                    // SAFETY: as above.
                    old = unsafe { self.claim.open(own) };
                }
                self.unlock_all();
                drop(old);
                return Poll::Pending;
            }
            self.unlock_all();
        }
        self.leave();
        Poll::Ready(())
    }

    /// Does one thing that is ready, or gets in line with `own`, or ends if there is none: nothing was ready at that moment.
    fn park_or_commit(&mut self, own: Option<Waker>) -> Poll<()> {
        self.lock_all();
        // An arm that cannot commit although it looked ready does not look so any more.
        while let Some(i) = self.choose() {
            // SAFETY: we hold all locks.
            if let Some(woken) = unsafe { self.arms.arm(i).commit() } {
                self.unlock_all();
                wake(woken);
                return Poll::Ready(());
            }
        }
        let Some(own) = own else {
            self.unlock_all();
            return Poll::Ready(());
        };
        // SAFETY: we hold all locks, and nobody can have won.
        let old = unsafe { self.claim.open(own) };
        let claim = &self.claim;
        self.arms.visit(0, &mut |i, arm| {
            // SAFETY: we hold all locks; the claim is pinned with us, and we leave all lines before we go.
            unsafe { arm.enter(claim, i) };
        });
        self.parked = true;
        self.unlock_all();
        drop(old);
        Poll::Pending
    }

    /// Gets out of all lines; returns whether an arm had won.
    fn leave(&mut self) -> bool {
        let winner = self.claim.shut().err();
        self.parked = false;
        self.arms
            .visit(0, &mut |i, arm| arm.leave(winner == Some(i)));
        drop(self.claim.reset());
        winner.is_some()
    }

    /// Tries one arm that looks ready, with one lock.
    fn try_channels(&mut self) -> bool {
        self.choose().is_some_and(|i| self.arms.arm(i).try_now())
    }

    /// Chooses among the arms that look ready.
    fn choose(&mut self) -> Option<usize> {
        let biased = self.options.biased;
        let mut chosen = None;
        let mut seen = 0;
        self.arms.visit(0, &mut |i, arm| {
            if !arm.looks_ready() || (biased && seen > 0) {
                return;
            }
            // The n-th replaces the chosen one in one of n cases: each is as likely as the others.
            seen += 1;
            if seen == 1 || fastrand::u32(..seen) == 0 {
                chosen = Some(i);
            }
        });
        chosen
    }

    /// Polls the futures, from any of them on.
    fn poll_futures(&mut self, cx: &mut Context<'_>) -> bool {
        if !self.has_futures {
            return false;
        }
        let len = self.arms.count();
        let first = fastrand::usize(..len);
        // SAFETY: the arms are pinned with us.
        (first..len)
            .chain(0..first)
            .any(|i| unsafe { self.arms.arm(i).poll_future(cx) })
    }

    /// Tries the arms in their order.
    fn try_in_turn(&mut self, cx: &mut Context<'_>) -> bool {
        (0..self.arms.count()).any(|i| {
            let arm = self.arms.arm(i);
            // SAFETY: the arms are pinned with us.
            (arm.looks_ready() && arm.try_now()) || unsafe { arm.poll_future(cx) }
        })
    }

    /// The arms that have a channel, in the order of the channels' addresses, and what they belong to.
    fn in_order(&mut self) -> (&mut A, &[u32]) {
        let order = self.order.as_mut();
        let channels = *self
            .channels
            .get_or_insert_with(|| sort(&mut self.arms, order));
        (&mut self.arms, &order[..channels])
    }

    fn lock_all(&mut self) {
        let (arms, order) = self.in_order();
        let mut last = None;
        for &i in order {
            let arm = arms.arm(i as usize);
            // Two arms of one channel share the lock that the first took.
            if arm.address() != last {
                last = arm.address();
                arm.lock();
            }
        }
    }

    fn unlock_all(&mut self) {
        let (arms, order) = self.in_order();
        order.iter().for_each(|&i| arms.arm(i as usize).unlock());
    }
}

/// Writes the arms that have a channel into `order`, sorted by its address; returns how many they are.
fn sort<A: Arms>(arms: &mut A, order: &mut [u32]) -> usize {
    let mut channels = 0;
    arms.visit(0, &mut |i, arm| {
        if arm.address().is_some() {
            order[channels] = u32::try_from(i).expect("4 billion arms");
            channels += 1;
        }
    });
    order[..channels].sort_unstable_by_key(|&i| arms.arm(i as usize).address());
    channels
}

impl<A: Arms, O: AsMut<[u32]>> Future for Select<A, O> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // SAFETY: neither the arms nor the claim are moved.
        let this = unsafe { self.get_unchecked_mut() };
        let poll = this.poll_select(cx);
        this.site.or_waits(WaitKind::Select, poll)
    }
}

impl<A: Arms, O: AsMut<[u32]>> Drop for Select<A, O> {
    fn drop(&mut self) {
        if self.parked {
            self.leave();
        }
    }
}

impl<A: Arms, O: AsMut<[u32]>> fmt::Debug for Select<A, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Select")
            .field("arms", &self.arms.count())
            .field("waits", &self.parked)
            .finish_non_exhaustive()
    }
}
