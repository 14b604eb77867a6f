//! Several arms together, each of its own type, so that a select is `Send` exactly if its arms are.

use std::convert::Infallible;
use std::task::Context;

use super::arm::Arm;
use crate::chan::Claim;

/// The arms of a select: nested pairs, or the arms of a [`Selector`](super::Selector).
pub trait Arms {
    /// What comes out of the arm that wins.
    type Out;

    /// How many there are.
    fn count(&self) -> usize;

    /// Whether any of them is a future.
    fn has_futures(&self) -> bool;

    /// `Arm::looks_ready` of the arm at `index`, which is less than [`count`](Self::count).
    fn looks_ready(&self, index: usize) -> bool;

    /// Calls `f` with the index of each arm that looks ready; the first arm has the index `base`.
    fn ready(&self, base: usize, f: &mut impl FnMut(usize));

    /// The sum of `Arm::unready` of all arms, if they all have one.
    fn unready(&self) -> Option<u64>;

    /// `Arm::try_now` of the arm at `index`, which is less than [`count`](Self::count).
    fn try_now(&mut self, index: usize) -> Option<Self::Out>;

    /// `Arm::poll_future` of the arm at `index`.
    ///
    /// # Safety
    ///
    /// The arms are pinned.
    unsafe fn poll_future(&mut self, index: usize, cx: &mut Context<'_>) -> Option<Self::Out>;

    /// Takes the locks of all channels, in the order of their addresses.
    fn lock_all(&mut self);

    /// Releases them.
    fn unlock_all(&mut self);

    /// Gets in line with each arm; the first has the index `base`.
    ///
    /// # Safety
    ///
    /// As for `Arm::enter`.
    unsafe fn enter(&mut self, claim: &Claim, base: usize);

    /// Gets out of all lines; what came of it, if an arm has won.
    fn leave(&mut self, winner: Option<usize>) -> Option<Self::Out>;

    /// Gets out of all lines; nothing came of it, and what was handed over goes back.
    fn cancel(&mut self);
}

/// Locks in the order of the channels' addresses, without a list of them: there are a handful of arms.
pub trait InOrder {
    /// The lowest address of a channel after `last`, and the index of its first arm; the first of all has the index `base`.
    fn after(&self, last: usize, base: usize) -> Option<(usize, usize)>;

    /// `Arm::lock` of the arm at `index`.
    fn lock(&mut self, index: usize);
}

/// What came out of the first of several arms, or of a later one.
#[derive(Debug)]
pub enum Won<H, R> {
    /// The first arm has won.
    This(H),
    /// Another has.
    Later(R),
}

impl Arms for () {
    type Out = Infallible;

    #[inline]
    fn count(&self) -> usize {
        0
    }

    #[inline]
    fn has_futures(&self) -> bool {
        false
    }

    #[inline]
    fn looks_ready(&self, _index: usize) -> bool {
        false
    }

    #[inline]
    fn ready(&self, _base: usize, _f: &mut impl FnMut(usize)) {}

    #[inline]
    fn unready(&self) -> Option<u64> {
        Some(0)
    }

    #[inline]
    fn try_now(&mut self, _index: usize) -> Option<Infallible> {
        None
    }

    unsafe fn poll_future(&mut self, _index: usize, _cx: &mut Context<'_>) -> Option<Infallible> {
        None
    }

    fn lock_all(&mut self) {}

    fn unlock_all(&mut self) {}

    unsafe fn enter(&mut self, _claim: &Claim, _base: usize) {}

    fn leave(&mut self, _winner: Option<usize>) -> Option<Infallible> {
        None
    }

    fn cancel(&mut self) {}
}

impl InOrder for () {
    fn after(&self, _last: usize, _base: usize) -> Option<(usize, usize)> {
        None
    }

    fn lock(&mut self, _index: usize) {}
}

impl<H: Arm, R: Arms + InOrder> Arms for (H, R) {
    type Out = Won<H::Out, R::Out>;

    #[inline]
    fn count(&self) -> usize {
        1 + self.1.count()
    }

    #[inline]
    fn has_futures(&self) -> bool {
        self.0.is_future() || self.1.has_futures()
    }

    #[inline]
    fn looks_ready(&self, index: usize) -> bool {
        match index {
            0 => self.0.looks_ready(),
            _ => self.1.looks_ready(index - 1),
        }
    }

    #[inline]
    fn ready(&self, base: usize, f: &mut impl FnMut(usize)) {
        if self.0.looks_ready() {
            f(base);
        }
        self.1.ready(base + 1, f);
    }

    #[inline]
    fn unready(&self) -> Option<u64> {
        Some(self.0.unready()?.wrapping_add(self.1.unready()?))
    }

    #[inline]
    fn try_now(&mut self, index: usize) -> Option<Self::Out> {
        match index {
            0 => self.0.try_now().map(Won::This),
            _ => self.1.try_now(index - 1).map(Won::Later),
        }
    }

    #[inline]
    unsafe fn poll_future(&mut self, index: usize, cx: &mut Context<'_>) -> Option<Self::Out> {
        match index {
            // SAFETY: as the caller promises.
            0 => unsafe { self.0.poll_future(cx) }.map(Won::This),
            // SAFETY: as the caller promises.
            _ => unsafe { self.1.poll_future(index - 1, cx) }.map(Won::Later),
        }
    }

    fn lock_all(&mut self) {
        let mut last = 0;
        while let Some((address, index)) = self.after(last, 0) {
            self.lock(index);
            last = address;
        }
    }

    #[inline]
    fn unlock_all(&mut self) {
        self.0.unlock();
        self.1.unlock_all();
    }

    #[inline]
    unsafe fn enter(&mut self, claim: &Claim, base: usize) {
        // SAFETY: as the caller promises.
        unsafe { self.0.enter(claim, base) };
        // SAFETY: as the caller promises.
        unsafe { self.1.enter(claim, base + 1) };
    }

    #[inline]
    fn leave(&mut self, winner: Option<usize>) -> Option<Self::Out> {
        let this = self.0.leave(winner == Some(0));
        let later = self
            .1
            .leave(winner.and_then(|winner| winner.checked_sub(1)));
        this.map(Won::This).or(later.map(Won::Later))
    }

    #[inline]
    fn cancel(&mut self) {
        self.0.cancel();
        self.1.cancel();
    }
}

impl<H: Arm, R: InOrder> InOrder for (H, R) {
    #[inline]
    fn after(&self, last: usize, base: usize) -> Option<(usize, usize)> {
        let this = self.0.address().filter(|&address| address > last);
        let later = self.1.after(last, base + 1);
        match (this.map(|address| (address, base)), later) {
            (Some(this), Some(later)) => Some(this.min(later)),
            (this, later) => this.or(later),
        }
    }

    #[inline]
    fn lock(&mut self, index: usize) {
        match index {
            0 => self.0.lock(),
            _ => self.1.lock(index - 1),
        }
    }
}
