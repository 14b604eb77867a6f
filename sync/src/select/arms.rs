//! Several arms together, each of its own type, so that a select is `Send` exactly if its arms are.

use std::future::Future;

use super::arm::{Arm, FutureArm, RecvArm, SendArm};
use crate::chan::{RecvError, SendError};

/// The arms of a select: nested pairs, or the arms of a [`Selector`](super::Selector).
pub trait Arms {
    /// What comes out.
    type Outs;

    /// How many there are.
    fn count(&self) -> usize;

    /// The arm at `index`, which is less than [`count`](Self::count).
    fn arm(&mut self, index: usize) -> &mut dyn Arm;

    /// Calls `f` with each arm and its index, of which the first is `base`.
    fn visit(&mut self, base: usize, f: &mut impl FnMut(usize, &mut dyn Arm));

    /// What came out.
    fn outs(&mut self) -> Self::Outs;
}

/// An arm whose outcome has a type.
pub trait TypedArm: Arm {
    /// What comes out if the arm wins.
    type Out;

    /// What came out, if this arm has won.
    fn take(&mut self) -> Option<Self::Out>;
}

impl<T> TypedArm for RecvArm<'_, T> {
    type Out = Result<T, RecvError>;

    fn take(&mut self) -> Option<Self::Out> {
        let got = self.got.take()?;
        Some(got.map(|(_, value)| value))
    }
}

impl<T> TypedArm for SendArm<'_, T> {
    type Out = Result<(), SendError<T>>;

    fn take(&mut self) -> Option<Self::Out> {
        self.sent.take()
    }
}

impl<F: Future> TypedArm for FutureArm<F> {
    type Out = F::Output;

    fn take(&mut self) -> Option<Self::Out> {
        self.out.take()
    }
}

impl Arms for () {
    type Outs = ();

    fn count(&self) -> usize {
        0
    }

    fn arm(&mut self, index: usize) -> &mut dyn Arm {
        unreachable!("there is no arm {index} more")
    }

    fn visit(&mut self, _base: usize, _f: &mut impl FnMut(usize, &mut dyn Arm)) {}

    fn outs(&mut self) {}
}

impl<H: TypedArm, R: Arms> Arms for (H, R) {
    type Outs = (Option<H::Out>, R::Outs);

    fn count(&self) -> usize {
        1 + self.1.count()
    }

    fn arm(&mut self, index: usize) -> &mut dyn Arm {
        match index {
            0 => &mut self.0,
            _ => self.1.arm(index - 1),
        }
    }

    #[inline]
    fn visit(&mut self, base: usize, f: &mut impl FnMut(usize, &mut dyn Arm)) {
        f(base, &mut self.0);
        self.1.visit(base + 1, f);
    }

    fn outs(&mut self) -> Self::Outs {
        (self.0.take(), self.1.outs())
    }
}
