//! What the futures of this crate are made of: a source, a direction, a wait site, and a ticket that a drop gives back.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::Async;
use crate::hook::{Site, WaitKind};
use crate::source::readiness::Direction;
use crate::source::waiters::{Place, Ticket};
use crate::source::{Attempt, Source};

/// Something that has a source.
pub(crate) trait Registered {
    fn source(&self) -> &Source;
}

impl<T> Registered for Async<T> {
    #[inline]
    fn source(&self) -> &Source {
        &self.source
    }
}

impl<T> Registered for &Async<T> {
    #[inline]
    fn source(&self) -> &Source {
        &self.source
    }
}

impl<T> Registered for Arc<Async<T>> {
    #[inline]
    fn source(&self) -> &Source {
        &self.source
    }
}

impl Registered for Arc<Source> {
    #[inline]
    fn source(&self) -> &Source {
        self
    }
}

/// One task that waits for one direction of `H`.
pub(crate) struct Waiting<H: Registered> {
    holder: H,
    direction: Direction,
    site: Site,
    ticket: Ticket,
}

impl<H: Registered> Waiting<H> {
    #[inline]
    #[track_caller]
    pub(crate) fn new(holder: H, direction: Direction, kind: WaitKind) -> Self {
        Self::at(holder, direction, Site::here(kind))
    }

    #[inline]
    pub(crate) fn at(holder: H, direction: Direction, site: Site) -> Self {
        Self {
            holder,
            direction,
            site,
            ticket: Ticket::default(),
        }
    }

    pub(crate) fn site(&self) -> Site {
        self.site
    }

    /// [`Source::poll_call`] with the ticket.
    #[inline]
    pub(crate) fn poll_call<R>(
        &mut self,
        cx: &mut Context<'_>,
        mut call: impl FnMut(&H, Attempt<'_>) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        let holder = &self.holder;
        let place = Place::Ticket(&mut self.ticket);
        let call = |attempt: Attempt<'_>| call(holder, attempt);
        holder
            .source()
            .poll_call(self.direction, cx, place, self.site, call)
    }

    /// [`Source::poll_ready`] with the ticket.
    pub(crate) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let place = Place::Ticket(&mut self.ticket);
        self.holder
            .source()
            .poll_ready(self.direction, cx, place, self.site)
    }

    /// [`Source::poll_actual`] with the ticket.
    pub(crate) fn poll_actual<R>(
        &mut self,
        cx: &mut Context<'_>,
        mut call: impl FnMut(&H) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        let holder = &self.holder;
        let place = Place::Ticket(&mut self.ticket);
        let call = || call(holder);
        holder
            .source()
            .poll_actual(self.direction, cx, place, self.site, call)
    }
}

impl<H: Registered> Drop for Waiting<H> {
    #[inline]
    fn drop(&mut self) {
        self.holder
            .source()
            .cancel(self.direction, &mut self.ticket);
    }
}

// Not derived: a future can be printed whether or not what it waits for can.
impl<H: Registered> fmt::Debug for Waiting<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiting")
            .field("direction", &self.direction)
            .field("site", &self.site)
            .finish_non_exhaustive()
    }
}
