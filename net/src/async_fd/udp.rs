//! UDP on [`Async`].

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::panic::Location;

use super::Async;
use super::call::{Call, Peek, PeekFrom, Recv, RecvFrom, Send, SendTo};
use crate::socket;

impl Async<UdpSocket> {
    /// Creates a UDP socket bound to the address.
    ///
    /// Port 0 lets the system choose one.
    ///
    /// # Errors
    ///
    /// Returns the error of the system, for instance `AddrInUse`.
    ///
    /// # Examples
    ///
    /// ```
    /// use gort_net::Async;
    /// use std::net::UdpSocket;
    ///
    /// # futures_lite::future::block_on(async {
    /// let one = Async::<UdpSocket>::bind(([127, 0, 0, 1], 0))?;
    /// let other = Async::<UdpSocket>::bind(([127, 0, 0, 1], 0))?;
    /// one.send_to(b"hello", other.get_ref().local_addr()?).await?;
    ///
    /// let mut buf = [0; 1024];
    /// let (n, from) = other.recv_from(&mut buf).await?;
    /// assert_eq!(&buf[..n], b"hello");
    /// assert_eq!(from, one.get_ref().local_addr()?);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    #[track_caller]
    pub fn bind<A: Into<SocketAddr>>(addr: A) -> io::Result<Self> {
        Self::register(socket::bind_udp(addr.into())?, true, Location::caller())
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
    pub fn recv_from<'a>(&'a self, buf: &'a mut [u8]) -> Call<'a, UdpSocket, RecvFrom<'a>> {
        Call::new(self, RecvFrom(buf))
    }

    /// Receives one datagram, leaves it in the socket, and tells who sent it.
    ///
    /// # Errors
    ///
    /// Returns the error of the system.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    #[track_caller]
    pub fn peek_from<'a>(&'a self, buf: &'a mut [u8]) -> Call<'a, UdpSocket, PeekFrom<'a>> {
        Call::new(self, PeekFrom(buf))
    }

    /// Sends one datagram to the address, and returns its length.
    ///
    /// # Errors
    ///
    /// Returns the error of the system.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it has ended, nothing was sent.
    #[track_caller]
    pub fn send_to<'a, A: Into<SocketAddr>>(
        &'a self,
        buf: &'a [u8],
        addr: A,
    ) -> Call<'a, UdpSocket, SendTo<'a, SocketAddr>> {
        Call::new(self, SendTo(buf, addr.into()))
    }

    /// Receives one datagram from the [connected](UdpSocket::connect) address.
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
    pub fn recv<'a>(&'a self, buf: &'a mut [u8]) -> Call<'a, UdpSocket, Recv<'a>> {
        Call::new(self, Recv(buf))
    }

    /// Receives one datagram from the [connected](UdpSocket::connect) address and leaves it in the socket.
    ///
    /// # Errors
    ///
    /// Returns the error of the system.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    #[track_caller]
    pub fn peek<'a>(&'a self, buf: &'a mut [u8]) -> Call<'a, UdpSocket, Peek<'a>> {
        Call::new(self, Peek(buf))
    }

    /// Sends one datagram to the [connected](UdpSocket::connect) address, and returns its length.
    ///
    /// # Errors
    ///
    /// Returns the error of the system, `NotConnected` among them.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it has ended, nothing was sent.
    #[track_caller]
    pub fn send<'a>(&'a self, buf: &'a [u8]) -> Call<'a, UdpSocket, Send<'a>> {
        Call::new(self, Send(buf))
    }
}

impl TryFrom<UdpSocket> for Async<UdpSocket> {
    type Error = io::Error;

    #[track_caller]
    fn try_from(socket: UdpSocket) -> io::Result<Self> {
        Self::new(socket)
    }
}
