//! TCP on [`Async`].

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::panic::Location;

use super::call::{Call, Peek};
use super::{Accept, Async, Connect, Incoming};
use crate::socket;

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
    pub fn accept(&self) -> Accept<'_, TcpListener> {
        Accept::new(self)
    }

    /// Returns the endless stream of incoming connections.
    #[track_caller]
    pub fn incoming(&self) -> Incoming<'_, TcpListener> {
        Incoming::new(self)
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
    pub fn connect<A: Into<SocketAddr>>(addr: A) -> Connect<TcpStream> {
        Connect::new(addr.into())
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
    pub fn peek<'a>(&'a self, buf: &'a mut [u8]) -> Call<'a, TcpStream, Peek<'a>> {
        Call::new(self, Peek(buf))
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
