//! Adapters for hyper 1: its executor, its timer, and its I/O, on gort. Feature `hyper`.
//!
//! | hyper wants | gort gives |
//! |---|---|
//! | [`rt::Executor`] | [`GortExecutor`] |
//! | [`rt::Timer`] | [`GortTimer`] |
//! | [`rt::Read`] + [`rt::Write`] | [`GortIo`] for gort's sockets, [`FuturesIo`] for everything that has the traits of `futures-io` |
//!
//! The other way round, [`HyperIo`] gives connections that hyper hands out, upgraded ones, the traits of `futures-io`.
//!
//! # Examples
//!
//! A server that says hello, and a client that listens:
//!
//! ```
//! use gort::hyper::{GortIo, GortTimer};
//! use gort::net::{TcpListener, TcpStream};
//! use http_body_util::{BodyExt, Empty, Full};
//! use hyper::body::Bytes;
//! use hyper::service::service_fn;
//! use hyper::{Request, Response};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! gort::block_on(async {
//!     let listener = TcpListener::bind("127.0.0.1:0").await?;
//!     let addr = listener.local_addr()?;
//!     gort::go(async move {
//!         let (stream, _) = listener.accept().await?;
//!         let hello = service_fn(async |_| {
//!             Ok::<_, std::convert::Infallible>(Response::new(Full::new(Bytes::from("hello"))))
//!         });
//!         let mut http = hyper::server::conn::http1::Builder::new();
//!         let _ = http.timer(GortTimer::new()).serve_connection(GortIo::new(stream), hello).await;
//!         std::io::Result::Ok(())
//!     });
//!
//!     let stream = GortIo::new(TcpStream::connect(addr).await?);
//!     let (mut client, connection) = hyper::client::conn::http1::handshake(stream).await?;
//!     gort::go(connection);
//!     let request = Request::get("/").header("host", "localhost").body(Empty::<Bytes>::new())?;
//!     let body = client.send_request(request).await?.into_body().collect().await?;
//!     assert_eq!(body.to_bytes(), "hello");
//!     Ok(())
//! })
//! # }
//! ```

use std::future::Future;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use futures_io::{AsyncRead, AsyncWrite};
use hyper::rt::{self, ReadBuf, ReadBufCursor};
use pin_project_lite::pin_project;

use crate::net::TcpStream;
use crate::net::unix::UnixStream;
use crate::time;

/// Runs hyper's background work as goroutines of the current runtime.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct GortExecutor {}

impl GortExecutor {
    /// Creates an executor.
    #[must_use]
    pub fn new() -> Self {
        Self {}
    }
}

impl<F> rt::Executor<F> for GortExecutor
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    #[track_caller]
    fn execute(&self, future: F) {
        crate::go(future);
    }
}

/// hyper's timer, for its time limits. A reset keeps the allocation and moves the timer in place.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct GortTimer {}

impl GortTimer {
    /// Creates a timer.
    #[must_use]
    pub fn new() -> Self {
        Self {}
    }
}

impl rt::Timer for GortTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn rt::Sleep>> {
        Box::pin(Sleep(time::sleep(duration)))
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn rt::Sleep>> {
        Box::pin(Sleep(time::sleep_until(deadline)))
    }

    fn now(&self) -> Instant {
        Instant::now()
    }

    fn reset(&self, sleep: &mut Pin<Box<dyn rt::Sleep>>, deadline: Instant) {
        match sleep.as_mut().downcast_mut_pin::<Sleep>() {
            Some(mut sleep) => sleep.0.reset(deadline),
            None => *sleep = self.sleep_until(deadline),
        }
    }
}

struct Sleep(time::Sleep);

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(cx)
    }
}

impl rt::Sleep for Sleep {}

/// A gort socket, TCP's or Unix's, as hyper's I/O. Reads go straight into hyper's buffer, which nobody fills with zeros first.
#[derive(Debug)]
pub struct GortIo<T>(T);

impl<T> GortIo<T> {
    /// Wraps a socket.
    pub fn new(socket: T) -> Self {
        Self(socket)
    }

    /// Returns the socket.
    pub fn get_ref(&self) -> &T {
        &self.0
    }

