//! [`UnixDatagram`].

use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::{SocketAddr, UnixDatagram as Socket};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::async_fd::{Async, Call, Recv, RecvFrom, Send, SendTo};
use crate::handle::handle;
use crate::socket;

/// A Unix socket for datagrams.
///
/// It sends to any path and receives from all, or, once it is [connected](Self::connect), to and from one.
///
/// A clone is another handle to the same socket, which is closed with the last handle. Its file stays.
///
/// # Examples
///
/// ```
/// use gort_net::unix::UnixDatagram;
///
/// # futures_lite::future::block_on(async {
/// let (one, other) = UnixDatagram::pair()?;
/// one.send(b"hello").await?;
/// let mut buf = [0; 1024];
/// assert_eq!(other.recv(&mut buf).await?, 5);
/// # std::io::Result::Ok(()) }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct UnixDatagram {
    io: Arc<Async<Socket>>,
}

handle!(UnixDatagram, Socket);

impl UnixDatagram {
    fn from_io(io: Arc<Async<Socket>>) -> Self {
        Self { io }
    }

    fn io(&self) -> &Arc<Async<Socket>> {
        &self.io
    }

    /// Creates a socket bound to the path.
    ///
    /// The file must not exist.
    ///
    /// # Errors
    ///
    /// Returns the error of the system, for instance `AddrInUse`.
    #[track_caller]
    pub fn bind<P: AsRef<Path>>(path: P) -> io::Result<Self> {
        Async::<Socket>::bind(path).map(Self::from)
    }

    /// Creates a socket without an address.
    ///
    /// # Errors
    ///
    /// Returns the error of the system.
    #[track_caller]
    pub fn unbound() -> io::Result<Self> {
        Async::<Socket>::unbound().map(Self::from)
    }

    /// Creates two connected sockets.
    ///
    /// # Errors
    ///
    /// Returns the error of the system.
    #[track_caller]
    pub fn pair() -> io::Result<(Self, Self)> {
        let (one, other) = Async::<Socket>::pair()?;
        Ok((one.into(), other.into()))
    }

    /// Connects to the path: [`send`](Self::send) and [`recv`](Self::recv) then mean the socket there.
    ///
    /// # Errors
    ///
    /// Returns the error of the system, for instance `ConnectionRefused`.
    pub fn connect<P: AsRef<Path>>(&self, path: P) -> io::Result<()> {
        socket::connect_datagram(self.io.get_ref(), path.as_ref())
    }

    /// Returns the address that the socket is bound to.
    ///
    /// # Errors
    ///
    /// Returns the error of the system.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.get_ref().local_addr()
    }

    /// Returns the address that the socket is connected to.
    ///
    /// # Errors
    ///
    /// Returns the error of the system, `NotConnected` among them.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.io.get_ref().peer_addr()
    }

    /// Receives one datagram and tells who sent it.
    ///
    /// What does not fit into `buf` is lost.
    ///
    /// # Errors
    ///
    /// Returns the error of the system.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no datagram.
    #[track_caller]
    pub fn recv_from<'a>(&'a self, buf: &'a mut [u8]) -> Call<'a, Socket, RecvFrom<'a>> {
        self.io.recv_from(buf)
    }

    /// Sends one datagram to the socket at the path, and returns its length.
    ///
    /// If that socket is full, the datagram is tried again each time when the task's turn comes: no kernel tells when there is
    /// room at the other end, unless the sockets are connected.
    ///
    /// # Errors
    ///
    /// Returns the error of the system.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it has ended, nothing was sent.
    #[track_caller]
    pub fn send_to<'a, P: AsRef<Path>>(
        &'a self,
        buf: &'a [u8],
        path: P,
    ) -> Call<'a, Socket, SendTo<'a, PathBuf>> {
        self.io.send_to(buf, path)
    }

    /// Receives one datagram from the [connected](Self::connect) address.
    ///
    /// What does not fit into `buf` is lost. A socket that is not connected receives from anybody.
    ///
    /// # Errors
    ///
    /// Returns the error of the system.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no datagram.
    #[track_caller]
    pub fn recv<'a>(&'a self, buf: &'a mut [u8]) -> Call<'a, Socket, Recv<'a>> {
        self.io.recv(buf)
    }

    /// Sends one datagram to the [connected](Self::connect) address, and returns its length.
    ///
    /// # Errors
    ///
    /// Returns the error of the system, `NotConnected` among them.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it has ended, nothing was sent.
    #[track_caller]
    pub fn send<'a>(&'a self, buf: &'a [u8]) -> Call<'a, Socket, Send<'a>> {
        self.io.send(buf)
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
}
