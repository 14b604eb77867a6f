//! The pipes to a child process.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::pin::Pin;
use std::process::Stdio;
use std::task::{Context, Poll};

use futures_io::{AsyncRead, AsyncWrite};
use gort_net::Async;
use rustix::io::ioctl_fionbio;

/// The pipe to the standard input of a child process. Dropping it closes it.
#[derive(Debug)]
pub struct ChildStdin(Async<std::process::ChildStdin>);

/// The pipe from the standard output of a child process.
#[derive(Debug)]
pub struct ChildStdout(Async<std::process::ChildStdout>);

/// The pipe from the standard error stream of a child process.
#[derive(Debug)]
pub struct ChildStderr(Async<std::process::ChildStderr>);

/// Takes a pipe from the reactor, for a process that expects a call to block.
fn blocking<T: AsFd>(pipe: Async<T>) -> io::Result<T> {
    let pipe = pipe.into_inner()?;
    ioctl_fionbio(&pipe, false)?;
    Ok(pipe)
}

impl ChildStdin {
    pub(super) fn new(pipe: Async<std::process::ChildStdin>) -> Self {
        Self(pipe)
    }

    /// Turns the pipe into the standard output, say, of another command.
    ///
    /// # Errors
    ///
    /// Returns the error of the system, which has none to give for an open pipe.
    pub async fn into_stdio(self) -> io::Result<Stdio> {
        blocking(self.0).map(Stdio::from)
    }
}

impl ChildStdout {
    pub(super) fn new(pipe: Async<std::process::ChildStdout>) -> Self {
        Self(pipe)
    }

    /// Turns the pipe into the standard input of another command.
    ///
    /// # Errors
    ///
    /// Returns the error of the system, which has none to give for an open pipe.
    ///
    /// # Examples
    ///
    /// ```
    /// use gort::process::{Command, Stdio};
    ///
    /// gort::block_on(async {
    ///     let mut words = Command::new("printf").arg("b\na\n").stdout(Stdio::piped()).spawn()?;
    ///     let words = words.stdout.take().expect("it is piped").into_stdio().await?;
    ///     let sorted = Command::new("sort").stdin(words).output().await?;
    ///     assert_eq!(sorted.stdout, b"a\nb\n");
    ///     std::io::Result::Ok(())
    /// })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn into_stdio(self) -> io::Result<Stdio> {
        blocking(self.0).map(Stdio::from)
    }
}

impl ChildStderr {
    pub(super) fn new(pipe: Async<std::process::ChildStderr>) -> Self {
        Self(pipe)
    }

    /// Turns the pipe into the standard input of another command.
    ///
    /// # Errors
    ///
    /// Returns the error of the system, which has none to give for an open pipe.
    pub async fn into_stdio(self) -> io::Result<Stdio> {
        blocking(self.0).map(Stdio::from)
    }
}

impl AsyncWrite for ChildStdin {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_close(cx)
    }
}

impl AsyncRead for ChildStdout {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncRead for ChildStderr {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsFd for ChildStdin {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsFd for ChildStdout {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsFd for ChildStderr {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for ChildStdin {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl AsRawFd for ChildStdout {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl AsRawFd for ChildStderr {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// The descriptor stays in non-blocking mode.
impl TryFrom<ChildStdin> for OwnedFd {
    type Error = io::Error;

    fn try_from(pipe: ChildStdin) -> io::Result<Self> {
        pipe.0.try_into()
    }
}

/// The descriptor stays in non-blocking mode.
impl TryFrom<ChildStdout> for OwnedFd {
    type Error = io::Error;

    fn try_from(pipe: ChildStdout) -> io::Result<Self> {
        pipe.0.try_into()
    }
}

/// The descriptor stays in non-blocking mode.
impl TryFrom<ChildStderr> for OwnedFd {
    type Error = io::Error;

    fn try_from(pipe: ChildStderr) -> io::Result<Self> {
        pipe.0.try_into()
    }
}
