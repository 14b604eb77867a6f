//! [`TcpListener`].

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener as Socket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::TcpStream;
use crate::addr::{AsyncToSocketAddrs, EachAddr};
use crate::async_fd::{self, Async};
use crate::handle::handle;
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
    io: Arc<Async<Socket>>,
}

handle!(TcpListener, Socket);

impl TcpListener {
    fn from_io(io: Arc<Async<Socket>>) -> Self {
        Self { io }
    }

    fn io(&self) -> &Arc<Async<Socket>> {
        &self.io
    }

    /// Creates a listener bound to the address, or to the first of several that works.
    ///
    /// Port 0 lets the system choose one; [`local_addr`](Self::local_addr) tells which. The socket has `SO_REUSEADDR` (as std's) and a backlog of
    /// 1024.
    ///
    /// # Errors
    ///
    /// Returns the error of the last address, of the name lookup, or `InvalidInput` if there is no address.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing. It is ready when it is polled first, unless a name has to be looked up.
    #[track_caller]
    pub fn bind<A: AsyncToSocketAddrs>(addr: A) -> Bind {
        Bind(EachAddr::new(&addr))
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
        async_fd::Accept::new(&self.io)
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
        async_fd::Incoming::new(&self.io)
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
pub struct Bind(EachAddr);

impl Future for Bind {
    type Output = io::Result<TcpListener>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let location = self.0.location();
        let bound = self.0.poll_until(cx, |addr| {
            Async::register(socket::listen(addr)?, false, location)
        });
        bound.map_ok(TcpListener::from)
    }
}

/// Future of [`TcpListener::accept`].
pub type Accept<'a> = async_fd::Accept<'a, Socket, TcpStream>;

/// Stream of [`TcpListener::incoming`]. It never ends.
pub type Incoming<'a> = async_fd::Incoming<'a, Socket, TcpStream>;
