//! The socket calls: each leaves a descriptor that is non-blocking and closes on exec, in one system call where the platform can.
//!
//! What the futures need to know of a type of socket stands in a trait here. The traits are public because the futures are, and
//! sealed because this module is not.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr as UnixSocketAddr, UnixDatagram, UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};

#[cfg_attr(
    any(
        target_os = "linux",
        target_os = "android",
        target_os = "freebsd",
        target_os = "netbsd",
        target_os = "openbsd",
        target_os = "dragonfly",
        target_os = "illumos",
        target_os = "solaris"
    ),
    path = "socket/at_once.rs"
)]
#[cfg_attr(
    not(any(
        target_os = "linux",
        target_os = "android",
        target_os = "freebsd",
        target_os = "netbsd",
        target_os = "openbsd",
        target_os = "dragonfly",
        target_os = "illumos",
        target_os = "solaris"
    )),
    path = "socket/step_by_step.rs"
)]
mod platform;

/// How many connections the kernel keeps for a listener that is late (from tokio and mio: 1024; the system's own limit may be lower).
const BACKLOG: i32 = 1024;

/// A listener as std makes it (`SO_REUSEADDR`), but with a longer backlog.
pub(crate) fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = tcp_socket(addr)?;
    socket.set_reuse_address(true)?;
    socket.bind(&SockAddr::from(addr))?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// A path that begins with a NUL is a name of Linux's abstract namespace.
pub(crate) fn listen_unix(path: &Path) -> io::Result<UnixListener> {
    let socket = unix_socket(Type::STREAM)?;
    socket.bind(&unix_address(path)?)?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

pub(crate) fn bind_udp(addr: SocketAddr) -> io::Result<UdpSocket> {
    let domain = Domain::for_address(addr);
    let socket = platform::open(domain, Type::DGRAM, Some(Protocol::UDP))?;
    socket.bind(&SockAddr::from(addr))?;
    Ok(socket.into())
}

pub(crate) fn bind_datagram(path: &Path) -> io::Result<UnixDatagram> {
    let socket = unix_socket(Type::DGRAM)?;
    socket.bind(&unix_address(path)?)?;
    Ok(socket.into())
}

pub(crate) fn unbound_datagram() -> io::Result<UnixDatagram> {
    Ok(unix_socket(Type::DGRAM)?.into())
}

pub(crate) fn connect_datagram(socket: &UnixDatagram, path: &Path) -> io::Result<()> {
    SockRef::from(socket).connect(&unix_address(path)?)
}

fn tcp_socket(addr: SocketAddr) -> io::Result<Socket> {
    let domain = Domain::for_address(addr);
    platform::open(domain, Type::STREAM, Some(Protocol::TCP))
}

/// The address of a path, or on Linux, behind a NUL, a name of the abstract namespace.
pub(crate) fn unix_address(path: &Path) -> io::Result<SockAddr> {
    let bytes = path.as_os_str().as_bytes();
    let is_abstract = cfg!(any(target_os = "linux", target_os = "android"));
    // The kernel reads a path up to its first NUL: that would be a socket at another place.
    let cut_off = match bytes.first() {
        Some(0) if is_abstract => false,
        _ => bytes.contains(&0),
    };
    if cut_off {
        let text = "the path of a socket contains a NUL character";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    SockAddr::unix(path)
}

fn unix_socket(ty: Type) -> io::Result<Socket> {
    platform::open(Domain::UNIX, ty, None)
}

/// A kind of listener.
pub trait Listener: AsFd {
    #[doc(hidden)]
    type Stream: AsFd;
    #[doc(hidden)]
    type Addr;

    #[doc(hidden)]
    fn accept_nonblocking(&self) -> io::Result<(Self::Stream, Self::Addr)>;
}

impl Listener for TcpListener {
    type Stream = TcpStream;
    type Addr = SocketAddr;

    fn accept_nonblocking(&self) -> io::Result<(TcpStream, SocketAddr)> {
        unless_aborted(|| platform::accept(self))
    }
}

impl Listener for UnixListener {
    type Stream = UnixStream;
    type Addr = UnixSocketAddr;

    fn accept_nonblocking(&self) -> io::Result<(UnixStream, UnixSocketAddr)> {
        unless_aborted(|| platform::accept_unix(self))
    }
}

/// A connection that its peer gave up before we came is not worth an error: the next one is taken.
fn unless_aborted<R>(mut accept: impl FnMut() -> io::Result<R>) -> io::Result<R> {
    loop {
        match accept() {
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            outcome => return outcome,
        }
    }
}

/// A kind of stream socket.
pub trait Connected: AsFd {
    #[doc(hidden)]
    type Target;

    /// Whether a transfer of fewer bytes than asked for proves that the next one would block; see
    /// [`Attempt::transferred`](crate::source::Attempt::transferred).
    #[doc(hidden)]
    const SHORT_PROVES: bool;

    /// Starts a connection, and returns whether it stands already. If not, its outcome is known when the socket becomes writable.
    #[doc(hidden)]
    fn start_connect(target: &Self::Target) -> io::Result<(Self, bool)>
    where
        Self: Sized;
}

impl Connected for TcpStream {
    type Target = SocketAddr;
    const SHORT_PROVES: bool = true;

    fn start_connect(addr: &SocketAddr) -> io::Result<(Self, bool)> {
        let socket = tcp_socket(*addr)?;
        let stands = start(&socket, &SockAddr::from(*addr))?;
        Ok((socket.into(), stands))
    }
}

impl Connected for UnixStream {
    type Target = PathBuf;
    // The kernel also ends a read where the sender of the bytes changes, and after bytes that a descriptor came with.
    const SHORT_PROVES: bool = false;

    fn start_connect(path: &PathBuf) -> io::Result<(Self, bool)> {
        let socket = unix_socket(Type::STREAM)?;
        let stands = start(&socket, &unix_address(path)?)?;
        Ok((socket.into(), stands))
    }
}

fn start(socket: &Socket, addr: &SockAddr) -> io::Result<bool> {
    match socket.connect(addr) {
        Ok(()) => Ok(true),
        Err(error) if is_in_progress(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

/// `WouldBlock` is not among them: with that the backlog of a Unix listener is full, and nothing goes on in the background.
fn is_in_progress(error: &io::Error) -> bool {
    // An interrupted connect goes on: it must not be made again.
    error.raw_os_error() == Some(rustix::io::Errno::INPROGRESS.raw_os_error())
        || error.kind() == io::ErrorKind::Interrupted
}

/// What became of a connection: `WouldBlock` while it is not known.
pub(crate) fn connect_outcome(stream: &impl AsFd) -> io::Result<()> {
    let stream = SockRef::from(stream);
    if let Some(error) = stream.take_error()? {
        return Err(error);
    }
    match stream.peer_addr() {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotConnected => {
            Err(io::ErrorKind::WouldBlock.into())
        }
        Err(error) => Err(error),
    }
}
