//! The futures of `read_with`, `write_with`, and of the same with an exclusive reference.
//!
//! All of them wait for the actual state of the descriptor: a closure may say `WouldBlock` for reasons of its own.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::Async;
use super::waiting::Waiting;
use crate::hook::Site;
use crate::source::readiness::Direction;
use crate::source::waiters::{Place, Ticket};

/// Future of [`Async::read_with`].
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct ReadWith<'a, T, F>(With<'a, T, F>);

/// Future of [`Async::write_with`].
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct WriteWith<'a, T, F>(With<'a, T, F>);

/// Future of [`Async::read_with_mut`].
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct ReadWithMut<'a, T, F>(WithMut<'a, T, F>);

/// Future of [`Async::write_with_mut`].
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct WriteWithMut<'a, T, F>(WithMut<'a, T, F>);

struct With<'a, T, F> {
    waiting: Waiting<&'a Async<T>>,
    op: F,
}

struct WithMut<'a, T, F> {
    io: &'a mut Async<T>,
    direction: Direction,
    site: Site,
    ticket: Ticket,
    op: F,
}

// The closure is called and moved, never pinned.
impl<T, F> Unpin for With<'_, T, F> {}
impl<T, F> Unpin for WithMut<'_, T, F> {}

impl<T, R, F: FnMut(&T) -> io::Result<R>> With<'_, T, F> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<R>> {
        let op = &mut self.op;
        self.waiting.poll_actual(cx, |io| op(io.get_ref()))
    }
}

impl<T, R, F: FnMut(&mut T) -> io::Result<R>> WithMut<'_, T, F> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<R>> {
        let (io, source) = self.io.split_mut();
        let place = Place::Ticket(&mut self.ticket);
        let op = &mut self.op;
        source.poll_actual(self.direction, cx, place, self.site, || op(io))
    }
}

impl<T, F> Drop for WithMut<'_, T, F> {
    fn drop(&mut self) {
        self.io.source.cancel(self.direction, &mut self.ticket);
    }
}

impl<'a, T, F> ReadWith<'a, T, F> {
    pub(super) fn new(waiting: Waiting<&'a Async<T>>, op: F) -> Self {
        Self(With { waiting, op })
    }
}

impl<'a, T, F> WriteWith<'a, T, F> {
    pub(super) fn new(waiting: Waiting<&'a Async<T>>, op: F) -> Self {
        Self(With { waiting, op })
    }
}

impl<'a, T, F> ReadWithMut<'a, T, F> {
    pub(super) fn new(io: &'a mut Async<T>, site: Site, op: F) -> Self {
        Self(WithMut::new(io, Direction::Read, site, op))
    }
}

impl<'a, T, F> WriteWithMut<'a, T, F> {
    pub(super) fn new(io: &'a mut Async<T>, site: Site, op: F) -> Self {
        Self(WithMut::new(io, Direction::Write, site, op))
    }
}

impl<'a, T, F> WithMut<'a, T, F> {
    fn new(io: &'a mut Async<T>, direction: Direction, site: Site, op: F) -> Self {
        Self {
            io,
            direction,
            site,
            ticket: Ticket::default(),
            op,
        }
    }
}

impl<T, R, F: FnMut(&T) -> io::Result<R>> Future for ReadWith<'_, T, F> {
    type Output = io::Result<R>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll(cx)
    }
}

impl<T, R, F: FnMut(&T) -> io::Result<R>> Future for WriteWith<'_, T, F> {
    type Output = io::Result<R>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll(cx)
    }
}

impl<T, R, F: FnMut(&mut T) -> io::Result<R>> Future for ReadWithMut<'_, T, F> {
    type Output = io::Result<R>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll(cx)
    }
}

impl<T, R, F: FnMut(&mut T) -> io::Result<R>> Future for WriteWithMut<'_, T, F> {
    type Output = io::Result<R>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll(cx)
    }
}

impl<T, F> fmt::Debug for ReadWith<'_, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadWith").finish_non_exhaustive()
    }
}

impl<T, F> fmt::Debug for WriteWith<'_, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteWith").finish_non_exhaustive()
    }
}

impl<T, F> fmt::Debug for ReadWithMut<'_, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadWithMut").finish_non_exhaustive()
    }
}

impl<T, F> fmt::Debug for WriteWithMut<'_, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteWithMut").finish_non_exhaustive()
    }
}
