//! [`UnixListener`].

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::{SocketAddr, UnixListener as Socket};
use std::path::Path;
use std::sync::Arc;

use super::UnixStream;
use crate::async_fd::{self, Async};
use crate::handle::handle;

/// A Unix server, listening for connections.
///
/// A clone is another handle to the same socket, which is closed with the last handle. Its file stays.
///
/// Any number of tasks may accept from one listener; each connection goes to one of them.
///
/// # Examples
///
/// ```no_run
/// use futures_lite::StreamExt;
/// use gort_net::unix::UnixListener;
///
/// # futures_lite::future::block_on(async {
/// let listener = UnixListener::bind("/tmp/socket")?;
/// let mut incoming = listener.incoming();
/// while let Some(stream) = incoming.next().await {
///     println!("{:?}", stream?.peer_addr()?);
/// }
/// # std::io::Result::Ok(()) });
/// ```
#[derive(Clone, Debug)]
pub struct UnixListener {
    io: Arc<Async<Socket>>,
}

handle!(UnixListener, Socket);

impl UnixListener {
    fn from_io(io: Arc<Async<Socket>>) -> Self {
        Self { io }
    }

    fn io(&self) -> &Arc<Async<Socket>> {
        &self.io
    }

    /// Creates a listener bound to the path, with a backlog of 1024.
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

    /// Accepts a connection; returns the stream and the address of its peer, which mostly has none.
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
}

/// Future of [`UnixListener::accept`].
pub type Accept<'a> = async_fd::Accept<'a, Socket, UnixStream>;

/// Stream of [`UnixListener::incoming`]. It never ends.
pub type Incoming<'a> = async_fd::Incoming<'a, Socket, UnixStream>;
