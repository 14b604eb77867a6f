//! A source: one registered descriptor, and the two ways to wait for it.
//!
//! * *Cached* ([`Source::poll_call`]): try the call, and only after `WouldBlock` wait for the next edge. This is for calls whose `WouldBlock`
//!   is the kernel's own word about this descriptor: read, write, accept, connect. A call that succeeds costs one load.
//! * *Actual* ([`Source::poll_ready`], [`Source::poll_actual`]): ask the kernel whether the descriptor is ready *now*, and if not, wait for an event and ask
//!   again. This is for everything after which code that we do not know uses the descriptor, and may leave half of the bytes where they are: no edge
//!   would tell of those.
//!
//! The question is a `poll(2)` that does not wait (about 200 ns). An event between the question and the wait moves the tick that was
//! copied before it: see [`waiters`].
//!
//! Rejected for the actual state: modifying an edge registration, which makes the kernel look again. It costs an `epoll_ctl` and a round through the
//! reactor even when the descriptor is ready, and an event of a batch that was collected before the modification has to be told apart from one after it.

use std::io;
use std::panic::Location;
use std::task::{Context, Poll, Waker};

use rustix::fd::{BorrowedFd, RawFd};

use crate::hook::{Site, must_yield};
use crate::reactor::Reactor;
use crate::reactor::selector::{Mode, is_ready_now};
use readiness::{Direction, Event, Seen};
use waiters::{Interest, Place, Ticket, Waiters};

pub(crate) mod readiness;
pub(crate) mod waiters;

/// A registered descriptor.
#[derive(Debug)]
pub(crate) struct Source {
    reactor: &'static Reactor,
    fd: RawFd,
    key: usize,
    /// Where it was registered: the wait site of the functions that have no better one.
    location: &'static Location<'static>,
    waiters: Waiters,
}

impl Source {
    pub(crate) fn new(
        reactor: &'static Reactor,
        fd: RawFd,
        key: usize,
        ready: bool,
        location: &'static Location<'static>,
    ) -> Self {
        Self {
            reactor,
            fd,
            key,
            location,
            waiters: Waiters::new(ready),
        }
    }

    pub(crate) fn key(&self) -> usize {
        self.key
    }

    pub(crate) fn reactor(&self) -> &'static Reactor {
        self.reactor
    }

    pub(crate) fn location(&self) -> &'static Location<'static> {
        self.location
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        // SAFETY: whoever registered the descriptor keeps it open until it is deregistered, and uses the source until then only.
        unsafe { BorrowedFd::borrow_raw(self.fd) }
    }

    /// Enters an event. Only for the driver.
    #[inline]
    pub(crate) fn deliver(&self, event: Event, wakers: &mut Vec<Waker>) {
        let rearm = match self.reactor.mode() {
            Mode::Edge => None,
            Mode::Oneshot => Some(|interest| self.reactor.arm(self, interest)),
        };
        self.waiters.deliver(event, wakers, rearm);
    }

    /// Makes `call` when it may succeed, and waits for the next edge when it says `WouldBlock`.
    ///
    /// `call` must say `WouldBlock` only if the descriptor does.
    #[inline]
    pub(crate) fn poll_call<R>(
        &self,
        direction: Direction,
        cx: &mut Context<'_>,
        place: Place<'_>,
        site: Site,
        mut call: impl FnMut(Attempt<'_>) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        if must_yield() {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let arm = |interest| self.arm(interest);
        let call = |seen| {
            call(Attempt {
                source: self,
                direction,
                seen,
            })
        };
        let outcome = self
            .waiters
            .poll_call(direction, cx.waker(), place, arm, call);
        report_if_pending(outcome, site)
    }

    /// Waits until the descriptor is ready at this moment.
    pub(crate) fn poll_ready(
        &self,
        direction: Direction,
        cx: &mut Context<'_>,
        place: Place<'_>,
        site: Site,
    ) -> Poll<io::Result<()>> {
        let arm = |interest| self.arm(interest);
        let is_ready = || is_ready_now(self.fd(), direction);
        let outcome = self
            .waiters
            .poll_ready(direction, cx.waker(), place, arm, is_ready);
        report_if_pending(outcome, site)
    }

    /// Makes `call`, and when it says `WouldBlock`, waits until the descriptor is ready and makes it again.
    ///
    /// A call that says `WouldBlock` to a ready descriptor goes to the end of the scheduler's queue each time.
    pub(crate) fn poll_actual<R>(
        &self,
        direction: Direction,
        cx: &mut Context<'_>,
        place: Place<'_>,
        site: Site,
        mut call: impl FnMut() -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            outcome => return Poll::Ready(outcome),
        }
        match self.poll_ready(direction, cx, place, site) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            // It became ready since the call, or the call has its own idea of blocking.
            Poll::Ready(Ok(())) => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }

    #[inline]
    pub(crate) fn cancel(&self, direction: Direction, ticket: &mut Ticket) {
        self.waiters.cancel(direction, ticket);
    }

    fn arm(&self, interest: Interest) -> io::Result<()> {
        match self.reactor.mode() {
            Mode::Edge => Ok(()),
            Mode::Oneshot => self.reactor.arm(self, interest),
        }
    }
}

#[inline(always)]
fn report_if_pending<R>(outcome: Poll<R>, site: Site) -> Poll<R> {
    if outcome.is_pending() {
        site.report();
    }
    outcome
}

/// A call that is being tried, and what was known before it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempt<'a> {
    source: &'a Source,
    direction: Direction,
    seen: Seen,
}

impl Attempt<'_> {
    /// The call transferred `done` bytes of `wanted` over a *stream socket*: fewer, and the next call would block, so it is not made.
    ///
    /// Why that is safe on an edge-triggered registration: the kernel ends a transfer early only when the buffer is empty (full). What
    /// comes later is a new edge. It moves the tick, so that the clear does nothing, or comes after the clear and sets ready again. What
    /// came *before* the call and makes no edge any more is the end of the stream, an error, or the urgent mark that
    /// cut the read short. All of them show as BROKEN, which is never cleared and forbids this shortcut: either in the copy taken before the call, or else
    /// in an event that is still to be delivered.
    #[inline]
    pub(crate) fn transferred(self, done: usize, wanted: usize) {
        if done != 0 && done < wanted {
            self.short();
        }
    }

    fn short(self) {
        if !self.seen.is_broken() && self.source.reactor.short_means_drained() {
            // An event that came meanwhile keeps the direction ready, which is right.
            let _ = self.source.waiters.clear(self.direction, self.seen);
        }
    }
}
