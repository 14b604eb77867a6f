//! Addresses of sockets, by number or by name.

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::vec;

use crate::hook::{Site, WaitKind};
use lookup::{Lookup, Question};

mod lookup;

pub use lookup::{BlockingHook, set_blocking_hook};

/// Types that name one or more socket addresses.
///
/// Implemented for socket addresses, slices of them, pairs of an IP address and a port, strings like `"127.0.0.1:80"`, `"[::1]:80"`
/// or `"localhost:80"`, pairs of a host and a port, and references to all of these. Only a *host name* is looked up, on a thread that may
/// block; everything else is answered on the spot.
///
/// The trait is sealed; [`resolve`] uses it.
pub trait AsyncToSocketAddrs: Sealed {}

impl<T: Sealed + ?Sized> AsyncToSocketAddrs for T {}

/// The contents of [`AsyncToSocketAddrs`], out of reach.
pub trait Sealed {
    #[doc(hidden)]
    fn lookup(&self) -> Lookup;
}

/// Finds the socket addresses that a name stands for.
///
/// # Errors
///
/// Returns the error of the system's resolver, or `InvalidInput` for a text without a port.
///
/// # Cancel safety
///
/// Dropping the future forgets the answer; a question that a thread has put already goes on.
///
/// # Examples
///
/// ```
/// # futures_lite::future::block_on(async {
/// for addr in gort_net::resolve("localhost:80").await? {
///     assert!(addr.ip().is_loopback());
/// }
/// # std::io::Result::Ok(()) }).unwrap();
/// ```
#[track_caller]
pub fn resolve<A: AsyncToSocketAddrs>(addr: A) -> Resolve {
    Resolve(EachAddr::new(&addr))
}

/// Future of [`resolve`].
#[derive(Debug)]
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct Resolve(EachAddr);

impl Future for Resolve {
    type Output = io::Result<Vec<SocketAddr>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll_addrs(cx).map_ok(Iterator::collect)
    }
}

/// The addresses that a name stands for, one after the other.
#[derive(Debug)]
pub(crate) struct EachAddr {
    lookup: Lookup,
    location: &'static Location<'static>,
}

impl EachAddr {
    #[track_caller]
    pub(crate) fn new(addr: &impl AsyncToSocketAddrs) -> Self {
        Self {
            lookup: addr.lookup(),
            location: Location::caller(),
        }
    }

    /// Where it was asked for.
    pub(crate) fn location(&self) -> &'static Location<'static> {
        self.location
    }

    /// # Panics
    ///
    /// Panics if it was ready before.
    pub(crate) fn poll_addrs(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Addrs>> {
        self.lookup.poll(
            cx,
            Site {
                kind: WaitKind::Lookup,
                location: self.location,
            },
        )
    }

    /// Calls `op`, which does not wait, with each address until it succeeds; gives the error of the last.
    pub(crate) fn poll_until<R>(
        &mut self,
        cx: &mut Context<'_>,
        op: impl FnMut(SocketAddr) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        let addrs = ready!(self.poll_addrs(cx))?;
        let mut outcome = Err(no_addresses());
        for attempt in addrs.map(op) {
            outcome = attempt;
            if outcome.is_ok() {
                break;
            }
        }
        Poll::Ready(outcome)
    }
}

/// The addresses, in the order in which to try them.
#[derive(Clone, Debug)]
pub(crate) struct Addrs(Inner);

#[derive(Clone, Debug)]
enum Inner {
    One(Option<SocketAddr>),
    Many(vec::IntoIter<SocketAddr>),
}

impl From<SocketAddr> for Addrs {
    fn from(addr: SocketAddr) -> Self {
        Self(Inner::One(Some(addr)))
    }
}

impl From<Vec<SocketAddr>> for Addrs {
    fn from(addrs: Vec<SocketAddr>) -> Self {
        Self(Inner::Many(addrs.into_iter()))
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
    fn lookup(&self) -> Lookup {
        Lookup::known(*self)
    }
}

impl Sealed for SocketAddrV4 {
    fn lookup(&self) -> Lookup {
        Lookup::known((*self).into())
    }
}

impl Sealed for SocketAddrV6 {
    fn lookup(&self) -> Lookup {
        Lookup::known((*self).into())
    }
}

impl Sealed for (IpAddr, u16) {
    fn lookup(&self) -> Lookup {
        Lookup::known((*self).into())
    }
}

impl Sealed for (Ipv4Addr, u16) {
    fn lookup(&self) -> Lookup {
        Lookup::known((*self).into())
    }
}

impl Sealed for (Ipv6Addr, u16) {
    fn lookup(&self) -> Lookup {
        Lookup::known((*self).into())
    }
}

impl Sealed for (&str, u16) {
    fn lookup(&self) -> Lookup {
        let (host, port) = *self;
        match host.parse::<IpAddr>() {
            Ok(ip) => Lookup::known((ip, port).into()),
            Err(_) => Lookup::of(Question::HostAndPort(host.into(), port)),
        }
    }
}

impl Sealed for (String, u16) {
    fn lookup(&self) -> Lookup {
        (self.0.as_str(), self.1).lookup()
    }
}

impl Sealed for str {
    fn lookup(&self) -> Lookup {
        match self.parse() {
            Ok(addr) => Lookup::known(addr),
            Err(_) => Lookup::of(Question::Text(self.into())),
        }
    }
}

impl Sealed for String {
    fn lookup(&self) -> Lookup {
        self.as_str().lookup()
    }
}

impl Sealed for [SocketAddr] {
    fn lookup(&self) -> Lookup {
        Lookup::known_many(self.into())
    }
}

impl<T: Sealed + ?Sized> Sealed for &T {
    fn lookup(&self) -> Lookup {
        (**self).lookup()
    }
}

#[cfg(all(test, not(gort_loom)))]
mod tests {
    use std::task::Waker;

    use super::*;

    fn list(addrs: impl AsyncToSocketAddrs) -> Vec<SocketAddr> {
        match poll_once(&mut resolve(addrs)) {
            Poll::Ready(addrs) => addrs.unwrap(),
            Poll::Pending => panic!("an address is answered on the spot"),
        }
    }

    fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
        Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
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
    fn no_addresses_are_an_error_of_their_own() {
        let mut none = EachAddr::new(&&[][..]);
        let mut cx = Context::from_waker(Waker::noop());
        match none.poll_until(&mut cx, |_| Ok(())) {
            Poll::Ready(Err(error)) => assert_eq!(error.kind(), io::ErrorKind::InvalidInput),
            other => panic!("{other:?}"),
        }
    }
}
