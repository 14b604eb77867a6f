//! [`TcpStream`].
//!
//! A steady echo costs one `recv` and one `send` for each message: a short read tells that the socket is empty, so the read that
//! would say `WouldBlock` is not made ([`Attempt::transferred`]).
//!
//! Each handle waits for itself: a handle that has clones keeps its wakers in the list of the source, under its own tickets. A
//! handle without clones uses the slot, which needs no list.

use std::future::Future;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_io::{AsyncRead, AsyncWrite};
use socket2::SockRef;

use crate::addr::{Addrs, ToSocketAddrs, no_addresses};
use crate::async_fd::{self, Async};
use crate::hook::{Site, WaitKind};
use crate::source::Attempt;
use crate::source::readiness::Direction;
use crate::source::waiters::{Place, Ticket};

/// The most bytes and slices of one transfer that are still held to prove something by their number: the system has limits of its own (2 GiB, 1024
/// slices on Linux), and a transfer cut short by those fills or empties nothing.
const PROOF_BYTES: usize = 1 << 30;
const PROOF_SLICES: usize = 1024;

/// A TCP connection.
///
/// Implements [`AsyncRead`] and [`AsyncWrite`], by value and by shared reference. A clone is another handle to the same socket, which is
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
#[derive(Debug)]
pub struct TcpStream {
    io: Arc<Async<std::net::TcpStream>>,
    read: Ticket,
    write: Ticket,
}

impl TcpStream {
    fn new(io: Arc<Async<std::net::TcpStream>>) -> Self {
        Self {
            io,
            read: Ticket::default(),
            write: Ticket::default(),
        }
    }

    /// Connects to the address, or to the first of several that answers.
    ///
    /// # Errors
    ///
    /// Returns the error of the last address, or `InvalidInput` if there is none, or if it needs name resolution.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives the connection up.
    #[track_caller]
    pub fn connect<A: ToSocketAddrs>(addr: A) -> Connect {
        Connect {
            addrs: addr.addrs(),
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
        self.io.get_ref().local_addr()
    }

    /// Returns the address of the other end.
    ///
    /// # Errors
    ///
    /// Returns the error of the system, for instance `NotConnected` after the peer has reset the connection.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.io.get_ref().peer_addr()
    }

    /// Shuts down the read direction, the write direction, or both.
    ///
    /// Tasks that wait in that direction are woken.
    ///
    /// # Errors
    ///
    /// Returns the error of the system.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.io.get_ref().shutdown(how)
    }

    /// Shuts down the write direction. A connection that the peer has reset has none left: that is closed enough.
    fn close_write(&self) -> io::Result<()> {
        match self.shutdown(Shutdown::Write) {
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            outcome => outcome,
        }
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
        Peek(self.io.peek(buf))
    }

    /// Returns whether small packets are sent at once (`TCP_NODELAY`).
    ///
    /// # Errors
    ///
    /// Returns the error of the system.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.io.get_ref().nodelay()
    }

    /// Sets whether small packets are sent at once (`TCP_NODELAY`).
    ///
    /// # Errors
    ///
    /// Returns the error of the system.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.io.get_ref().set_nodelay(nodelay)
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
        poll_call(
            &self.io,
            Direction::Read,
            cx,
            Place::Slot,
            |mut io, attempt| recv_uninit(&mut io, buf, attempt),
        )
    }
}

fn recv_uninit(
    io: &mut &std::net::TcpStream,
    buf: &mut [MaybeUninit<u8>],
    attempt: Attempt<'_>,
) -> io::Result<usize> {
    let done = SockRef::from(*io).recv(buf)?;
    attempt.transferred(done, buf.len().min(PROOF_BYTES));
    Ok(done)
}

/// One call on the socket. `Read` and `Write` want `&mut &TcpStream`.
#[inline]
fn poll_call<R>(
    io: &Async<std::net::TcpStream>,
    direction: Direction,
    cx: &mut Context<'_>,
    place: Place<'_>,
    mut call: impl FnMut(&std::net::TcpStream, Attempt<'_>) -> io::Result<R>,
) -> Poll<io::Result<R>> {
    let kind = match direction {
        Direction::Read => WaitKind::IoRead,
        Direction::Write => WaitKind::IoWrite,
    };
    let source = io.source();
    let site = Site {
        kind,
        location: source.location(),
    };
    source.poll_call(direction, cx, place, site, |attempt| {
        call(io.get_ref(), attempt)
    })
}

fn read(mut io: &std::net::TcpStream, buf: &mut [u8], attempt: Attempt<'_>) -> io::Result<usize> {
    let done = io.read(buf)?;
    attempt.transferred(done, buf.len().min(PROOF_BYTES));
    Ok(done)
}

fn read_vectored(
    mut io: &std::net::TcpStream,
    bufs: &mut [IoSliceMut<'_>],
    attempt: Attempt<'_>,
) -> io::Result<usize> {
    let done = io.read_vectored(bufs)?;
    attempt.transferred(done, provable(bufs.iter().map(|buf| buf.len())));
    Ok(done)
}

fn write(mut io: &std::net::TcpStream, buf: &[u8], attempt: Attempt<'_>) -> io::Result<usize> {
    let done = io.write(buf)?;
    attempt.transferred(done, buf.len().min(PROOF_BYTES));
    Ok(done)
}

fn write_vectored(
    mut io: &std::net::TcpStream,
    bufs: &[IoSlice<'_>],
    attempt: Attempt<'_>,
) -> io::Result<usize> {
    let done = io.write_vectored(bufs)?;
    attempt.transferred(done, provable(bufs.iter().map(|buf| buf.len())));
    Ok(done)
}

fn provable(lengths: impl Iterator<Item = usize>) -> usize {
    let bytes = lengths.take(PROOF_SLICES).fold(0, usize::saturating_add);
    bytes.min(PROOF_BYTES)
}

/// Where a handle of this source waits; see the module's text.
#[inline]
fn place<'a>(io: &Arc<Async<std::net::TcpStream>>, ticket: &'a mut Ticket) -> Place<'a> {
    // A count of one cannot be stale: only this handle could make a second one, and it is borrowed exclusively.
    match Arc::strong_count(io) {
        1 => Place::Slot,
        _ => Place::Ticket(ticket),
    }
}

impl AsyncRead for TcpStream {
    #[inline]
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let Self {
            io, read: ticket, ..
        } = &mut *self;
        let place = place(io, ticket);
        poll_call(io, Direction::Read, cx, place, |io, attempt| {
            read(io, buf, attempt)
        })
    }

    fn poll_read_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        let Self {
            io, read: ticket, ..
        } = &mut *self;
        let place = place(io, ticket);
        poll_call(io, Direction::Read, cx, place, |io, attempt| {
            read_vectored(io, bufs, attempt)
        })
    }
}

