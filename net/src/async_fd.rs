//! [`Async`], any pollable descriptor made asynchronous, and the futures of its methods.
//!
// | file | what |
// |---|---|
// | here | the type, its life, `poll_readable` and `poll_writable` |
// | waiting | what all futures of this crate are made of |
// | ready, with | the named futures of `readable`, `read_with` and their kin |
// | transfer | `AsyncRead` and `AsyncWrite`, and which types may have them |
// | listener, connect, call | the futures of sockets: accept, connect, and one call |
// | tcp, udp, unix | their constructors and operations |
//!
//! A registered descriptor stays open for as long as the source is registered: `io` is dropped, or given back, after the source
//! has left the reactor, and nothing lends out `&mut T` without `unsafe`.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::panic::Location;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

use crate::hook::{Site, WaitKind};
use crate::reactor::Reactor;
use crate::source::Source;
use crate::source::readiness::Direction;
use crate::source::waiters::Place;
use waiting::Waiting;

pub use call::{Call, Peek, PeekFrom, Recv, RecvFrom, Send, SendTo};
pub use connect::Connect;
pub use listener::{Accept, Incoming};
pub use ready::{Readable, ReadableOwned, Writable, WritableOwned};
pub use transfer::IoSafe;
pub use with::{ReadWith, ReadWithMut, WriteWith, WriteWithMut};

mod call;
mod connect;
mod listener;
mod ready;
mod tcp;
mod transfer;
mod udp;
mod unix;
pub(crate) mod waiting;
mod with;

/// Async adapter for descriptors: sockets, pipes, eventfds, timerfds, inotify, anything that `poll(2)` knows.
///
/// The descriptor is registered with the [`Reactor`] when the adapter is made and removed when it is dropped. A registration lasts for the life of the adapter
/// and waiting costs no system call to arm it (except in the `oneshot` mode of the reactor).
///
/// # Two ways to wait
///
/// [`AsyncRead`](futures_io::AsyncRead), [`AsyncWrite`](futures_io::AsyncWrite) and the socket operations try the call first and wait only if it would block.
/// They remember that it would, until the kernel reports a change.
///
/// [`readable`](Self::readable), [`writable`](Self::writable), [`read_with`](Self::read_with) and their kin report the *actual* state of the descriptor. Code
/// that they hand it to may do with it what it likes, and leave as many bytes in it as it likes.
///
/// # Tasks and wakers
///
/// Many tasks may wait for one descriptor through the futures, and all of them are woken. The `poll_*` functions and the I/O
/// traits keep one waker for each direction: the last caller wins.
///
/// # Caveats
///
/// Regular files are always ready and most systems refuse to register them: [`Async::new`] fails. The descriptor must not be set to blocking mode.
///
/// # Examples
///
/// ```
/// use gort_net::Async;
/// use std::net::TcpListener;
///
/// # futures_lite::future::block_on(async {
/// let listener = Async::<TcpListener>::bind(([127, 0, 0, 1], 0))?;
/// let addr = listener.get_ref().local_addr()?;
/// let client = std::thread::spawn(move || std::net::TcpStream::connect(addr));
/// let (_stream, _peer) = listener.read_with(|listener| listener.accept()).await?;
/// # client.join().unwrap()?;
/// # std::io::Result::Ok(()) }).unwrap();
/// ```
#[derive(Debug)]
pub struct Async<T> {
    source: Arc<Source>,
    /// None only inside [`Async::into_inner`] and the drop that follows.
    io: Option<T>,
}

impl<T> Unpin for Async<T> {}

impl<T: AsFd> Async<T> {
    /// Sets the descriptor to non-blocking mode and registers it.
    ///
    /// # Errors
    ///
    /// Fails if the descriptor cannot be polled, is registered already, or the reactor cannot be created.
    ///
    /// # Examples
    ///
    /// ```
    /// use gort_net::Async;
    /// use std::net::{SocketAddr, TcpListener};
    ///
    /// let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    /// let listener = Async::new(listener)?;
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn new(io: T) -> io::Result<Self> {
        set_nonblocking(io.as_fd())?;
        Self::new_nonblocking(io)
    }

    /// Registers a descriptor that is in non-blocking mode already.
    ///
    /// On a descriptor in blocking mode, operations block the thread.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    #[track_caller]
    pub fn new_nonblocking(io: T) -> io::Result<Self> {
        Self::register(io, true, Location::caller())
    }

