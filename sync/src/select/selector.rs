//! A select whose arms are put together at run time.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use super::arm::{Arm, FutureArm, Names, RecvArm, SendArm};
use super::arms::Arms;
use super::{Options, Select};
use crate::chan::{Claim, Receiver, RecvError, SendError, Sender};

/// The arms of a select whose number is known only at run time; each has a function that makes an `R` of what came out.
///
/// # Examples
///
/// ```
/// use gort_sync::{Selector, chan};
///
/// let channels: Vec<_> = (0..3).map(|_| chan::bounded(1)).collect();
/// channels[2].0.try_send("hello").unwrap();
///
/// # futures_lite::future::block_on(async {
/// let mut selector = Selector::new();
/// for (i, (_, receiver)) in channels.iter().enumerate() {
///     selector = selector.recv(receiver, move |value| (i, value));
/// }
/// assert_eq!(selector.select().await, (2, Ok("hello")));
/// # });
/// ```
#[must_use = "a selector does nothing until it selects"]
pub struct Selector<'a, R> {
    arms: Vec<BoxedArm<'a, R>>,
    biased: bool,
}

type BoxedArm<'a, R> = Box<dyn Arm<Out = R> + Send + 'a>;

impl<'a, R> Selector<'a, R> {
    /// Makes a selector without arms.
    pub fn new() -> Self {
        Self {
            arms: Vec::new(),
            biased: false,
        }
    }

    /// Lets the first of the arms that are ready win, rather than any of them.
    pub fn biased(mut self) -> Self {
        self.biased = true;
        self
    }

    /// Adds an arm that receives; without a receiver (`None`) it is never ready.
    pub fn recv<T: Send + 'a>(
        self,
        receiver: &'a (impl Names<Receiver<T>> + ?Sized),
        then: impl FnOnce(Result<T, RecvError>) -> R + Send + 'a,
    ) -> Self {
        self.arm(RecvArm::new(receiver), then)
    }

    /// Adds an arm that sends `value`, which is dropped if another arm wins; without a sender (`None`) it is never ready.
    pub fn send<T: Send + 'a>(
        self,
        sender: &'a (impl Names<Sender<T>> + ?Sized),
        value: T,
        then: impl FnOnce(Result<(), SendError<T>>) -> R + Send + 'a,
    ) -> Self {
        self.arm(SendArm::new(sender, value), then)
    }

    /// Adds an arm that sends the value in `slot`, which stays there if another arm wins; without a sender or a value it is
    /// never ready.
    pub fn send_from<T: Send + 'a>(
        self,
        sender: &'a (impl Names<Sender<T>> + ?Sized),
        slot: &'a mut Option<T>,
        then: impl FnOnce(Result<(), SendError<T>>) -> R + Send + 'a,
    ) -> Self {
        self.arm(SendArm::from(sender, slot), then)
    }

    /// Adds an arm that is ready with `future`, which is dropped if another arm wins.
    pub fn future<F: Future<Output: Send> + Send + 'a>(
        self,
        future: F,
        then: impl FnOnce(F::Output) -> R + Send + 'a,
    ) -> Self {
        self.arm(FutureArm::new(future), then)
    }

    /// Waits until an arm is ready, and lets it win; for ever, if there is no arm.
    ///
    /// # Cancel safety
    ///
    /// As for [`select!`](crate::select!): a select that is dropped has taken nothing.
    #[track_caller]
    pub fn select(self) -> Selecting<'a, R> {
        Selecting {
            select: Some(Box::pin(self.with_default(false))),
        }
    }

    /// Lets an arm win that is ready now, if there is one.
    #[track_caller]
    pub fn try_select(self) -> Option<R> {
        let select = std::pin::pin!(self.with_default(true));
        match select.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(out) => out,
            Poll::Pending => unreachable!("a select with a default never waits"),
        }
    }

    #[track_caller]
    fn with_default(self, default: bool) -> Select<Listed<'a, R>> {
        let biased = self.biased;
        Select::new(Listed::new(self.arms), Options { default, biased })
    }

    fn arm<A: Arm + Send + 'a>(
        mut self,
        arm: A,
        then: impl FnOnce(A::Out) -> R + Send + 'a,
    ) -> Self {
        let then = Some(then);
        self.arms.push(Box::new(Then { arm, then }));
        self
    }
}

impl<R> Default for Selector<'_, R> {
    fn default() -> Self {
        Self::new()
    }
}

impl<R> fmt::Debug for Selector<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Selector")
            .field("arms", &self.arms.len())
            .field("biased", &self.biased)
            .finish()
    }
}

/// The future of [`Selector::select`].
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct Selecting<'a, R> {
    /// None when it has ended.
    select: Option<Pin<Box<Select<Listed<'a, R>>>>>,
}

