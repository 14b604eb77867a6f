//! A select whose arms are put together at run time.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use super::arm::{Arm, FutureArm, Names, RecvArm, SendArm};
use super::arms::{Arms, TypedArm};
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
    arms: Boxed<'a, R>,
    biased: bool,
}

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
        let order = vec![0; self.arms.len()];
        let options = Options {
            default: false,
            biased: self.biased,
        };
        Selecting {
            select: Box::pin(Select::new(self.arms, order, options)),
        }
    }

    /// Lets an arm win that is ready now, if there is one.
    #[track_caller]
    pub fn try_select(self) -> Option<R> {
        let order = vec![0; self.arms.len()];
        let options = Options {
            default: true,
            biased: self.biased,
        };
        let mut select = std::pin::pin!(Select::new(self.arms, order, options));
        let ended = select
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()));
        debug_assert!(ended.is_ready(), "a select with a default never waits");
        select.outs()
    }

    fn arm<A: TypedArm + Send + 'a>(
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

type Boxed<'a, R> = Vec<Box<dyn Mapped<R> + Send + 'a>>;

/// The future of [`Selector::select`].
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct Selecting<'a, R> {
    select: Pin<Box<Select<Boxed<'a, R>, Vec<u32>>>>,
}

impl<R> Future for Selecting<'_, R> {
    type Output = R;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<R> {
        std::task::ready!(self.select.as_mut().poll(cx));
        let out = self.select.as_mut().outs();
        Poll::Ready(out.expect("a select without a default ends with an arm"))
    }
}

/// An arm, and what becomes of its outcome.
struct Then<A, F> {
    arm: A,
    then: Option<F>,
}

/// An arm whose outcome becomes an `R`.
pub trait Mapped<R>: Arm {
    /// What came out, if this arm has won.
    fn mapped(&mut self) -> Option<R>;
}

impl<A: TypedArm, R, F: FnOnce(A::Out) -> R> Mapped<R> for Then<A, F> {
    fn mapped(&mut self) -> Option<R> {
        let out = self.arm.take()?;
        self.then.take().map(|then| then(out))
    }
}

impl<A: Arm, F> Arm for Then<A, F> {
    fn address(&self) -> Option<usize> {
        self.arm.address()
    }

    fn is_future(&self) -> bool {
        self.arm.is_future()
    }

    fn looks_ready(&self) -> bool {
        self.arm.looks_ready()
    }

    fn lock(&mut self) {
        self.arm.lock();
    }

    fn unlock(&mut self) {
        self.arm.unlock();
    }

    unsafe fn commit(&mut self) -> Option<Option<Waker>> {
        // SAFETY: as the caller promises.
        unsafe { self.arm.commit() }
    }

    unsafe fn enter(&mut self, claim: &Claim, index: usize) {
        // SAFETY: as the caller promises.
        unsafe { self.arm.enter(claim, index) }
    }

    fn leave(&mut self, won: bool) {
        self.arm.leave(won);
    }

    unsafe fn poll_future(&mut self, cx: &mut Context<'_>) -> bool {
        // SAFETY: as the caller promises; the arm is pinned with us.
        unsafe { self.arm.poll_future(cx) }
    }
}

impl<R> Arms for Boxed<'_, R> {
    type Outs = Option<R>;

    fn count(&self) -> usize {
        self.len()
    }

    fn arm(&mut self, index: usize) -> &mut dyn Arm {
        &mut *self[index]
    }

    fn visit(&mut self, base: usize, f: &mut impl FnMut(usize, &mut dyn Arm)) {
        for (i, arm) in self.iter_mut().enumerate() {
            f(base + i, &mut **arm);
        }
    }

    fn outs(&mut self) -> Option<R> {
        self.iter_mut().find_map(|arm| arm.mapped())
    }
}
