//! UDP: [`UdpSocket`], with the interface of async-net.

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket as Socket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use crate::addr::{AsyncToSocketAddrs, EachAddr, no_addresses};
use crate::async_fd::{self, Async, Call, Peek, PeekFrom, Recv, RecvFrom, Send};
use crate::handle::handle;
use crate::socket;

/// A UDP socket.
///
/// It sends to any address and receives from all, or, once it is [connected](Self::connect), to and from one.
///
/// A clone is another handle to the same socket, which is closed with the last handle. Any number of tasks may use one socket at once; each
/// datagram goes to one of them.
///
/// # Examples
///
/// ```
/// use gort_net::UdpSocket;
///
/// # futures_lite::future::block_on(async {
/// let server = UdpSocket::bind("127.0.0.1:0").await?;
/// let client = UdpSocket::bind("127.0.0.1:0").await?;
/// client.send_to(b"hello", server.local_addr()?).await?;
///
/// let mut buf = [0; 1024];
/// let (n, from) = server.recv_from(&mut buf).await?;
/// server.send_to(&buf[..n], from).await?;
/// assert_eq!(client.recv(&mut buf).await?, 5);
/// # std::io::Result::Ok(()) }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct UdpSocket {
    io: Arc<Async<Socket>>,
}

handle!(UdpSocket, Socket);

impl UdpSocket {
    fn from_io(io: Arc<Async<Socket>>) -> Self {
        Self { io }
    }

    fn io(&self) -> &Arc<Async<Socket>> {
        &self.io
    }

    /// Creates a socket bound to the address, or to the first of several that works.
    ///
    /// Port 0 lets the system choose one; [`local_addr`](Self::local_addr) tells which.
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

