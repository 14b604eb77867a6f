//! [`File`].
//!
//! A file has one place, the kernel's, and three who use it: [`Input`] reads ahead of its reader, [`Output`] writes behind its
//! writer, and a seek moves it. They take turns: whoever comes next waits until the one before is done and has put the place
//! where the task believes it to be.

use std::fmt;
use std::fs::{Metadata, Permissions};
use std::future::poll_fn;
use std::io::{self, Seek, SeekFrom};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use async_task::Task;
use futures_io::{AsyncRead, AsyncSeek, AsyncWrite};

use super::Call;
use super::input::Input;
use super::output::Output;
use crate::pool::unblock;

/// A file, read and written by the threads of [`unblock`](crate::unblock).
///
/// A read brings at least 64 KiB for the reads behind it. A write returns as soon as its bytes are in a queue of at most 1 MiB; if
/// they cannot be written, a later write, seek, flush or [`sync_all`](Self::sync_all) says so, and what was queued behind them is lost. Between
/// reads and writes the file is where its task left it, as with [`std::fs::File`], but another descriptor of the same open file
/// sees it moved by what was read ahead.
///
/// # Dropping
///
/// Bytes in the queue are written after the file is dropped, and then it is closed; nobody hears of an error, and nobody waits for
/// it when the process ends. So [flush](futures_lite::AsyncWriteExt::flush) a file that was written before dropping it. To know that the bytes are on the disk,
/// call [`sync_all`](Self::sync_all).
///
/// # Cancel safety
///
/// A read that is dropped loses nothing: what its thread brings stays for the next one. A write that is dropped
/// before it has ended has queued nothing. A seek that is dropped may still be made.
///
/// # Examples
///
/// ```
/// use futures_lite::AsyncReadExt;
/// use gort::fs::File;
///
/// gort::block_on(async {
///     let mut text = String::new();
///     File::open("Cargo.toml").await?.read_to_string(&mut text).await?;
///     assert!(text.contains("gort"));
///     std::io::Result::Ok(())
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct File {
    file: Arc<std::fs::File>,
    input: Input,
    output: Arc<Output>,
    /// A seek that goes on, and what was asked for.
    seek: Option<(SeekFrom, Task<io::Result<u64>>)>,
    /// Set if what was read ahead may not be in the file any more.
    was_cut: AtomicBool,
}

impl File {
    /// Opens a file to read.
    ///
    /// # Errors
    ///
    /// As [`std::fs::File::open`].
    #[track_caller]
    pub fn open<P: AsRef<Path>>(path: P) -> Call<Self> {
        let path = path.as_ref().to_path_buf();
        Call::new(move || std::fs::File::open(path).map(Self::from))
    }

    /// Opens a file to write, empty, and creates it if it is not there.
    ///
    /// # Errors
    ///
    /// As [`std::fs::File::create`].
    #[track_caller]
    pub fn create<P: AsRef<Path>>(path: P) -> Call<Self> {
        let path = path.as_ref().to_path_buf();
        Call::new(move || std::fs::File::create(path).map(Self::from))
    }

    /// Writes what is queued, and waits until contents and metadata are on the disk.
    ///
    /// # Errors
    ///
    /// Returns the error of a write before, or as [`std::fs::File::sync_all`].
    pub async fn sync_all(&self) -> io::Result<()> {
        self.flushed().await?;
        let file = self.file.clone();
        Call::new(move || file.sync_all()).await
    }

    /// Writes what is queued, and waits until the contents are on the disk.
    ///
    /// # Errors
    ///
    /// Returns the error of a write before, or as [`std::fs::File::sync_data`].
    pub async fn sync_data(&self) -> io::Result<()> {
        self.flushed().await?;
        let file = self.file.clone();
        Call::new(move || file.sync_data()).await
    }

