//! Unix sockets on [`Async`].

use std::io;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::panic::Location;
use std::path::{Path, PathBuf};

use super::call::{Call, Recv, RecvFrom, Send, SendTo};
use super::{Accept, Async, Connect, Incoming};
use crate::socket;

impl Async<UnixListener> {
    /// Creates a listener bound to the path.
    ///
    /// The file must not exist. It stays after the listener is gone. On Linux a path that begins with a NUL is a name
    /// of the abstract namespace, which has no file.
    ///
    /// # Errors
    ///
    /// Returns the error of the system, for instance `AddrInUse`.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use gort_net::Async;
    /// use std::os::unix::net::UnixListener;
    ///
    /// let listener = Async::<UnixListener>::bind("/tmp/socket")?;
    /// println!("listening on {:?}", listener.get_ref().local_addr()?);
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn bind<P: AsRef<Path>>(path: P) -> io::Result<Self> {
        let listener = socket::listen_unix(path.as_ref())?;
        // As for TCP, there is nothing to try.
        Self::register(listener, false, Location::caller())
    }

    /// Accepts a connection.
    ///
    /// # Errors
    ///
    /// Returns the error of the system. If the process has no descriptors left, the connection stays in the backlog.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no connection.
    #[track_caller]
    pub fn accept(&self) -> Accept<'_, UnixListener> {
        Accept::new(self)
    }

    /// Returns the endless stream of incoming connections.
    #[track_caller]
    pub fn incoming(&self) -> Incoming<'_, UnixListener> {
        Incoming::new(self)
    }
}

impl Async<UnixStream> {
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
    pub fn connect<P: AsRef<Path>>(path: P) -> Connect<UnixStream> {
        Connect::new(path.as_ref().to_path_buf())
    }

    /// Creates two connected streams.
    ///
    /// # Errors
    ///
    /// Returns the error of the system.
    ///
    /// # Examples
    ///
    /// ```
    /// use futures_lite::{AsyncReadExt, AsyncWriteExt};
    /// use gort_net::Async;
    /// use std::os::unix::net::UnixStream;
    ///
    /// # futures_lite::future::block_on(async {
    /// let (mut one, mut other) = Async::<UnixStream>::pair()?;
    /// one.write_all(b"hello").await?;
    /// let mut text = [0; 5];
    /// other.read_exact(&mut text).await?;
    /// assert_eq!(&text, b"hello");
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    #[track_caller]
    pub fn pair() -> io::Result<(Self, Self)> {
        let (one, other) = UnixStream::pair()?;
        Ok((Self::new(one)?, Self::new(other)?))
    }
}

impl Async<UnixDatagram> {
    /// Creates a datagram socket bound to the path.
    ///
    /// The file must not exist. It stays after the socket is gone. On Linux a path that begins with a NUL is a name of the abstract
    /// namespace, which has no file.
    ///
    /// # Errors
    ///
    /// Returns the error of the system, for instance `AddrInUse`.
    #[track_caller]
    pub fn bind<P: AsRef<Path>>(path: P) -> io::Result<Self> {
        let socket = socket::bind_datagram(path.as_ref())?;
        Self::register(socket, true, Location::caller())
    }

    /// Creates a datagram socket without an address.
    ///
    /// # Errors
    ///
    /// Returns the error of the system.
    #[track_caller]
    pub fn unbound() -> io::Result<Self> {
        Self::register(socket::unbound_datagram()?, true, Location::caller())
    }

    /// Creates two connected datagram sockets.
    ///
    /// # Errors
    ///
    /// Returns the error of the system.
    ///
    /// # Examples
    ///
    /// ```
    /// use gort_net::Async;
    /// use std::os::unix::net::UnixDatagram;
    ///
    /// # futures_lite::future::block_on(async {
    /// let (one, other) = Async::<UnixDatagram>::pair()?;
    /// one.send(b"hello").await?;
    /// let mut buf = [0; 1024];
    /// assert_eq!(other.recv(&mut buf).await?, 5);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    #[track_caller]
    pub fn pair() -> io::Result<(Self, Self)> {
        let (one, other) = UnixDatagram::pair()?;
        Ok((Self::new(one)?, Self::new(other)?))
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
    pub fn recv_from<'a>(&'a self, buf: &'a mut [u8]) -> Call<'a, UnixDatagram, RecvFrom<'a>> {
        Call::new(self, RecvFrom(buf))
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
    ) -> Call<'a, UnixDatagram, SendTo<'a, PathBuf>> {
        Call::new(self, SendTo(buf, path.as_ref().to_path_buf()))
    }

    /// Receives one datagram from the connected address.
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
    pub fn recv<'a>(&'a self, buf: &'a mut [u8]) -> Call<'a, UnixDatagram, Recv<'a>> {
        Call::new(self, Recv(buf))
    }

    /// Sends one datagram to the connected address, and returns its length.
    ///
    /// # Errors
    ///
    /// Returns the error of the system, `NotConnected` among them.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it has ended, nothing was sent.
    #[track_caller]
    pub fn send<'a>(&'a self, buf: &'a [u8]) -> Call<'a, UnixDatagram, Send<'a>> {
        Call::new(self, Send(buf))
    }
}

impl TryFrom<UnixListener> for Async<UnixListener> {
    type Error = io::Error;

    #[track_caller]
    fn try_from(listener: UnixListener) -> io::Result<Self> {
        Self::new(listener)
    }
}

impl TryFrom<UnixStream> for Async<UnixStream> {
    type Error = io::Error;

    #[track_caller]
    fn try_from(stream: UnixStream) -> io::Result<Self> {
        Self::new(stream)
    }
}

impl TryFrom<UnixDatagram> for Async<UnixDatagram> {
    type Error = io::Error;

    #[track_caller]
    fn try_from(socket: UnixDatagram) -> io::Result<Self> {
        Self::new(socket)
    }
}