impl AsyncRead for &TcpStream {
    #[inline]
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let call = |io: &_, attempt: Attempt<'_>| read(io, buf, attempt);
        poll_call(&self.io, Direction::Read, cx, Place::Slot, call)
    }

    fn poll_read_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        let call = |io: &_, attempt: Attempt<'_>| read_vectored(io, bufs, attempt);
        poll_call(&self.io, Direction::Read, cx, Place::Slot, call)
    }
}

impl AsyncWrite for TcpStream {
    #[inline]
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let Self {
            io, write: ticket, ..
        } = &mut *self;
        let place = place(io, ticket);
        poll_call(io, Direction::Write, cx, place, |io, attempt| {
            write(io, buf, attempt)
        })
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let Self {
            io, write: ticket, ..
        } = &mut *self;
        let place = place(io, ticket);
        poll_call(io, Direction::Write, cx, place, |io, attempt| {
            write_vectored(io, bufs, attempt)
        })
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.close_write())
    }
}

impl AsyncWrite for &TcpStream {
    #[inline]
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let call = |io: &_, attempt: Attempt<'_>| write(io, buf, attempt);
        poll_call(&self.io, Direction::Write, cx, Place::Slot, call)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let call = |io: &_, attempt: Attempt<'_>| write_vectored(io, bufs, attempt);
        poll_call(&self.io, Direction::Write, cx, Place::Slot, call)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.close_write())
    }
}

impl Clone for TcpStream {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.io))
    }
}

impl Drop for TcpStream {
    fn drop(&mut self) {
        let source = self.io.source();
        source.cancel(Direction::Read, &mut self.read);
        source.cancel(Direction::Write, &mut self.write);
    }
}

/// Future of [`TcpStream::connect`].
#[derive(Debug)]
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct Connect {
    addrs: io::Result<Addrs>,
    site: Site,
    attempt: Option<async_fd::Connect>,
    /// Of the last attempt.
    error: Option<io::Error>,
}

impl Connect {
    /// Goes on to the next address.
    fn next(&mut self) -> io::Result<&mut async_fd::Connect> {
        let addrs = match &mut self.addrs {
            Ok(addrs) => addrs,
            // The error is given out once; a poll after that is a misuse and gets the other one.
            addrs => match std::mem::replace(addrs, Err(no_addresses())) {
                Ok(_) => unreachable!("matched above"),
                Err(error) => return Err(error),
            },
        };
        match addrs.next() {
            Some(addr) => Ok(self.attempt.insert(async_fd::Connect::at(addr, self.site))),
            None => Err(self.error.take().unwrap_or_else(no_addresses)),
        }
    }
}

impl Future for Connect {
    type Output = io::Result<TcpStream>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let attempt = match self.attempt.take() {
                Some(attempt) => self.attempt.insert(attempt),
                None => self.next()?,
            };
            let outcome = ready!(Pin::new(attempt).poll(cx));
            self.attempt = None;
            match outcome {
                Ok(io) => return Poll::Ready(Ok(io.into())),
                Err(error) => self.error = Some(error),
            }
        }
    }
}

/// Future of [`TcpStream::peek`].
#[derive(Debug)]
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct Peek<'a>(async_fd::Peek<'a>);

impl Future for Peek<'_> {
    type Output = io::Result<usize>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx)
    }
}

impl From<Async<std::net::TcpStream>> for TcpStream {
    fn from(io: Async<std::net::TcpStream>) -> Self {
        Self::new(Arc::new(io))
    }
}

impl From<TcpStream> for Arc<Async<std::net::TcpStream>> {
    fn from(stream: TcpStream) -> Self {
        Arc::clone(&stream.io)
    }
}

impl TryFrom<std::net::TcpStream> for TcpStream {
    type Error = io::Error;

    #[track_caller]
    fn try_from(stream: std::net::TcpStream) -> io::Result<Self> {
        Async::new(stream).map(Self::from)
    }
}

impl AsFd for TcpStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.io.get_ref().as_fd()
    }
}

impl AsRawFd for TcpStream {
    fn as_raw_fd(&self) -> RawFd {
        self.io.get_ref().as_raw_fd()
    }
}