impl<R> Future for Selecting<'_, R> {
    type Output = R;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<R> {
        let select = self.select.as_mut();
        let select = select.expect("a select was polled after its end");
        let out = std::task::ready!(select.as_mut().poll(cx));
        self.select = None;
        Poll::Ready(out.expect("a select without a default ends with an arm"))
    }
}

/// An arm, and what becomes of its outcome.
struct Then<A, F> {
    arm: A,
    then: Option<F>,
}

impl<A: Arm, R, F: FnOnce(A::Out) -> R> Then<A, F> {
    /// The function may be foreign code: no lock is held, and no peer knows of us any more.
    fn finish(&mut self, out: A::Out) -> Option<R> {
        self.then.take().map(|then| then(out))
    }
}

impl<A: Arm, R, F: FnOnce(A::Out) -> R> Arm for Then<A, F> {
    type Out = R;

    fn address(&self) -> Option<usize> {
        self.arm.address()
    }

    fn is_future(&self) -> bool {
        self.arm.is_future()
    }

    fn looks_ready(&self) -> bool {
        self.arm.looks_ready()
    }

    fn unready(&self) -> Option<u64> {
        self.arm.unready()
    }

    fn try_now(&mut self) -> Option<R> {
        let out = self.arm.try_now()?;
        self.finish(out)
    }

    fn lock(&mut self) {
        self.arm.lock();
    }

    fn unlock(&mut self) {
        self.arm.unlock();
    }

    unsafe fn enter(&mut self, claim: &Claim, index: usize) {
        // SAFETY: as the caller promises.
        unsafe { self.arm.enter(claim, index) }
    }

    fn leave(&mut self, won: bool) -> Option<R> {
        let out = self.arm.leave(won)?;
        self.finish(out)
    }

    fn cancel(&mut self) {
        self.arm.cancel();
    }

    unsafe fn poll_future(&mut self, cx: &mut Context<'_>) -> Option<R> {
        // SAFETY: as the caller promises; the arm is pinned with us.
        let out = unsafe { self.arm.poll_future(cx) }?;
        self.finish(out)
    }
}

/// The arms of a [`Selector`].
struct Listed<'a, R> {
    arms: Vec<BoxedArm<'a, R>>,
    /// The address of each channel, and its first arm, in the order of the addresses; made when all locks are first taken.
    order: Option<Vec<(usize, usize)>>,
}

impl<'a, R> Listed<'a, R> {
    fn new(arms: Vec<BoxedArm<'a, R>>) -> Self {
        Self { arms, order: None }
    }
}

fn in_order<R>(arms: &[BoxedArm<'_, R>]) -> Vec<(usize, usize)> {
    let addresses = arms.iter().enumerate();
    let mut order: Vec<_> = addresses
        .filter_map(|(i, arm)| arm.address().map(|address| (address, i)))
        .collect();
    order.sort_unstable();
    order.dedup_by_key(|&mut (address, _)| address);
    order
}

impl<R> Arms for Listed<'_, R> {
    type Out = R;

    fn count(&self) -> usize {
        self.arms.len()
    }

    fn has_futures(&self) -> bool {
        self.arms.iter().any(|arm| arm.is_future())
    }

    fn looks_ready(&self, index: usize) -> bool {
        self.arms[index].looks_ready()
    }

    fn ready(&self, base: usize, f: &mut impl FnMut(usize)) {
        for (i, arm) in self.arms.iter().enumerate() {
            if arm.looks_ready() {
                f(base + i);
            }
        }
    }

    fn unready(&self) -> Option<u64> {
        let mut arms = self.arms.iter();
        arms.try_fold(0_u64, |sum, arm| Some(sum.wrapping_add(arm.unready()?)))
    }

    fn try_now(&mut self, index: usize) -> Option<R> {
        self.arms[index].try_now()
    }

    unsafe fn poll_future(&mut self, index: usize, cx: &mut Context<'_>) -> Option<R> {
        // SAFETY: as the caller promises; what is in a box does not move.
        unsafe { self.arms[index].poll_future(cx) }
    }

    fn lock_all(&mut self) {
        let arms = &mut self.arms;
        let order = self.order.get_or_insert_with(|| in_order(arms));
        order.iter().for_each(|&(_, i)| arms[i].lock());
    }

    fn unlock_all(&mut self) {
        self.arms.iter_mut().for_each(|arm| arm.unlock());
    }

    unsafe fn enter(&mut self, claim: &Claim, base: usize) {
        for (i, arm) in self.arms.iter_mut().enumerate() {
            // SAFETY: as the caller promises.
            unsafe { arm.enter(claim, base + i) };
        }
    }

    /// The winner is last: its function may panic, and peers must not know of us then.
    fn leave(&mut self, winner: Option<usize>) -> Option<R> {
        for (i, arm) in self.arms.iter_mut().enumerate() {
            if winner != Some(i) {
                arm.leave(false);
            }
        }
        self.arms[winner?].leave(true)
    }

    fn cancel(&mut self) {
        self.arms.iter_mut().for_each(|arm| arm.cancel());
    }
}
