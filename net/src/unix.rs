//! Unix sockets: [`UnixListener`], [`UnixStream`] and [`UnixDatagram`], with the interface of async-net.
//!
//! On Linux a path that begins with a NUL is a name of the abstract namespace, which has no file.

pub use datagram::UnixDatagram;
pub use listener::{Accept, Incoming, UnixListener};
pub use stream::{Connect, UnixStream};

#[doc(no_inline)]
pub use std::os::unix::net::SocketAddr;

mod datagram;
mod listener;
mod stream;