    /// Gives the socket back.
    pub fn into_inner(self) -> T {
        self.0
    }
}

/// The sockets that [`GortIo`] takes.
mod sealed {
    use super::*;

    /// Reads into memory that need not be initialised.
    ///
    /// # Safety
    ///
    /// When `poll_read_uninit` returns `Ok(n)`, it has initialised the first `n` bytes of `buf`, of which there are as many.
    pub unsafe trait Socket: AsyncWrite + Unpin {
        fn poll_read_uninit(
            &self,
            cx: &mut Context<'_>,
            buf: &mut [MaybeUninit<u8>],
        ) -> Poll<io::Result<usize>>;
    }

    // SAFETY: `n` is what the kernel says it has written to `buf`.
    unsafe impl Socket for TcpStream {
        #[inline]
        fn poll_read_uninit(
            &self,
            cx: &mut Context<'_>,
            buf: &mut [MaybeUninit<u8>],
        ) -> Poll<io::Result<usize>> {
            self.poll_read_uninit(cx, buf)
        }
    }

    // SAFETY: `n` is what the kernel says it has written to `buf`.
    unsafe impl Socket for UnixStream {
        #[inline]
        fn poll_read_uninit(
            &self,
            cx: &mut Context<'_>,
            buf: &mut [MaybeUninit<u8>],
        ) -> Poll<io::Result<usize>> {
            self.poll_read_uninit(cx, buf)
        }
    }
}

impl<T: sealed::Socket> rt::Read for GortIo<T> {
    #[inline]
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        // SAFETY: the socket writes into the buffer and reads nothing from it.
        let unfilled: &mut [MaybeUninit<u8>] = unsafe { buf.as_mut() };
        let n = ready!(self.0.poll_read_uninit(cx, unfilled))?;
        // SAFETY: `Socket` promises that so many bytes are initialised.
        unsafe { buf.advance(n) };
        Poll::Ready(Ok(()))
    }
}

impl<T: sealed::Socket> rt::Write for GortIo<T> {
    #[inline]
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_close(cx)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    #[inline]
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, parts)
    }
}

/// How much a [`FuturesIo`] reads at a time. A guess: hyper's own first buffer has 8 KiB.
const READ_BYTES: usize = 8 * 1024;

pin_project! {
    /// Any type with the traits of `futures-io` as hyper's I/O.
    ///
    /// Such a type may read what it is given to fill, so it gets a buffer of its own that is initialised once, from which the
    /// bytes are copied.
    #[derive(Debug)]
    pub struct FuturesIo<T> {
        #[pin]
        io: T,
        buffer: Box<[u8]>,
    }
}

impl<T> FuturesIo<T> {
    /// Wraps `io`.
    pub fn new(io: T) -> Self {
        Self {
            io,
            buffer: vec![0; READ_BYTES].into_boxed_slice(),
        }
    }

    /// Gives `io` back.
    pub fn into_inner(self) -> T {
        self.io
    }
}

impl<T: AsyncRead> rt::Read for FuturesIo<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.project();
        let room = buf.remaining().min(READ_BYTES);
        let n = ready!(this.io.poll_read(cx, &mut this.buffer[..room]))?;
        buf.put_slice(&this.buffer[..n]);
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite> rt::Write for FuturesIo<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.project().io.poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().io.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().io.poll_close(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.project().io.poll_write_vectored(cx, parts)
    }
}

/// hyper's I/O, such as an [`Upgraded`](hyper::upgrade::Upgraded) connection, with the traits of `futures-io`.
#[derive(Debug)]
pub struct HyperIo<T>(T);

impl<T> HyperIo<T> {
    /// Wraps `io`.
    pub fn new(io: T) -> Self {
        Self(io)
    }

    /// Gives `io` back.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T: rt::Read + Unpin> AsyncRead for HyperIo<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut buf = ReadBuf::new(buf);
        ready!(Pin::new(&mut self.0).poll_read(cx, buf.unfilled()))?;
        Poll::Ready(Ok(buf.filled().len()))
    }
}

impl<T: rt::Write + Unpin> AsyncWrite for HyperIo<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, parts)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
