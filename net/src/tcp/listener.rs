//! [`TcpListener`].

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_core::Stream;

use super::TcpStream;
use crate::addr::{Addrs, ToSocketAddrs, no_addresses};
use crate::async_fd::{self, Async};
use crate::socket;

/// A TCP server, listening for connections.
///
/// A clone is another handle to the same socket, which is closed with the last handle.
///
/// Any number of tasks may accept from one listener; each connection goes to one of them.
///
/// # Examples
///
/// ```
/// use futures_lite::{AsyncReadExt, AsyncWriteExt, future};
/// use gort_net::{TcpListener, TcpStream};
///
/// # future::block_on(async {
/// let listener = TcpListener::bind("127.0.0.1:0").await?;
/// let addr = listener.local_addr()?;
/// let server = async {
///     let (mut stream, _peer) = listener.accept().await?;
///     stream.write_all(b"hello").await
/// };
/// let client = async {
///     let mut text = [0; 5];
///     TcpStream::connect(addr).await?.read_exact(&mut text).await?;
///     std::io::Result::Ok(text)
/// };
/// let (served, text) = future::zip(server, client).await;
/// served?;
/// assert_eq!(&text?, b"hello");
/// # std::io::Result::Ok(()) }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct TcpListener {
    io: Arc<Async<std::net::TcpListener>>,
}

impl TcpListener {
    /// Creates a listener bound to the address, or to the first of several that works.
    ///
    /// Port 0 lets the system choose one; [`local_addr`](Self::local_addr) tells which. The socket has `SO_REUSEADDR` (as std's) and a backlog of
    /// 1024.
    ///
    /// # Errors
    ///
    /// Returns the error of the last address, or `InvalidInput` if there is none, or if it needs name resolution.
    ///
    /// # Cancel safety
    ///
    /// The future is ready when it is polled first.
    #[track_caller]
    pub fn bind<A: ToSocketAddrs>(addr: A) -> Bind {
        Bind {
            addrs: Some(addr.addrs()),
            location: Location::caller(),
        }
    }

    /// Accepts a connection; returns the stream and the address of its peer.
    ///
    /// A connection that its peer gave up meanwhile is skipped.
    ///
    /// # Errors
    ///
    /// Returns the error of the system. If the process has no descriptors left (`EMFILE`), the connection stays in the backlog: a server may
    /// wait a moment and go on.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no connection.
    #[track_caller]
    pub fn accept(&self) -> Accept<'_> {
        Accept(self.io.accept())
    }

    /// Returns the endless stream of incoming connections.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use futures_lite::StreamExt;
    /// use gort_net::TcpListener;
    ///
    /// # futures_lite::future::block_on(async {
    /// let listener = TcpListener::bind("127.0.0.1:8080").await?;
    /// let mut incoming = listener.incoming();
    /// while let Some(stream) = incoming.next().await {
    ///     println!("{}", stream?.peer_addr()?);
    /// }
    /// # std::io::Result::Ok(()) });
    /// ```
    #[track_caller]
    pub fn incoming(&self) -> Incoming<'_> {
        Incoming(self.accept())
    }

    /// Returns the address that the listener is bound to.
    ///
    /// # Errors
    ///
    /// Returns the error of the system.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.get_ref().local_addr()
    }

    /// Returns the time-to-live of the packets of this socket.
    ///
    /// # Errors
    ///
    /// Returns the error of the system.
    pub fn ttl(&self) -> io::Result<u32> {
        self.io.get_ref().ttl()
    }

    /// Sets the time-to-live of the packets of this socket.
    ///
    /// # Errors
    ///
    /// Returns the error of the system.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.io.get_ref().set_ttl(ttl)
    }
}

/// Future of [`TcpListener::bind`].
#[derive(Debug)]
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct Bind {
    addrs: Option<io::Result<Addrs>>,
    location: &'static Location<'static>,
}

impl Future for Bind {
    type Output = io::Result<TcpListener>;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        let location = self.location;
        let addrs = self.addrs.take().expect("polled after completion")?;
        let mut outcome = Err(no_addresses());
        for addr in addrs {
            outcome = socket::listen(addr).and_then(|io| Async::register(io, false, location));
            if outcome.is_ok() {
                break;
            }
        }
        Poll::Ready(outcome.map(TcpListener::from))
    }
}

/// Future of [`TcpListener::accept`].
#[derive(Debug)]
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct Accept<'a>(async_fd::Accept<'a>);

impl Accept<'_> {
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        let accepted = ready!(self.0.poll_accept(cx));
        Poll::Ready(accepted.map(|(stream, peer)| (stream.into(), peer)))
    }
}

impl Future for Accept<'_> {
    type Output = io::Result<(TcpStream, SocketAddr)>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.poll_accept(cx)
    }
}

/// Stream of [`TcpListener::incoming`]. It never ends.
#[derive(Debug)]
#[must_use = "streams do nothing unless you poll them"]
pub struct Incoming<'a>(Accept<'a>);

impl Stream for Incoming<'_> {
    type Item = io::Result<TcpStream>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let accepted = ready!(self.0.poll_accept(cx));
        Poll::Ready(Some(accepted.map(|(stream, _peer)| stream)))
    }
}

impl From<Async<std::net::TcpListener>> for TcpListener {
    fn from(io: Async<std::net::TcpListener>) -> Self {
        Self { io: Arc::new(io) }
    }
}

impl From<TcpListener> for Arc<Async<std::net::TcpListener>> {
    fn from(listener: TcpListener) -> Self {
        listener.io
    }
}

impl TryFrom<std::net::TcpListener> for TcpListener {
    type Error = io::Error;

    #[track_caller]
    fn try_from(listener: std::net::TcpListener) -> io::Result<Self> {
        Async::new(listener).map(Self::from)
    }
}

impl AsFd for TcpListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.io.get_ref().as_fd()
    }
}

impl AsRawFd for TcpListener {
    fn as_raw_fd(&self) -> RawFd {
        self.io.get_ref().as_raw_fd()
    }
}
