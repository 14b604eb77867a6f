//! Platforms that take the flags in the call that makes the descriptor.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::{SocketAddr as UnixSocketAddr, UnixListener, UnixStream};

use rustix::io::Errno;
use rustix::net::{SocketFlags, accept_with, acceptfrom_with};
use socket2::{Domain, Protocol, Socket, Type};

const FLAGS: SocketFlags = SocketFlags::NONBLOCK.union(SocketFlags::CLOEXEC);

pub(super) fn open(domain: Domain, ty: Type, protocol: Option<Protocol>) -> io::Result<Socket> {
    Socket::new_raw(domain, ty.nonblocking().cloexec(), protocol)
}

pub(super) fn accept(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    let (fd, peer) = acceptfrom_with(listener, FLAGS)?;
    let peer = peer.ok_or(Errno::AFNOSUPPORT)?;
    Ok((fd.into(), SocketAddr::try_from(peer)?))
}

/// The address comes from a call of its own: what the kernel stores need not end in the NUL on which rustix insists.
pub(super) fn accept_unix(listener: &UnixListener) -> io::Result<(UnixStream, UnixSocketAddr)> {
    let stream = UnixStream::from(accept_with(listener, FLAGS)?);
    let peer = stream.peer_addr()?;
    Ok((stream, peer))
}
