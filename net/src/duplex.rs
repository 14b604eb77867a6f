//! What TCP streams and Unix streams have in common: a handle that can be cloned, and bytes both ways.
//!
//! Each handle waits for itself: a handle that has clones keeps its wakers in the list of the source, under its own tickets. A
//! handle without clones uses the slot, which needs no list.
//!
//! Where a short transfer tells that the socket is empty or full ([`Connected::SHORT_PROVES`]), the call that would say `WouldBlock` is
//! not made: a steady echo costs one `recv` and one `send` for each message.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::net::Shutdown;
use std::sync::Arc;
use std::task::{Context, Poll};

use socket2::SockRef;

use crate::async_fd::Async;
use crate::hook::{Site, WaitKind};
use crate::socket::Connected;
use crate::source::Attempt;
use crate::source::readiness::Direction;
use crate::source::waiters::{Place, Ticket};

/// The most bytes and slices of one transfer that are still held to prove something by their number: the system has limits of its own (2 GiB, 1024
/// slices on Linux), and a transfer cut short by those fills or empties nothing.
const PROOF_BYTES: usize = 1 << 30;
const PROOF_SLICES: usize = 1024;

/// One handle to a stream socket.
#[derive(Debug)]
pub(crate) struct Duplex<S> {
    io: Arc<Async<S>>,
    read: Ticket,
    write: Ticket,
}

/// One direction of a socket, and where the one who waits for it keeps the waker.
pub(crate) struct Lane<'a, S> {
    io: &'a Async<S>,
    direction: Direction,
    place: Place<'a>,
}

impl<S> Duplex<S> {
    pub(crate) fn new(io: Arc<Async<S>>) -> Self {
        Self {
            io,
            read: Ticket::default(),
            write: Ticket::default(),
        }
    }

    pub(crate) fn io(&self) -> &Arc<Async<S>> {
        &self.io
    }

    /// The direction for whoever has the handle to itself.
    #[inline]
    pub(crate) fn own(&mut self, direction: Direction) -> Lane<'_, S> {
        let Self { io, read, write } = self;
        let place = match Arc::strong_count(io) {
            // A count of one cannot be stale: only this handle could make a second one, and it is borrowed exclusively.
            1 => Place::Slot,
            _ => Place::Ticket(match direction {
                Direction::Read => read,
                Direction::Write => write,
            }),
        };
        Lane {
            io,
            direction,
            place,
        }
    }

    /// The direction for callers that share the handle, and its one waker.
    #[inline]
    pub(crate) fn shared(&self, direction: Direction) -> Lane<'_, S> {
        Lane {
            io: &self.io,
            direction,
            place: Place::Slot,
        }
    }
}

impl<S: Connected> Duplex<S> {
    /// Shuts down the write direction. A connection that the peer has reset has none left: that is closed enough.
    pub(crate) fn close_write(&self) -> io::Result<()> {
        match SockRef::from(self.io.get_ref()).shutdown(Shutdown::Write) {
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            outcome => outcome,
        }
    }
}

impl<S> Clone for Duplex<S> {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.io))
    }
}

impl<S> Drop for Duplex<S> {
    fn drop(&mut self) {
        let source = self.io.source();
        source.cancel(Direction::Read, &mut self.read);
        source.cancel(Direction::Write, &mut self.write);
    }
}

// `Read` and `Write` want `&mut &S`.
impl<S: Connected> Lane<'_, S> {
    /// One call on the socket that transfers at most `wanted` bytes.
    #[inline]
    fn transfer(
        self,
        cx: &mut Context<'_>,
        wanted: usize,
        mut call: impl FnMut(&S) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let kind = match self.direction {
            Direction::Read => WaitKind::IoRead,
            Direction::Write => WaitKind::IoWrite,
        };
        let source = self.io.source();
        let site = Site {
            kind,
            location: source.location(),
        };
        let call = |attempt: Attempt<'_>| {
            let done = call(self.io.get_ref())?;
            if S::SHORT_PROVES {
                attempt.transferred(done, wanted);
            }
            Ok(done)
        };
        source.poll_call(self.direction, cx, self.place, site, call)
    }

    #[inline]
    pub(crate) fn read(self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>>
    where
        for<'s> &'s S: Read,
    {
        let wanted = buf.len().min(PROOF_BYTES);
        self.transfer(cx, wanted, |mut io| io.read(buf))
    }

    pub(crate) fn read_vectored(
        self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>>
    where
        for<'s> &'s S: Read,
    {
        let wanted = provable(bufs.iter().map(|buf| buf.len()));
        self.transfer(cx, wanted, |mut io| io.read_vectored(bufs))
    }

    #[inline]
    pub(crate) fn read_uninit(
        self,
        cx: &mut Context<'_>,
        buf: &mut [MaybeUninit<u8>],
    ) -> Poll<io::Result<usize>> {
        let wanted = buf.len().min(PROOF_BYTES);
        self.transfer(cx, wanted, |io| SockRef::from(io).recv(buf))
    }

    #[inline]
    pub(crate) fn write(self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>>
    where
        for<'s> &'s S: Write,
    {
        let wanted = buf.len().min(PROOF_BYTES);
        self.transfer(cx, wanted, |mut io| io.write(buf))
    }

    pub(crate) fn write_vectored(
        self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>>
    where
        for<'s> &'s S: Write,
    {
        let wanted = provable(bufs.iter().map(|buf| buf.len()));
        self.transfer(cx, wanted, |mut io| io.write_vectored(bufs))
    }
}

fn provable(lengths: impl Iterator<Item = usize>) -> usize {
    let bytes = lengths.take(PROOF_SLICES).fold(0, usize::saturating_add);
    bytes.min(PROOF_BYTES)
}

/// The I/O traits for a handle that is a tuple with a [`Duplex`], by value and by shared reference.
macro_rules! duplex_io {
    ($handle:ty) => {
        $crate::duplex::duplex_io!(@one $handle, own);
        $crate::duplex::duplex_io!(@one &$handle, shared);
    };
    (@one $handle:ty, $lane:ident) => {
        impl futures_io::AsyncRead for $handle {
            #[inline]
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &mut [u8],
            ) -> Poll<io::Result<usize>> {
                self.get_mut().0.$lane(Direction::Read).read(cx, buf)
            }

            fn poll_read_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &mut [IoSliceMut<'_>],
            ) -> Poll<io::Result<usize>> {
                self.get_mut().0.$lane(Direction::Read).read_vectored(cx, bufs)
            }
        }

        impl futures_io::AsyncWrite for $handle {
            #[inline]
            fn poll_write(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &[u8],
            ) -> Poll<io::Result<usize>> {
                self.get_mut().0.$lane(Direction::Write).write(cx, buf)
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                self.get_mut().0.$lane(Direction::Write).write_vectored(cx, bufs)
            }

            fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }

            fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(self.0.close_write())
            }
        }
    };
}
pub(crate) use duplex_io;
