//! [`TcpStream`].

use std::future::Future;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::{Shutdown, SocketAddr, TcpStream as Socket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use crate::addr::{Addrs, AsyncToSocketAddrs, EachAddr, no_addresses};
use crate::async_fd::{self, Async, Call, Peek};
use crate::duplex::{Duplex, duplex_io};
use crate::handle::handle;
use crate::hook::{Site, WaitKind};
use crate::source::readiness::Direction;

/// A TCP connection.
///
/// Implements [`AsyncRead`](futures_io::AsyncRead) and [`AsyncWrite`](futures_io::AsyncWrite), by value and by shared reference. A clone is another handle to the same socket, which is
/// closed with the last handle; [`shutdown`](Self::shutdown) closes one direction, and `poll_close` shuts down the write direction.
///
/// Tasks that read through clones are all woken when bytes arrive. Tasks that read through `&TcpStream` share one waker for each direction:
/// the last caller is woken.
///
/// # Examples
///
/// ```
/// use futures_lite::{AsyncReadExt, AsyncWriteExt};
/// use gort_net::TcpStream;
///
/// # futures_lite::future::block_on(async {
/// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
/// # let addr = listener.local_addr()?;
/// let mut stream = TcpStream::connect(addr).await?;
/// stream.write_all(b"hello").await?;
/// # let mut peer = listener.accept()?.0;
/// # std::io::Read::read_exact(&mut peer, &mut [0; 5])?;
/// # std::io::Write::write_all(&mut peer, b"world")?;
/// # drop(peer);
/// let mut text = String::new();
/// stream.read_to_string(&mut text).await?;
/// # assert_eq!(text, "world");
/// # std::io::Result::Ok(()) }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct TcpStream(Duplex<Socket>);

handle!(TcpStream, Socket);
duplex_io!(TcpStream);

impl TcpStream {
    fn from_io(io: Arc<Async<Socket>>) -> Self {
        Self(Duplex::new(io))
    }

    fn io(&self) -> &Arc<Async<Socket>> {
        self.0.io()
    }

    /// Connects to the address, or to the first of several that answers.
    ///
    /// # Errors
    ///
    /// Returns the error of the last address, of the name lookup, or `InvalidInput` if there is no address.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives the connection up.
    #[track_caller]
    pub fn connect<A: AsyncToSocketAddrs>(addr: A) -> Connect {
        Connect {
            addrs: Candidates::Wanted(EachAddr::new(&addr)),
            site: Site::here(WaitKind::Connect),
            attempt: None,
            error: None,
        }
    }

    /// Returns the address of this end.
    ///
    /// # Errors
    ///
    /// Returns the error of the system.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io().get_ref().local_addr()
    }

    /// Returns the address of the other end.
    ///
    /// # Errors
    ///
    /// Returns the error of the system, for instance `NotConnected` after the peer has reset the connection.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.io().get_ref().peer_addr()
    }

    /// Shuts down the read direction, the write direction, or both.
    ///
    /// Tasks that wait in that direction are woken.
    ///
    /// # Errors
    ///
    /// Returns the error of the system.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.io().get_ref().shutdown(how)
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
    pub fn peek<'a>(&'a self, buf: &'a mut [u8]) -> Call<'a, Socket, Peek<'a>> {
        self.io().peek(buf)
    }

    /// Returns whether small packets are sent at once (`TCP_NODELAY`).
    ///
    /// # Errors
    ///
    /// Returns the error of the system.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.io().get_ref().nodelay()
    }

    /// Sets whether small packets are sent at once (`TCP_NODELAY`).
    ///
    /// # Errors
    ///
    /// Returns the error of the system.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.io().get_ref().set_nodelay(nodelay)
    }

    /// Returns the time-to-live of the packets of this socket.
    ///
    /// # Errors
    ///
    /// Returns the error of the system.
    pub fn ttl(&self) -> io::Result<u32> {
        self.io().get_ref().ttl()
    }

    /// Sets the time-to-live of the packets of this socket.
    ///
    /// # Errors
    ///
    /// Returns the error of the system.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.io().get_ref().set_ttl(ttl)
    }

    /// Reads into memory that need not be initialized.
    ///
    /// When it returns `Ok(n)`, the first `n` bytes of `buf` are initialized. For adapters to other I/O traits; keeps one waker for all
    /// callers, the last one's.
    ///
    /// # Errors
    ///
    /// Returns the error of the system.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::mem::MaybeUninit;
    /// use gort_net::TcpStream;
    ///
    /// # futures_lite::future::block_on(async {
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let addr = listener.local_addr()?;
    /// let stream = TcpStream::connect(addr).await?;
    /// # std::io::Write::write_all(&mut listener.accept()?.0, b"hello")?;
    /// let mut buf = [MaybeUninit::uninit(); 16];
    /// let n = std::future::poll_fn(|cx| stream.poll_read_uninit(cx, &mut buf)).await?;
    /// # assert_eq!(n, 5);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    #[inline]
    pub fn poll_read_uninit(
        &self,
        cx: &mut Context<'_>,
        buf: &mut [MaybeUninit<u8>],
    ) -> Poll<io::Result<usize>> {
        self.0.shared(Direction::Read).read_uninit(cx, buf)
    }
}

/// Future of [`TcpStream::connect`].
#[derive(Debug)]
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct Connect {
    addrs: Candidates,
    site: Site,
    attempt: Option<async_fd::Connect<Socket, TcpStream>>,
    /// Of the last attempt.
    error: Option<io::Error>,
}

/// The addresses to try.
#[derive(Debug)]
enum Candidates {
    Wanted(EachAddr),
    Left(Addrs),
}

impl Connect {
    /// The attempt that goes on, or one with the next address.
    fn poll_attempt(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<&mut async_fd::Connect<Socket, TcpStream>>> {
        let attempt = match self.attempt.take() {
            Some(attempt) => attempt,
            None => match ready!(self.addrs.poll_next(cx))? {
                Some(addr) => async_fd::Connect::at(addr, self.site),
                None => return Poll::Ready(Err(self.error.take().unwrap_or_else(no_addresses))),
            },
        };
        Poll::Ready(Ok(self.attempt.insert(attempt)))
    }
}

impl Candidates {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<SocketAddr>>> {
        loop {
            match self {
                Self::Wanted(each) => *self = Self::Left(ready!(each.poll_addrs(cx))?),
                Self::Left(addrs) => return Poll::Ready(Ok(addrs.next())),
            }
        }
    }
}

impl Future for Connect {
    type Output = io::Result<TcpStream>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let attempt = ready!(self.poll_attempt(cx))?;
            let outcome = ready!(Pin::new(attempt).poll(cx));
            self.attempt = None;
            match outcome {
                Ok(stream) => return Poll::Ready(Ok(stream)),
                Err(error) => self.error = Some(error),
            }
        }
    }
}
