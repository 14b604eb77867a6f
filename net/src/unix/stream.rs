//! [`UnixStream`].

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::{SocketAddr, UnixStream as Socket};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::async_fd::{self, Async};
use crate::duplex::{Duplex, duplex_io};
use crate::handle::handle;
use crate::source::readiness::Direction;

/// A connection over a Unix socket.
///
/// Implements [`AsyncRead`](futures_io::AsyncRead) and [`AsyncWrite`](futures_io::AsyncWrite), by value and by shared reference. A clone is
/// another handle to the same socket, which is closed with the last handle; [`shutdown`](Self::shutdown) closes one direction, and
/// `poll_close` shuts down the write direction.
///
/// Tasks that read through clones are all woken when bytes arrive. Tasks that read through `&UnixStream` share one waker for each
/// direction: the last caller is woken.
///
/// # Examples
///
/// ```
/// use futures_lite::{AsyncReadExt, AsyncWriteExt};
/// use gort_net::unix::UnixStream;
///
/// # futures_lite::future::block_on(async {
/// let (mut one, mut other) = UnixStream::pair()?;
/// one.write_all(b"hello").await?;
/// drop(one);
/// let mut text = String::new();
/// other.read_to_string(&mut text).await?;
/// assert_eq!(text, "hello");
/// # std::io::Result::Ok(()) }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct UnixStream(Duplex<Socket>);

handle!(UnixStream, Socket);
duplex_io!(UnixStream);

impl UnixStream {
    fn from_io(io: Arc<Async<Socket>>) -> Self {
        Self(Duplex::new(io))
    }

    fn io(&self) -> &Arc<Async<Socket>> {
        self.0.io()
    }

    /// Connects to the path.
    ///
    /// # Errors
    ///
    /// Returns the error of the system: `ConnectionRefused` if nobody listens there, `WouldBlock` if the backlog of the listener is full.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives the connection up.
    #[track_caller]
    pub fn connect<P: AsRef<Path>>(path: P) -> Connect {
        async_fd::Connect::new(path.as_ref().to_path_buf())
    }

    /// Creates two connected streams.
    ///
    /// # Errors
    ///
    /// Returns the error of the system.
    #[track_caller]
    pub fn pair() -> io::Result<(Self, Self)> {
        let (one, other) = Async::<Socket>::pair()?;
        Ok((one.into(), other.into()))
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
    /// Returns the error of the system.
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

    /// Reads into memory that need not be initialized, as [`TcpStream::poll_read_uninit`](crate::TcpStream::poll_read_uninit) does.
    ///
    /// # Errors
    ///
    /// Returns the error of the system.
    #[inline]
    pub fn poll_read_uninit(
        &self,
        cx: &mut Context<'_>,
        buf: &mut [MaybeUninit<u8>],
    ) -> Poll<io::Result<usize>> {
        self.0.shared(Direction::Read).read_uninit(cx, buf)
    }
}

/// Future of [`UnixStream::connect`].
pub type Connect = async_fd::Connect<Socket, UnixStream>;
