//! Sockets on the reactor of the process. They work on every thread and with every executor.
//!
//! The interface is async-net's. Host names are looked up by the threads of [`unblock`](crate::unblock).
//!
//! # Examples
//!
//! ```
//! use gort::net::UdpSocket;
//!
//! gort::block_on(async {
//!     let server = UdpSocket::bind("127.0.0.1:0").await?;
//!     let client = UdpSocket::bind("127.0.0.1:0").await?;
//!     client.send_to(b"hello", server.local_addr()?).await?;
//!
//!     let mut buf = [0; 1024];
//!     let (n, _from) = server.recv_from(&mut buf).await?;
//!     assert_eq!(&buf[..n], b"hello");
//!     std::io::Result::Ok(())
//! })?;
//! # Ok::<(), std::io::Error>(())
//! ```

pub use gort_net::{
    AsyncToSocketAddrs, Incoming, Resolve, TcpListener, TcpStream, UdpSocket, resolve, unix,
};
#[doc(no_inline)]
pub use std::net::{
    AddrParseError, IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, SocketAddrV4, SocketAddrV6,
};
