//! Waking many.

use std::task::Waker;

use super::Locked;
use crate::panics::FirstPanic;

impl Locked<'_> {
    /// Lets `grant` take the first out of the list, until all are out who are in it now: not who comes meanwhile.
    ///
    /// They are woken a batch at a time, so that the lock is not held long; `after` is called at the end of each batch, under the lock.
    pub(crate) fn grant_all(
        mut self,
        mut grant: impl FnMut(&mut Self) -> Option<Waker>,
        mut after: impl FnMut(&Self),
    ) {
        let (queue, end) = (self.queue, self.next_ticket());
        let mut wakers = WakeBatch::new();
        loop {
            while !wakers.is_full()
                && let Some(ticket) = self.front_ticket()
                && ticket < end
            {
                wakers.push(grant(&mut self));
            }
            after(&self);
            let full = wakers.is_full();
            drop(self);
            wakers.wake();
            if !full {
                wakers.finish();
                return;
            }
            self = queue.lock();
        }
    }
}

/// Wakers that are woken when the lock is free again: a few at a time, so that they fit on the stack.
///
/// If wakers panic, the others are woken all the same, and the first panic goes on in [`Self::finish`].
#[derive(Debug)]
pub(crate) struct WakeBatch {
    wakers: [Option<Waker>; WakeBatch::SIZE],
    len: usize,
    panic: FirstPanic,
}

impl WakeBatch {
    /// Thin air: enough that a broadcast seldom takes the lock twice, and half a kilobyte of stack.
    #[cfg(not(gort_loom))]
    pub(crate) const SIZE: usize = 32;
    /// So small that a model fills it.
    #[cfg(gort_loom)]
    pub(crate) const SIZE: usize = 1;

    pub(crate) fn new() -> Self {
        Self {
            wakers: [const { None }; Self::SIZE],
            len: 0,
            panic: FirstPanic::default(),
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.len == Self::SIZE
    }

    pub(crate) fn push(&mut self, waker: Option<Waker>) {
        if let Some(waker) = waker {
            self.wakers[self.len] = Some(waker);
            self.len += 1;
        }
    }

    /// Wakes all that are in it, so that it is empty again.
    pub(crate) fn wake(&mut self) {
        for waker in &mut self.wakers[..self.len] {
            if let Some(waker) = waker.take() {
                self.panic.catch(|| waker.wake());
            }
        }
        self.len = 0;
    }

    /// Lets the first panic go on, if there was one.
    pub(crate) fn finish(self) {
        self.panic.resume();
    }
}
