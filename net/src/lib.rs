//! The reactor of gort, and sockets on it, for any executor.
//!
//! [`TcpListener`], [`TcpStream`], [`UdpSocket`], [Unix sockets](unix), and [`Async`] for every other descriptor, on one epoll, kqueue or event port for the
//! whole process. The crate knows no scheduler: everything wakes through [`std::task::Waker`], so its futures run under any
//! executor, on any thread. There is no reactor to start, and none to forget.
//!
//! ```
//! use futures_lite::{AsyncReadExt, AsyncWriteExt, future};
//! use gort_net::{TcpListener, TcpStream};
//!
//! # fn main() -> std::io::Result<()> {
//! future::block_on(async {
//!     let listener = TcpListener::bind("127.0.0.1:0").await?;
//!     let mut client = TcpStream::connect(listener.local_addr()?).await?;
//!     let (mut server, _peer) = listener.accept().await?;
//!
//!     client.write_all(b"ping").await?;
//!     let mut word = [0; 4];
//!     server.read_exact(&mut word).await?;
//!     assert_eq!(&word, b"ping");
//!     Ok(())
//! })
//! # }
//! ```
//!
//! # Who waits in the kernel
//!
//! Whoever has nothing else to do. A scheduler takes [`Reactor::try_driver`] when one of its threads is about to park, and calls the
//! wakers that [`Driver::wait`] collected. Where no scheduler does that, a thread named `gort-net` does; see
//! [`Reactor::adopt`] and [`Reactor::enter_driver`] for how to keep it out of the way.
//!
//! # System calls
//!
//! A descriptor is registered once, edge-triggered, for both directions. An echo costs one `recv` and one `send` for each
//! message, whatever the number of waits in between.
//!
//! # Platforms
//!
//! Tested on Linux on x86-64; compiled for macOS and FreeBSD, where it has not been run. On systems that are no Unix the crate is empty for now.
#![cfg(unix)]

mod addr;
pub mod async_fd;
mod duplex;
mod handle;
mod hook;
mod reactor;
mod socket;
mod source;
pub mod tcp;
pub mod udp;
pub mod unix;

pub use addr::{AsyncToSocketAddrs, BlockingHook, Resolve, resolve, set_blocking_hook};
pub use async_fd::{Async, IoSafe, Readable, ReadableOwned, Writable, WritableOwned};
pub use hook::{WaitHook, WaitKind, YieldHook, set_wait_hook, set_yield_hook};
pub use reactor::{Driver, DriverIntent, Reactor};
pub use tcp::{Incoming, TcpListener, TcpStream};
pub use udp::UdpSocket;
