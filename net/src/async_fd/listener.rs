//! Accepting connections, on every kind of listener.

use std::future::Future;
use std::io;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;

use super::Async;
use super::waiting::Waiting;
use crate::hook::WaitKind;
use crate::socket::Listener;
use crate::source::readiness::Direction;

/// Future of `accept`, on a listener `L` whose connections become an `S`.
#[derive(Debug)]
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct Accept<'a, L: Listener, S = Async<<L as Listener>::Stream>> {
    waiting: Waiting<&'a Async<L>>,
    stream: PhantomData<fn() -> S>,
}

impl<'a, L: Listener, S> Accept<'a, L, S> {
    #[track_caller]
    pub(crate) fn new(listener: &'a Async<L>) -> Self {
        Self {
            waiting: Waiting::new(listener, Direction::Read, WaitKind::Accept),
            stream: PhantomData,
        }
    }
}

impl<L, S> Future for Accept<'_, L, S>
where
    L: Listener,
    S: From<Async<L::Stream>>,
{
    type Output = io::Result<(S, L::Addr)>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let accepted = self
            .waiting
            .poll_call(cx, |listener, _| listener.get_ref().accept_nonblocking());
        let (stream, peer) = ready!(accepted)?;
        let location = self.waiting.site().location;
        let stream = Async::register(stream, true, location)?;
        Poll::Ready(Ok((stream.into(), peer)))
    }
}

/// Stream of `incoming`, on a listener `L` whose connections become an `S`. It never ends.
#[derive(Debug)]
#[must_use = "streams do nothing unless you poll them"]
pub struct Incoming<'a, L: Listener, S = Async<<L as Listener>::Stream>>(Accept<'a, L, S>);

impl<'a, L: Listener, S> Incoming<'a, L, S> {
    #[track_caller]
    pub(crate) fn new(listener: &'a Async<L>) -> Self {
        Self(Accept::new(listener))
    }
}

impl<L, S> Stream for Incoming<'_, L, S>
where
    L: Listener,
    S: From<Async<L::Stream>>,
{
    type Item = io::Result<S>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let accepted = ready!(Pin::new(&mut self.0).poll(cx));
        Poll::Ready(Some(accepted.map(|(stream, _peer)| stream)))
    }
}
