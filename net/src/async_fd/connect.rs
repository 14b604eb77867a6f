//! Connecting, with every kind of stream socket.

use std::fmt;
use std::future::Future;
use std::io;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::Async;
use super::waiting::Waiting;
use crate::hook::{Site, WaitKind};
use crate::socket::{self, Connected};
use crate::source::Source;
use crate::source::readiness::Direction;

/// Future of `connect`, with a socket `S` that becomes an `H`.
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct Connect<S: Connected, H = Async<S>> {
    target: S::Target,
    site: Site,
    /// None before the first poll, and after the last.
    connecting: Option<Connecting<S>>,
    handle: PhantomData<fn() -> H>,
}

/// The ticket is given back before the stream is dropped: fields drop in order.
struct Connecting<S> {
    waiting: Waiting<Arc<Source>>,
    stream: Async<S>,
}

impl<S: Connected, H> Connect<S, H> {
    #[track_caller]
    pub(crate) fn new(target: S::Target) -> Self {
        Self::at(target, Site::here(WaitKind::Connect))
    }

    pub(crate) fn at(target: S::Target, site: Site) -> Self {
        Self {
            target,
            site,
            connecting: None,
            handle: PhantomData,
        }
    }

    fn start(&self) -> io::Result<Connecting<S>> {
        let (stream, stands) = S::start_connect(&self.target)?;
        let stream = Async::register(stream, stands, self.site.location)?;
        let source = Arc::clone(stream.source());
        Ok(Connecting {
            waiting: Waiting::at(source, Direction::Write, self.site),
            stream,
        })
    }
}

// The target is read and the handle is made, neither is ever pinned.
impl<S: Connected, H> Unpin for Connect<S, H> {}

impl<S: Connected, H: From<Async<S>>> Future for Connect<S, H> {
    type Output = io::Result<H>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut connecting = match self.connecting.take() {
            Some(connecting) => connecting,
            None => self.start()?,
        };
        let Connecting { waiting, stream } = &mut connecting;
        let outcome = waiting.poll_call(cx, |_, _| socket::connect_outcome(stream.get_ref()));
        match outcome {
            Poll::Pending => {
                self.connecting = Some(connecting);
                Poll::Pending
            }
            Poll::Ready(outcome) => Poll::Ready(outcome.map(|()| connecting.stream.into())),
        }
    }
}

impl<S: Connected, H> fmt::Debug for Connect<S, H>
where
    S::Target: fmt::Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connect")
            .field("target", &self.target)
            .field("started", &self.connecting.is_some())
            .finish_non_exhaustive()
    }
}
