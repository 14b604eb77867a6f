//! Addresses that need no name resolution.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::vec;

/// Types that name one or more socket addresses without asking anybody.
///
/// Implemented for socket addresses, slices of them, pairs of an IP address and a port, strings like `"127.0.0.1:80"` or
/// `"[::1]:80"`, and references to all of these. A *host name* is an [`InvalidInput`](io::ErrorKind::InvalidInput) error: resolving one blocks,
/// so it is done elsewhere, for instance with [`std::net::ToSocketAddrs`] on a thread that may block.
///
/// The trait is sealed.
///
/// # Examples
///
/// ```
/// use gort_net::TcpListener;
///
/// # futures_lite::future::block_on(async {
/// let by_text = TcpListener::bind("127.0.0.1:0").await?;
/// let by_pair = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await?;
/// let error = TcpListener::bind("localhost:0").await.unwrap_err();
/// assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
/// # std::io::Result::Ok(()) }).unwrap();
/// ```
pub trait ToSocketAddrs: Sealed {}

impl<T: Sealed + ?Sized> ToSocketAddrs for T {}

/// The contents of [`ToSocketAddrs`], out of reach.
pub trait Sealed {
    #[doc(hidden)]
    fn addrs(&self) -> io::Result<Addrs>;
}

/// The addresses, in the order in which to try them.
#[derive(Clone, Debug)]
#[doc(hidden)]
pub struct Addrs(Inner);

#[derive(Clone, Debug)]
enum Inner {
    One(Option<SocketAddr>),
    Many(vec::IntoIter<SocketAddr>),
}

impl Addrs {
    fn one(addr: SocketAddr) -> io::Result<Self> {
        Ok(Self(Inner::One(Some(addr))))
    }
}

impl Iterator for Addrs {
    type Item = SocketAddr;

    fn next(&mut self) -> Option<SocketAddr> {
        match &mut self.0 {
            Inner::One(addr) => addr.take(),
            Inner::Many(addrs) => addrs.next(),
        }
    }
}

/// The error of an empty list of addresses.
pub(crate) fn no_addresses() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "no socket addresses given")
}

impl Sealed for SocketAddr {
    fn addrs(&self) -> io::Result<Addrs> {
        Addrs::one(*self)
    }
}

impl Sealed for SocketAddrV4 {
    fn addrs(&self) -> io::Result<Addrs> {
        Addrs::one((*self).into())
    }
}

impl Sealed for SocketAddrV6 {
    fn addrs(&self) -> io::Result<Addrs> {
        Addrs::one((*self).into())
    }
}

impl Sealed for (IpAddr, u16) {
    fn addrs(&self) -> io::Result<Addrs> {
        Addrs::one((*self).into())
    }
}

impl Sealed for (Ipv4Addr, u16) {
    fn addrs(&self) -> io::Result<Addrs> {
        Addrs::one((*self).into())
    }
}

impl Sealed for (Ipv6Addr, u16) {
    fn addrs(&self) -> io::Result<Addrs> {
        Addrs::one((*self).into())
    }
}

impl Sealed for (&str, u16) {
    fn addrs(&self) -> io::Result<Addrs> {
        let (host, port) = *self;
        match host.parse::<IpAddr>() {
            Ok(ip) => Addrs::one((ip, port).into()),
            Err(_) => Err(not_an_address(host)),
        }
    }
}

impl Sealed for (String, u16) {
    fn addrs(&self) -> io::Result<Addrs> {
        (self.0.as_str(), self.1).addrs()
    }
}

impl Sealed for str {
    fn addrs(&self) -> io::Result<Addrs> {
        match self.parse() {
            Ok(addr) => Addrs::one(addr),
            Err(_) => Err(not_an_address(self)),
        }
    }
}

impl Sealed for String {
    fn addrs(&self) -> io::Result<Addrs> {
        self.as_str().addrs()
    }
}

impl Sealed for [SocketAddr] {
    fn addrs(&self) -> io::Result<Addrs> {
        Ok(Addrs(Inner::Many(Vec::from(self).into_iter())))
    }
}

impl<T: Sealed + ?Sized> Sealed for &T {
    fn addrs(&self) -> io::Result<Addrs> {
        (**self).addrs()
    }
}

fn not_an_address(text: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        format!("`{text}` is not an IP address with a port; resolve a host name first"),
    )
}

#[cfg(all(test, not(gort_loom)))]
mod tests {
    use super::*;

    fn list(addrs: impl ToSocketAddrs) -> Vec<SocketAddr> {
        addrs.addrs().unwrap().collect()
    }

    #[test]
    fn every_form_of_one_address_is_the_same_address() {
        let addr: SocketAddr = "127.0.0.1:80".parse().unwrap();
        let ip = Ipv4Addr::LOCALHOST;
        assert_eq!(list(addr), [addr]);
        assert_eq!(list((ip, 80)), [addr]);
        assert_eq!(list((IpAddr::from(ip), 80)), [addr]);
        assert_eq!(list(SocketAddrV4::new(ip, 80)), [addr]);
        assert_eq!(list("127.0.0.1:80"), [addr]);
        assert_eq!(list(String::from("127.0.0.1:80")), [addr]);
        assert_eq!(list(("127.0.0.1", 80)), [addr]);
        assert_eq!(list((String::from("127.0.0.1"), 80)), [addr]);
        assert_eq!(list(&[addr][..]), [addr]);
        assert_eq!(
            list("[::1]:80"),
            [SocketAddr::from((Ipv6Addr::LOCALHOST, 80))]
        );
        assert_eq!(list((Ipv6Addr::LOCALHOST, 80)), list(("::1", 80)));
    }

    #[test]
    fn a_host_name_says_what_to_do() {
        for error in ["localhost:80".addrs(), ("localhost", 80).addrs()] {
            let error = error.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
            assert!(error.to_string().contains("resolve"));
        }
    }
}