    /// Cuts the file off at a length, or fills it up with zeros. The place in the file stays.
    ///
    /// # Errors
    ///
    /// Returns the error of a write before, or as [`std::fs::File::set_len`].
    pub async fn set_len(&self, size: u64) -> io::Result<()> {
        self.flushed().await?;
        // Relaxed: whoever reads it has the file to itself, and was handed it. Before the call, which a drop may not stop.
        self.was_cut.store(true, Ordering::Relaxed);
        let file = self.file.clone();
        Call::new(move || file.set_len(size)).await
    }

    /// Tells what is known of the file, after what is queued was written.
    ///
    /// # Errors
    ///
    /// As [`std::fs::File::metadata`].
    pub async fn metadata(&self) -> io::Result<Metadata> {
        poll_fn(|cx| self.output.poll_idle(cx)).await;
        let file = self.file.clone();
        Call::new(move || file.metadata()).await
    }

    /// Changes the permissions of the file.
    ///
    /// # Errors
    ///
    /// As [`std::fs::File::set_permissions`].
    #[track_caller]
    pub fn set_permissions(&self, perm: Permissions) -> Call<()> {
        let file = self.file.clone();
        Call::new(move || file.set_permissions(perm))
    }

    async fn flushed(&self) -> io::Result<()> {
        poll_fn(|cx| self.output.poll_flush(cx)).await
    }

    /// Waits for a seek that somebody began and dropped.
    fn poll_seek_over(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some((_, task)) = &mut self.seek {
            // Its outcome was for whoever began it.
            let _ = ready!(Pin::new(task).poll(cx));
            self.seek = None;
        }
        Poll::Ready(())
    }

    /// Waits for a seek or a read that somebody dropped, and undoes what was read ahead.
    fn poll_rewind(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        ready!(self.poll_seek_over(cx));
        let _ = ready!(self.input.poll_here(cx));
        self.input.rewind(&self.file);
        Poll::Ready(())
    }
}

impl AsyncRead for File {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        if *self.was_cut.get_mut() {
            ready!(self.poll_rewind(cx));
            *self.was_cut.get_mut() = false;
        }
        ready!(self.poll_seek_over(cx));
        if let Some(n) = self.input.take(buf) {
            return Poll::Ready(Ok(n));
        }
        ready!(self.output.poll_flush(cx))?;
        let Self { file, input, .. } = &mut *self;
        input.poll_read(file, cx, buf)
    }
}

impl AsyncWrite for File {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_rewind(cx));
        self.output.poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.output.poll_flush(cx)
    }

    /// Flushes. The file is closed when it is dropped.
    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.output.poll_flush(cx)
    }
}

impl AsyncSeek for File {
    fn poll_seek(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        to: SeekFrom,
    ) -> Poll<io::Result<u64>> {
        if let Some((wanted, _)) = self.seek
            && wanted != to
        {
            ready!(self.poll_seek_over(cx));
        }
        if self.seek.is_none() {
            ready!(self.poll_rewind(cx));
            ready!(self.output.poll_flush(cx))?;
            let file = self.file.clone();
            self.seek = Some((to, unblock(move || (&*file).seek(to))));
        }
        let (_, task) = self.seek.as_mut().expect("it has just begun");
        let outcome = ready!(Pin::new(task).poll(cx));
        self.seek = None;
        Poll::Ready(outcome)
    }
}

impl From<std::fs::File> for File {
    fn from(file: std::fs::File) -> Self {
        let file = Arc::new(file);
        Self {
            input: Input::new(),
            output: Output::new(file.clone()),
            file,
            seek: None,
            was_cut: AtomicBool::new(false),
        }
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.file.fmt(f)
    }
}

#[cfg(unix)]
mod descriptor {
    use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

    use super::File;

    impl From<OwnedFd> for File {
        fn from(fd: OwnedFd) -> Self {
            Self::from(std::fs::File::from(fd))
        }
    }

    impl AsFd for File {
        fn as_fd(&self) -> BorrowedFd<'_> {
            self.file.as_fd()
        }
    }

    impl AsRawFd for File {
        fn as_raw_fd(&self) -> RawFd {
            self.file.as_raw_fd()
        }
    }
}
