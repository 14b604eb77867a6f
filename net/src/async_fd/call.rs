//! One call on a socket, as a future: receive, peek, send.

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::unix::net::{SocketAddr as UnixSocketAddr, UnixDatagram};
use std::panic::Location;
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};

use socket2::SockRef;

use super::Async;
use super::waiting::Waiting;
use crate::hook::{Site, WaitKind};
use crate::socket;
use crate::source::readiness::Direction;

/// Future of an operation `O` on a socket `S`.
#[derive(Debug)]
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct Call<'a, S, O> {
    waiting: Waiting<&'a Async<S>>,
    operation: O,
}

/// What a [`Call`] does. Sealed by being out of reach.
pub trait Operation<S> {
    #[doc(hidden)]
    type Output;

    /// The side that decides whether the call would block.
    #[doc(hidden)]
    const WAITS_FOR: WaitsFor;

    #[doc(hidden)]
    fn call(&mut self, socket: &S) -> io::Result<Self::Output>;
}

/// What ends the wait of an operation that would block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitsFor {
    /// Something to receive.
    Input,
    /// Room in the socket.
    Room,
    /// Room at the other end, of which the socket itself may know nothing: no event need come, and what `poll(2)` says has to be believed.
    RoomElsewhere,
}

impl<'a, S, O: Operation<S>> Call<'a, S, O> {
    #[track_caller]
    pub(super) fn new(io: &'a Async<S>, operation: O) -> Self {
        Self::at(io, operation, Location::caller())
    }

    pub(crate) fn at(io: &'a Async<S>, operation: O, location: &'static Location<'static>) -> Self {
        let (direction, kind) = match O::WAITS_FOR {
            WaitsFor::Input => (Direction::Read, WaitKind::IoRead),
            WaitsFor::Room | WaitsFor::RoomElsewhere => (Direction::Write, WaitKind::IoWrite),
        };
        Self {
            waiting: Waiting::at(io, direction, Site { kind, location }),
            operation,
        }
    }
}

// An operation is buffers and addresses, never pinned.
impl<S, O> Unpin for Call<'_, S, O> {}

impl<S, O: Operation<S>> Future for Call<'_, S, O> {
    type Output = io::Result<O::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { waiting, operation } = &mut *self;
        match O::WAITS_FOR {
            WaitsFor::Input | WaitsFor::Room => {
                waiting.poll_call(cx, |io, _| operation.call(io.get_ref()))
            }
            WaitsFor::RoomElsewhere => waiting.poll_actual(cx, |io| operation.call(io.get_ref())),
        }
    }
}

/// Operation that receives bytes, or one datagram.
#[derive(Debug)]
pub struct Recv<'a>(pub(super) &'a mut [u8]);

/// Operation that receives one datagram and its sender's address.
#[derive(Debug)]
pub struct RecvFrom<'a>(pub(super) &'a mut [u8]);

/// Operation that receives, and leaves what it received in the socket.
#[derive(Debug)]
pub struct Peek<'a>(pub(super) &'a mut [u8]);

/// Operation that receives one datagram and its sender's address, and leaves it in the socket.
#[derive(Debug)]
pub struct PeekFrom<'a>(pub(super) &'a mut [u8]);

/// Operation that sends one datagram.
#[derive(Debug)]
pub struct Send<'a>(pub(super) &'a [u8]);

/// Operation that sends one datagram to an address.
#[derive(Debug)]
pub struct SendTo<'a, A>(pub(crate) &'a [u8], pub(crate) A);

impl Operation<TcpStream> for Peek<'_> {
    type Output = usize;
    const WAITS_FOR: WaitsFor = WaitsFor::Input;

    fn call(&mut self, socket: &TcpStream) -> io::Result<usize> {
        socket.peek(self.0)
    }
}

impl Operation<UdpSocket> for Recv<'_> {
    type Output = usize;
    const WAITS_FOR: WaitsFor = WaitsFor::Input;

    fn call(&mut self, socket: &UdpSocket) -> io::Result<usize> {
        socket.recv(self.0)
    }
}

impl Operation<UdpSocket> for RecvFrom<'_> {
    type Output = (usize, SocketAddr);
    const WAITS_FOR: WaitsFor = WaitsFor::Input;

    fn call(&mut self, socket: &UdpSocket) -> io::Result<(usize, SocketAddr)> {
        socket.recv_from(self.0)
    }
}

impl Operation<UdpSocket> for Peek<'_> {
    type Output = usize;
    const WAITS_FOR: WaitsFor = WaitsFor::Input;

    fn call(&mut self, socket: &UdpSocket) -> io::Result<usize> {
        socket.peek(self.0)
    }
}

impl Operation<UdpSocket> for PeekFrom<'_> {
    type Output = (usize, SocketAddr);
    const WAITS_FOR: WaitsFor = WaitsFor::Input;

    fn call(&mut self, socket: &UdpSocket) -> io::Result<(usize, SocketAddr)> {
        socket.peek_from(self.0)
    }
}

impl Operation<UdpSocket> for Send<'_> {
    type Output = usize;
    const WAITS_FOR: WaitsFor = WaitsFor::Room;

    fn call(&mut self, socket: &UdpSocket) -> io::Result<usize> {
        socket.send(self.0)
    }
}

impl Operation<UdpSocket> for SendTo<'_, SocketAddr> {
    type Output = usize;
    const WAITS_FOR: WaitsFor = WaitsFor::Room;

    fn call(&mut self, socket: &UdpSocket) -> io::Result<usize> {
        socket.send_to(self.0, self.1)
    }
}

impl Operation<UnixDatagram> for Recv<'_> {
    type Output = usize;
    const WAITS_FOR: WaitsFor = WaitsFor::Input;

    fn call(&mut self, socket: &UnixDatagram) -> io::Result<usize> {
        socket.recv(self.0)
    }
}

impl Operation<UnixDatagram> for RecvFrom<'_> {
    type Output = (usize, UnixSocketAddr);
    const WAITS_FOR: WaitsFor = WaitsFor::Input;

    fn call(&mut self, socket: &UnixDatagram) -> io::Result<(usize, UnixSocketAddr)> {
        socket.recv_from(self.0)
    }
}

impl Operation<UnixDatagram> for Send<'_> {
    type Output = usize;
    const WAITS_FOR: WaitsFor = WaitsFor::RoomElsewhere;

    fn call(&mut self, socket: &UnixDatagram) -> io::Result<usize> {
        socket.send(self.0)
    }
}

impl Operation<UnixDatagram> for SendTo<'_, PathBuf> {
    type Output = usize;
    const WAITS_FOR: WaitsFor = WaitsFor::RoomElsewhere;

    fn call(&mut self, socket: &UnixDatagram) -> io::Result<usize> {
        let addr = socket::unix_address(&self.1)?;
        SockRef::from(socket).send_to(self.0, &addr)
    }
}
