//! TCP on [`Async`].

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;

use super::Async;
use super::waiting::Waiting;
use crate::hook::{Site, WaitKind};
use crate::socket;
use crate::source::readiness::Direction;

impl Async<TcpListener> {
    /// Creates a TCP listener bound to the address.
    ///
    /// Port 0 lets the system choose one. Like std, it sets `SO_REUSEADDR`; unlike std, it asks for a backlog of 1024.
    ///
    /// # Errors
    ///
    /// Returns the error of the system, for instance `AddrInUse`.
    ///
    /// # Examples
    ///
    /// ```
    /// use gort_net::Async;
    /// use std::net::TcpListener;
    ///
    /// let listener = Async::<TcpListener>::bind(([127, 0, 0, 1], 0))?;
    /// println!("listening on {}", listener.get_ref().local_addr()?);
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn bind<A: Into<SocketAddr>>(addr: A) -> io::Result<Self> {
        // A new listener has no connections: there is nothing to try.
        Self::register(socket::listen(addr.into())?, false, Location::caller())
    }

    /// Accepts a connection.
    ///
    /// A connection that its peer gave up meanwhile is skipped.
    ///
    /// # Errors
    ///
    /// Returns the error of the system. If the process has no descriptors left, the connection stays in the backlog.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no connection.
    #[track_caller]
    pub fn accept(&self) -> Accept<'_> {
        Accept(Waiting::new(self, Direction::Read, WaitKind::Accept))
    }

    /// Returns the endless stream of incoming connections.
    #[track_caller]
    pub fn incoming(&self) -> Incoming<'_> {
        Incoming(self.accept())
    }
}

/// Future of [`Async::<TcpListener>::accept`](Async::accept).
#[derive(Debug)]
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct Accept<'a>(Waiting<&'a Async<TcpListener>>);

impl Accept<'_> {
    pub(crate) fn poll_accept(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(Async<TcpStream>, SocketAddr)>> {
        let accepted = self
            .0
            .poll_call(cx, |listener, _| socket::accept(listener.get_ref()));
        let (stream, peer) = ready!(accepted)?;
        let location = self.0.site().location;
        Poll::Ready(Async::register(stream, true, location).map(|stream| (stream, peer)))
    }
}

impl Future for Accept<'_> {
    type Output = io::Result<(Async<TcpStream>, SocketAddr)>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.poll_accept(cx)
    }
}

/// Stream of [`Async::<TcpListener>::incoming`](Async::incoming). It never ends.
#[derive(Debug)]
#[must_use = "streams do nothing unless you poll them"]
pub struct Incoming<'a>(Accept<'a>);

impl Stream for Incoming<'_> {
    type Item = io::Result<Async<TcpStream>>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let accepted = ready!(self.0.poll_accept(cx));
        Poll::Ready(Some(accepted.map(|(stream, _peer)| stream)))
    }
}

impl Async<TcpStream> {
    /// Connects to the address.
    ///
    /// # Errors
    ///
    /// Returns the error of the system, for instance `ConnectionRefused`.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives the connection up.
    ///
    /// # Examples
    ///
    /// ```
    /// use gort_net::Async;
    /// use std::net::{TcpListener, TcpStream};
    ///
    /// # futures_lite::future::block_on(async {
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let stream = Async::<TcpStream>::connect(listener.local_addr()?).await?;
    /// assert_eq!(stream.get_ref().peer_addr()?, listener.local_addr()?);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    #[track_caller]
    pub fn connect<A: Into<SocketAddr>>(addr: A) -> Connect {
        Connect::at(addr.into(), Site::here(WaitKind::Connect))
    }

    /// Receives bytes and leaves them in the socket.
    ///
    /// # Errors
    ///
    /// Returns the error of the system.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    #[track_caller]
    pub fn peek<'a>(&'a self, buf: &'a mut [u8]) -> Peek<'a> {
        Peek {
            waiting: Waiting::new(self, Direction::Read, WaitKind::IoRead),
            buf,
        }
    }
}

/// Future of [`Async::<TcpStream>::connect`](Async::connect).
#[derive(Debug)]
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct Connect {
    addr: SocketAddr,
    site: Site,
    /// None before the first poll, and after the last.
    waiting: Option<Connecting>,
}

/// The ticket is given back before the stream is dropped: fields drop in order.
#[derive(Debug)]
struct Connecting {
    waiting: Waiting<std::sync::Arc<crate::source::Source>>,
    stream: Async<TcpStream>,
}

impl Connect {
    pub(crate) fn at(addr: SocketAddr, site: Site) -> Self {
        Self {
            addr,
            site,
            waiting: None,
        }
    }

    fn start(&self) -> io::Result<Connecting> {
        let stream = socket::start_connect(self.addr)?;
        let stream = Async::register(stream, false, self.site.location)?;
        Ok(Connecting {
            waiting: Waiting::at(
                std::sync::Arc::clone(stream.source()),
                Direction::Write,
                self.site,
            ),
            stream,
        })
    }
}

impl Future for Connect {
    type Output = io::Result<Async<TcpStream>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut connecting = match self.waiting.take() {
            Some(connecting) => connecting,
            None => self.start()?,
        };
        let Connecting { waiting, stream } = &mut connecting;
        let outcome = waiting.poll_call(cx, |_, _| socket::connect_outcome(stream.get_ref()));
        match outcome {
            Poll::Pending => {
                self.waiting = Some(connecting);
                Poll::Pending
            }
            Poll::Ready(outcome) => Poll::Ready(outcome.map(|()| connecting.stream)),
        }
    }
}

/// Future of [`Async::<TcpStream>::peek`](Async::peek).
#[derive(Debug)]
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct Peek<'a> {
    waiting: Waiting<&'a Async<TcpStream>>,
    buf: &'a mut [u8],
}

impl Future for Peek<'_> {
    type Output = io::Result<usize>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { waiting, buf } = &mut *self;
        waiting.poll_call(cx, |stream, _| stream.get_ref().peek(buf))
    }
}

impl TryFrom<TcpListener> for Async<TcpListener> {
    type Error = io::Error;

    #[track_caller]
    fn try_from(listener: TcpListener) -> io::Result<Self> {
        Self::new(listener)
    }
}

impl TryFrom<TcpStream> for Async<TcpStream> {
    type Error = io::Error;

    #[track_caller]
    fn try_from(stream: TcpStream) -> io::Result<Self> {
        Self::new(stream)
    }
}