    /// Connects to the address, or to the first of several that works: [`send`](Self::send) and [`recv`](Self::recv) then mean that address.
    ///
    /// Nothing is sent by this.
    ///
    /// # Errors
    ///
    /// Returns the error of the last address, of the name lookup, or `InvalidInput` if there is no address.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it has ended, the socket is not connected.
    ///
    /// # Examples
    ///
    /// ```
    /// use gort_net::UdpSocket;
    ///
    /// # futures_lite::future::block_on(async {
    /// let server = UdpSocket::bind("127.0.0.1:0").await?;
    /// let client = UdpSocket::bind("127.0.0.1:0").await?;
    /// client.connect(server.local_addr()?).await?;
    /// client.send(b"hello").await?;
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    #[track_caller]
    pub fn connect<A: AsyncToSocketAddrs>(&self, addr: A) -> Connect<'_> {
        Connect {
            socket: &self.io,
            addrs: EachAddr::new(&addr),
        }
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
    pub fn peek_from<'a>(&'a self, buf: &'a mut [u8]) -> Call<'a, Socket, PeekFrom<'a>> {
        self.io.peek_from(buf)
    }

    /// Sends one datagram to the address, or to the first of several, and returns its length.
    ///
    /// # Errors
    ///
    /// Returns the error of the system, of the name lookup, or `InvalidInput` if there is no address.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it has ended, nothing was sent.
    #[track_caller]
    pub fn send_to<'a, A: AsyncToSocketAddrs>(&'a self, buf: &'a [u8], addr: A) -> SendTo<'a> {
        SendTo {
            socket: &self.io,
            buf,
            addrs: EachAddr::new(&addr),
            sending: None,
        }
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

    /// Receives one datagram from the [connected](Self::connect) address and leaves it in the socket.
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
        self.io.peek(buf)
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

    /// Returns whether datagrams may be sent to a broadcast address (`SO_BROADCAST`).
    ///
    /// # Errors
    ///
    /// Returns the error of the system.
    pub fn broadcast(&self) -> io::Result<bool> {
        self.io.get_ref().broadcast()
    }

    /// Sets whether datagrams may be sent to a broadcast address (`SO_BROADCAST`).
    ///
    /// # Errors
    ///
    /// Returns the error of the system.
    pub fn set_broadcast(&self, broadcast: bool) -> io::Result<()> {
        self.io.get_ref().set_broadcast(broadcast)
    }

    /// Returns whether this host gets the multicast datagrams of this socket (`IP_MULTICAST_LOOP`).
    ///
    /// # Errors
    ///
    /// Returns the error of the system.
    pub fn multicast_loop_v4(&self) -> io::Result<bool> {
        self.io.get_ref().multicast_loop_v4()
    }

    /// Sets whether this host gets the multicast datagrams of this socket (`IP_MULTICAST_LOOP`).
    ///
    /// # Errors
    ///
    /// Returns the error of the system.
    pub fn set_multicast_loop_v4(&self, on: bool) -> io::Result<()> {
        self.io.get_ref().set_multicast_loop_v4(on)
    }

    /// Returns the time-to-live of multicast datagrams (`IP_MULTICAST_TTL`).
    ///
    /// # Errors
    ///
    /// Returns the error of the system.
    pub fn multicast_ttl_v4(&self) -> io::Result<u32> {
        self.io.get_ref().multicast_ttl_v4()
    }

    /// Sets the time-to-live of multicast datagrams (`IP_MULTICAST_TTL`).
    ///
    /// # Errors
    ///
    /// Returns the error of the system.
    pub fn set_multicast_ttl_v4(&self, ttl: u32) -> io::Result<()> {
        self.io.get_ref().set_multicast_ttl_v4(ttl)
    }

    /// Returns whether this host gets the IPv6 multicast datagrams of this socket (`IPV6_MULTICAST_LOOP`).
    ///
    /// # Errors
    ///
    /// Returns the error of the system.
    pub fn multicast_loop_v6(&self) -> io::Result<bool> {
        self.io.get_ref().multicast_loop_v6()
    }

    /// Sets whether this host gets the IPv6 multicast datagrams of this socket (`IPV6_MULTICAST_LOOP`).
    ///
    /// # Errors
    ///
    /// Returns the error of the system.
    pub fn set_multicast_loop_v6(&self, on: bool) -> io::Result<()> {
        self.io.get_ref().set_multicast_loop_v6(on)
    }

    /// Returns the time-to-live of the datagrams of this socket.
    ///
    /// # Errors
    ///
    /// Returns the error of the system.
    pub fn ttl(&self) -> io::Result<u32> {
        self.io.get_ref().ttl()
    }

    /// Sets the time-to-live of the datagrams of this socket.
    ///
    /// # Errors
    ///
    /// Returns the error of the system.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.io.get_ref().set_ttl(ttl)
    }

    /// Joins a multicast group on the interface with this address; `UNSPECIFIED` lets the system choose one.
    ///
    /// # Errors
    ///
    /// Returns the error of the system.
    pub fn join_multicast_v4(&self, group: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        self.io.get_ref().join_multicast_v4(&group, &interface)
    }

    /// Leaves a multicast group on the interface with this address.
    ///
    /// # Errors
    ///
    /// Returns the error of the system.
    pub fn leave_multicast_v4(&self, group: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        self.io.get_ref().leave_multicast_v4(&group, &interface)
    }

    /// Joins an IPv6 multicast group on the interface with this index; 0 lets the system choose one.
    ///
    /// # Errors
    ///
    /// Returns the error of the system.
    pub fn join_multicast_v6(&self, group: &Ipv6Addr, interface: u32) -> io::Result<()> {
        self.io.get_ref().join_multicast_v6(group, interface)
    }

    /// Leaves an IPv6 multicast group on the interface with this index.
    ///
    /// # Errors
    ///
    /// Returns the error of the system.
    pub fn leave_multicast_v6(&self, group: &Ipv6Addr, interface: u32) -> io::Result<()> {
        self.io.get_ref().leave_multicast_v6(group, interface)
    }
}

/// Future of [`UdpSocket::bind`].
#[derive(Debug)]
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct Bind(EachAddr);

impl Future for Bind {
    type Output = io::Result<UdpSocket>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let location = self.0.location();
        let bound = self.0.poll_until(cx, |addr| {
            Async::register(socket::bind_udp(addr)?, true, location)
        });
        bound.map_ok(UdpSocket::from)
    }
}

/// Future of [`UdpSocket::connect`].
#[derive(Debug)]
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct Connect<'a> {
    socket: &'a Async<Socket>,
    addrs: EachAddr,
}

impl Future for Connect<'_> {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let socket = self.socket.get_ref();
        self.addrs.poll_until(cx, |addr| socket.connect(addr))
    }
}

/// Future of [`UdpSocket::send_to`].
#[derive(Debug)]
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct SendTo<'a> {
    socket: &'a Async<Socket>,
    buf: &'a [u8],
    addrs: EachAddr,
    /// None until the address is known.
    sending: Option<Call<'a, Socket, async_fd::SendTo<'a, SocketAddr>>>,
}

impl Future for SendTo<'_> {
    type Output = io::Result<usize>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let sending = match &mut this.sending {
            Some(sending) => sending,
            none => {
                let addr = ready!(this.addrs.poll_addrs(cx))?.next();
                let send = async_fd::SendTo(this.buf, addr.ok_or_else(no_addresses)?);
                none.insert(Call::at(this.socket, send, this.addrs.location()))
            }
        };
        Pin::new(sending).poll(cx)
    }
}
