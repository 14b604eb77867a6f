//! `AsyncRead` and `AsyncWrite` for [`Async`], and the marker for the types that may have them.
//!
//! No short-transfer shortcut here: `T` may be anything, and a short read of an inotify descriptor proves nothing.

use std::borrow::Cow;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_io::{AsyncRead, AsyncWrite};

use super::Async;
use crate::hook::WaitKind;
use crate::source::readiness::Direction;
use crate::source::waiters::Place;

/// Types whose [`Read`] and [`Write`] implementations keep their descriptor.
///
/// [`Async`] reads and writes through an exclusive reference, and its descriptor stays registered meanwhile.
///
/// # Safety
///
/// No method of [`Read`] and [`Write`] of an implementor, including `&mut self` ones, closes or replaces the descriptor that
/// its `AsFd` returns. An implementation for a wrapper must hold for every value of its inner type.
pub unsafe trait IoSafe {}

// SAFETY: a shared reference can replace nothing.
unsafe impl<T: ?Sized> IoSafe for &T {}

// SAFETY: the types of std below own one descriptor for life, and pass each read and write on to it.
unsafe impl IoSafe for std::fs::File {}
// SAFETY: as above.
unsafe impl IoSafe for io::Stderr {}
// SAFETY: as above.
unsafe impl IoSafe for io::Stdin {}
// SAFETY: as above.
unsafe impl IoSafe for io::Stdout {}
// SAFETY: as above.
unsafe impl IoSafe for io::StderrLock<'_> {}
// SAFETY: as above.
unsafe impl IoSafe for io::StdinLock<'_> {}
// SAFETY: as above.
unsafe impl IoSafe for io::StdoutLock<'_> {}
// SAFETY: as above.
unsafe impl IoSafe for io::PipeReader {}
// SAFETY: as above.
unsafe impl IoSafe for io::PipeWriter {}
// SAFETY: as above.
unsafe impl IoSafe for std::net::TcpStream {}
// SAFETY: as above.
unsafe impl IoSafe for std::os::unix::net::UnixStream {}
// SAFETY: as above.
unsafe impl IoSafe for std::process::ChildStdin {}
// SAFETY: as above.
unsafe impl IoSafe for std::process::ChildStdout {}
// SAFETY: as above.
unsafe impl IoSafe for std::process::ChildStderr {}

// SAFETY: a buffer reads through the inner object and never replaces it.
unsafe impl<T: IoSafe + Read> IoSafe for io::BufReader<T> {}
// SAFETY: as for `BufReader`.
unsafe impl<T: IoSafe + Write> IoSafe for io::BufWriter<T> {}
// SAFETY: as for `BufReader`.
unsafe impl<T: IoSafe + Write> IoSafe for io::LineWriter<T> {}
// SAFETY: passes each call on to the inner object.
unsafe impl<T: IoSafe + ?Sized> IoSafe for &mut T {}
// SAFETY: passes each call on to the inner object.
unsafe impl<T: IoSafe + ?Sized> IoSafe for Box<T> {}
// SAFETY: neither reads nor writes, and std alone could change that.
unsafe impl<T: Clone + IoSafe> IoSafe for Cow<'_, T> {}

impl<T> Async<T> {
    fn poll_mut<R>(
        &mut self,
        direction: Direction,
        cx: &mut Context<'_>,
        mut op: impl FnMut(&mut T) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        let site = self.site(kind(direction));
        let (io, source) = self.split_mut();
        source.poll_call(direction, cx, Place::Slot, site, |_| op(io))
    }

    fn poll_ref<R>(
        &self,
        direction: Direction,
        cx: &mut Context<'_>,
        mut op: impl FnMut(&T) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        let site = self.site(kind(direction));
        let io = self.get_ref();
        self.source
            .poll_call(direction, cx, Place::Slot, site, |_| op(io))
    }
}

fn kind(direction: Direction) -> WaitKind {
    match direction {
        Direction::Read => WaitKind::IoRead,
        Direction::Write => WaitKind::IoWrite,
    }
}

impl<T: IoSafe + Read> AsyncRead for Async<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_mut(Direction::Read, cx, |io| io.read(buf))
    }

    fn poll_read_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_mut(Direction::Read, cx, |io| io.read_vectored(bufs))
    }
}

// `Read` for `&T` cannot replace the descriptor, so `T` need not be `IoSafe`.
impl<T> AsyncRead for &Async<T>
where
    for<'a> &'a T: Read,
{
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_ref(Direction::Read, cx, |mut io| io.read(buf))
    }

    fn poll_read_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_ref(Direction::Read, cx, |mut io| io.read_vectored(bufs))
    }
}

impl<T: IoSafe + Write> AsyncWrite for Async<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_mut(Direction::Write, cx, |io| io.write(buf))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_mut(Direction::Write, cx, |io| io.write_vectored(bufs))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_mut(Direction::Write, cx, |io| io.flush())
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}

impl<T> AsyncWrite for &Async<T>
where
    for<'a> &'a T: Write,
{
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_ref(Direction::Write, cx, |mut io| io.write(buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_ref(Direction::Write, cx, |mut io| io.write_vectored(bufs))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_ref(Direction::Write, cx, |mut io| io.flush())
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}