    /// `ready` says whether the first call is worth a try.
    pub(crate) fn register(
        io: T,
        ready: bool,
        location: &'static Location<'static>,
    ) -> io::Result<Self> {
        Self::register_with(Reactor::get()?, io, ready, location)
    }

    pub(crate) fn register_with(
        reactor: &'static Reactor,
        io: T,
        ready: bool,
        location: &'static Location<'static>,
    ) -> io::Result<Self> {
        // SAFETY: `io` owns or borrows the descriptor, and lives, unreachable for `&mut`, until `Drop` or `into_inner` has
        // deregistered it.
        let source = unsafe { reactor.register(io.as_fd(), ready, location) }?;
        Ok(Self {
            source,
            io: Some(io),
        })
    }
}

/// Sets `O_NONBLOCK`, unless it is set.
fn set_nonblocking(fd: BorrowedFd<'_>) -> io::Result<()> {
    let flags = fcntl_getfl(fd)?;
    if !flags.contains(OFlags::NONBLOCK) {
        fcntl_setfl(fd, flags | OFlags::NONBLOCK)?;
    }
    Ok(())
}

impl<T> Async<T> {
    /// Returns the inner I/O object.
    pub fn get_ref(&self) -> &T {
        self.io.as_ref().expect("only a dropped adapter is empty")
    }

    /// Returns the inner I/O object for exclusive use.
    ///
    /// # Safety
    ///
    /// The object must keep its descriptor: it must not be dropped, closed or replaced through the reference, because the
    /// descriptor stays registered.
    pub unsafe fn get_mut(&mut self) -> &mut T {
        self.io.as_mut().expect("only a dropped adapter is empty")
    }

    /// Removes the descriptor from the reactor and returns the inner I/O object, still in non-blocking mode.
    ///
    /// # Errors
    ///
    /// Fails if the kernel does not know the registration; the object is dropped then.
    pub fn into_inner(mut self) -> io::Result<T> {
        let io = self.io.take().expect("only a dropped adapter is empty");
        self.source.reactor().deregister(&self.source)?;
        Ok(io)
    }

    pub(crate) fn source(&self) -> &Arc<Source> {
        &self.source
    }

    /// The object for `&mut`, and the source beside it.
    ///
    /// Only for code of this crate that keeps the contract of [`get_mut`](Self::get_mut).
    fn split_mut(&mut self) -> (&mut T, &Source) {
        let io = self.io.as_mut().expect("only a dropped adapter is empty");
        (io, &self.source)
    }

    fn site(&self, kind: WaitKind) -> Site {
        Site {
            kind,
            location: self.source.location(),
        }
    }

