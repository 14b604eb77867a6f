//! What a server accepts connections from.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::os::unix;

use hyper::rt::{Read, Write};

use crate::hyper::GortIo;
use crate::net::unix::{UnixListener, UnixStream};
use crate::net::{TcpListener, TcpStream};

/// What [`serve`](super::serve) accepts connections from: gort's listeners, or anything that makes streams for hyper.
///
/// # Examples
///
/// A listener that keeps strangers out:
///
/// ```
/// use std::io;
/// use std::net::SocketAddr;
///
/// use gort::hyper::GortIo;
/// use gort::net::{TcpListener, TcpStream};
/// use gort::serve::Listener;
///
/// struct Local(TcpListener);
///
/// impl Listener for Local {
///     type Io = GortIo<TcpStream>;
///     type Addr = SocketAddr;
///
///     async fn accept(&mut self) -> io::Result<(Self::Io, Self::Addr)> {
///         loop {
///             let (stream, peer) = self.0.accept().await?;
///             if peer.ip().is_loopback() {
///                 return Ok((GortIo::new(stream), peer));
///             }
///         }
///     }
/// }
/// ```
pub trait Listener: Send + 'static {
    /// A connection. [`GortIo`] makes one of a socket, [`FuturesIo`](crate::hyper::FuturesIo) of a TLS stream and the like.
    type Io: Read + Write + Unpin + Send + 'static;
    /// Tells the other end of one; [`Peer`](super::Peer) hands it to the service.
    type Addr: Clone + Send + Sync + 'static;

    /// Accepts a connection.
    ///
    /// While this waits, nobody else is accepted: what the peer has to do first, a TLS handshake say, is for the goroutine of the connection, in the
    /// first reads and writes of its [`Io`](Self::Io).
    ///
    /// # Errors
    ///
    /// Those after which it may work again, and those that [end the server](super::serve#errors).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future must lose no connection; the server does that once, when it is told to stop.
    fn accept(&mut self) -> impl Future<Output = io::Result<(Self::Io, Self::Addr)>> + Send;
}

impl Listener for TcpListener {
    type Io = GortIo<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> io::Result<(Self::Io, Self::Addr)> {
        let (stream, peer) = Self::accept(self).await?;
        // hyper hands over whole answers: nothing more is about to come that a packet could wait for. A socket that does not take the
        // option works without.
        let _ = stream.set_nodelay(true);
        Ok((GortIo::new(stream), peer))
    }
}

impl Listener for UnixListener {
    type Io = GortIo<UnixStream>;
    type Addr = unix::net::SocketAddr;

    async fn accept(&mut self) -> io::Result<(Self::Io, Self::Addr)> {
        let (stream, peer) = Self::accept(self).await?;
        Ok((GortIo::new(stream), peer))
    }
}
