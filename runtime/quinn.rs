//! quinn 0.11 on gort: the [`Runtime`] on which its endpoints run. Feature `quinn`.
//!
//! quinn picks a runtime by itself only among those it knows (`quinn::Endpoint::{client, server}`); [`Endpoint::new`] is given one. Its drivers, one
//! for the endpoint and one for each connection, are goroutines then. Datagrams go in batches where the system can (GSO, GRO, `recvmmsg`), by
//! quinn's own quinn-udp.
//!
//! Rejected: quinn's feature `runtime-smol` on the patched async-io. It works, but its socket asks the kernel before each batch whether there is one.
//!
//! # Examples
//!
//! A server's endpoint:
//!
//! ```
//! use std::io;
//! use std::net::UdpSocket;
//! use std::sync::Arc;
//!
//! use gort::quinn::GortRuntime;
//! use quinn::{Endpoint, EndpointConfig, ServerConfig};
//!
//! fn listen(config: EndpointConfig, server: ServerConfig) -> io::Result<Endpoint> {
//!     let socket = UdpSocket::bind("[::]:4433")?;
//!     Endpoint::new(config, Some(server), socket, Arc::new(GortRuntime::new()))
//! }
//! ```
//!
//! [`Endpoint::new`]: quinn::Endpoint::new

use std::future::Future;
use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use quinn::udp::{RecvMeta, Transmit, UdpSocketState};
use quinn::{AsyncTimer, AsyncUdpSocket, Runtime, UdpPoller};

use crate::time;
use gort_net::{Async, WritableOwned};

/// gort as the runtime of quinn's endpoints.
///
/// What drives an endpoint is a goroutine of the runtime that made it, and so is what drives a connection: as with [`gort::go`](crate::go), that is the
/// current runtime, or the default one.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct GortRuntime {}

impl GortRuntime {
    /// Creates the runtime, which is only a name.
    #[must_use]
    pub fn new() -> Self {
        Self {}
    }
}

impl Runtime for GortRuntime {
    #[track_caller]
    fn new_timer(&self, deadline: Instant) -> Pin<Box<dyn AsyncTimer>> {
        Box::pin(Timer(time::sleep_until(deadline)))
    }

    #[track_caller]
    fn spawn(&self, future: Pin<Box<dyn Future<Output = ()> + Send>>) {
        crate::go(future);
    }

    #[track_caller]
    fn wrap_udp_socket(&self, socket: UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        let state = UdpSocketState::new((&socket).into())?;
        let io = Arc::new(Async::new(socket)?);
        Ok(Arc::new(Socket { io, state }))
    }
}

#[derive(Debug)]
struct Timer(time::Sleep);

impl AsyncTimer for Timer {
    fn reset(mut self: Pin<&mut Self>, deadline: Instant) {
        self.0.reset(deadline);
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(cx)
    }
}

#[derive(Debug)]
struct Socket {
    io: Arc<Async<UdpSocket>>,
    state: UdpSocketState,
}

impl AsyncUdpSocket for Socket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(Room {
            io: Arc::clone(&self.io),
            wait: None,
        })
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        self.state.send(self.io.get_ref().into(), transmit)
    }

    /// Tries first: a socket that is busy is asked for nothing but datagrams.
    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        // An error other than `WouldBlock` is of one datagram (that one could not be delivered, say), and would end the endpoint.
        if let Ok(received) = self.state.recv(self.io.get_ref().into(), bufs, meta) {
            return Poll::Ready(Ok(received));
        }
        ready!(self.io.poll_readable(cx))?;
        // Something came since, or the next error. Other goroutines come first.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.get_ref().local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        self.state.max_gso_segments()
    }

    fn max_receive_segments(&self) -> usize {
        self.state.gro_segments()
    }

    fn may_fragment(&self) -> bool {
        self.state.may_fragment()
    }
}

/// Waits for room in the socket. Each connection has one, with a waker of its own.
#[derive(Debug)]
struct Room {
    io: Arc<Async<UdpSocket>>,
    wait: Option<WritableOwned<UdpSocket>>,
}

impl UdpPoller for Room {
    fn poll_writable(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { io, wait } = &mut *self;
        let waiting = wait.get_or_insert_with(|| Arc::clone(io).writable_owned());
        let outcome = ready!(Pin::new(waiting).poll(cx));
        *wait = None;
        Poll::Ready(outcome)
    }
}