    /// Waits until the descriptor is readable.
    ///
    /// It is readable *now* when the future completes: data left in it by earlier reads counts. End of stream, hang-up and errors count as
    /// readable. Another task may read in between, so a call that follows may still say `WouldBlock`.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use gort_net::Async;
    /// use std::io::{Read, Write};
    ///
    /// # futures_lite::future::block_on(async {
    /// let (reader, mut writer) = std::io::pipe()?;
    /// let reader = Async::new(reader)?;
    /// writer.write_all(b"go")?;
    /// // One byte at a time, straight from the descriptor.
    /// for expected in *b"go" {
    ///     reader.readable().await?;
    ///     let mut byte = [0];
    ///     reader.get_ref().read(&mut byte)?;
    ///     assert_eq!(byte, [expected]);
    /// }
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    #[track_caller]
    pub fn readable(&self) -> Readable<'_, T> {
        Readable(Waiting::new(self, Direction::Read, WaitKind::Readable))
    }

    /// Waits until the descriptor is readable, and owns the adapter meanwhile.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    #[track_caller]
    pub fn readable_owned(self: Arc<Self>) -> ReadableOwned<T> {
        ReadableOwned(Waiting::new(self, Direction::Read, WaitKind::Readable))
    }

    /// Waits until the descriptor is writable.
    ///
    /// It is writable *now* when the future completes. Hang-up and errors count as writable.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    #[track_caller]
    pub fn writable(&self) -> Writable<'_, T> {
        Writable(Waiting::new(self, Direction::Write, WaitKind::Writable))
    }

    /// Waits until the descriptor is writable, and owns the adapter meanwhile.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    #[track_caller]
    pub fn writable_owned(self: Arc<Self>) -> WritableOwned<T> {
        WritableOwned(Waiting::new(self, Direction::Write, WaitKind::Writable))
    }

    /// Polls the descriptor for readability.
    ///
    /// Like [`readable`](Self::readable), except that it keeps one waker: of several tasks that poll, the last one is woken.
    pub fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let site = self.site(WaitKind::Readable);
        self.source
            .poll_ready(Direction::Read, cx, Place::Slot, site)
    }

    /// Polls the descriptor for writability.
    ///
    /// Like [`writable`](Self::writable), except that it keeps one waker: of several tasks that poll, the last one is woken.
    pub fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let site = self.site(WaitKind::Writable);
        self.source
            .poll_ready(Direction::Write, cx, Place::Slot, site)
    }

    /// Calls `op` until it does not return `WouldBlock`, and waits for readability in between.
    ///
    /// The first call comes before any wait.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing but what `op` did and did not return.
    ///
    /// # Examples
    ///
    /// ```
    /// use gort_net::Async;
    /// use std::net::UdpSocket;
    ///
    /// # futures_lite::future::block_on(async {
    /// let socket = Async::new(UdpSocket::bind(("127.0.0.1", 0))?)?;
    /// socket.get_ref().send_to(b"hello", socket.get_ref().local_addr()?)?;
    /// let mut buf = [0; 16];
    /// let (n, _from) = socket.read_with(|socket| socket.recv_from(&mut buf)).await?;
    /// assert_eq!(&buf[..n], b"hello");
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    #[track_caller]
    pub fn read_with<R>(
        &self,
        op: impl FnMut(&T) -> io::Result<R>,
    ) -> ReadWith<'_, T, impl FnMut(&T) -> io::Result<R>> {
        ReadWith::new(Waiting::new(self, Direction::Read, WaitKind::IoRead), op)
    }

    /// Calls `op` with an exclusive reference until it does not return `WouldBlock`, and waits for readability in between.
    ///
    /// # Safety
    ///
    /// As for [`get_mut`](Self::get_mut): `op` must leave the descriptor in place.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing but what `op` did and did not return.
    #[track_caller]
    pub unsafe fn read_with_mut<R>(
        &mut self,
        op: impl FnMut(&mut T) -> io::Result<R>,
    ) -> ReadWithMut<'_, T, impl FnMut(&mut T) -> io::Result<R>> {
        ReadWithMut::new(self, Site::here(WaitKind::IoRead), op)
    }

    /// Calls `op` until it does not return `WouldBlock`, and waits for writability in between.
    ///
    /// The first call comes before any wait.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing but what `op` did and did not return.
    #[track_caller]
    pub fn write_with<R>(
        &self,
        op: impl FnMut(&T) -> io::Result<R>,
    ) -> WriteWith<'_, T, impl FnMut(&T) -> io::Result<R>> {
        WriteWith::new(Waiting::new(self, Direction::Write, WaitKind::IoWrite), op)
    }

    /// Calls `op` with an exclusive reference until it does not return `WouldBlock`, and waits for writability in between.
    ///
    /// # Safety
    ///
    /// As for [`get_mut`](Self::get_mut): `op` must leave the descriptor in place.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing but what `op` did and did not return.
    #[track_caller]
    pub unsafe fn write_with_mut<R>(
        &mut self,
        op: impl FnMut(&mut T) -> io::Result<R>,
    ) -> WriteWithMut<'_, T, impl FnMut(&mut T) -> io::Result<R>> {
        WriteWithMut::new(self, Site::here(WaitKind::IoWrite), op)
    }
}

impl<T> Drop for Async<T> {
    fn drop(&mut self) {
        if self.io.is_some() {
            // An error means that the kernel has forgotten the registration by itself, which is what we want.
            let _ = self.source.reactor().deregister(&self.source);
        }
    }
}

impl<T> AsRef<T> for Async<T> {
    fn as_ref(&self) -> &T {
        self.get_ref()
    }
}

impl<T: AsFd> AsFd for Async<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.get_ref().as_fd()
    }
}

impl<T: AsRawFd> AsRawFd for Async<T> {
    fn as_raw_fd(&self) -> RawFd {
        self.get_ref().as_raw_fd()
    }
}

impl<T: AsFd + From<OwnedFd>> TryFrom<OwnedFd> for Async<T> {
    type Error = io::Error;

    #[track_caller]
    fn try_from(fd: OwnedFd) -> io::Result<Self> {
        Self::new(fd.into())
    }
}

impl<T: Into<OwnedFd>> TryFrom<Async<T>> for OwnedFd {
    type Error = io::Error;

    fn try_from(io: Async<T>) -> io::Result<Self> {
        io.into_inner().map(Into::into)
    }
}
