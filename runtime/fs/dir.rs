//! [`ReadDir`] and [`DirEntry`].

use std::ffi::OsString;
use std::fmt;
use std::fs::{FileType, Metadata};
use std::future::Future;
use std::io;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::vec;

use async_task::Task;
use futures_core::Stream;

use super::Call;
use crate::pool::unblock;

/// Entries of one call. A guess: a thread hop for each costs little beside reading them.
const BATCH: usize = 64;

/// Stream of the entries of a directory; see [`read_dir`](super::read_dir).
///
/// An error is one item of the stream; the entries behind it may still come.
pub struct ReadDir(State);

enum State {
    /// Entries that are here, and where those behind them come from, unless there are none.
    Here(
        vec::IntoIter<io::Result<DirEntry>>,
        Option<std::fs::ReadDir>,
    ),
    /// With a thread that reads.
    Reading(Task<(Vec<io::Result<DirEntry>>, Option<std::fs::ReadDir>)>),
}

// What a panic in a thread of the pool interrupts is lost with it.
impl UnwindSafe for ReadDir {}
impl RefUnwindSafe for ReadDir {}

impl ReadDir {
    pub(super) fn new(rest: std::fs::ReadDir) -> Self {
        Self(State::Here(Vec::new().into_iter(), Some(rest)))
    }
}

fn read_batch(mut rest: std::fs::ReadDir) -> (Vec<io::Result<DirEntry>>, Option<std::fs::ReadDir>) {
    let batch = rest.by_ref().take(BATCH);
    let batch: Vec<_> = batch.map(|entry| entry.map(DirEntry::new)).collect();
    let is_last = batch.len() < BATCH;
    (batch, (!is_last).then_some(rest))
}

impl Stream for ReadDir {
    type Item = io::Result<DirEntry>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            match &mut self.0 {
                State::Here(entries, rest) => {
                    if let Some(entry) = entries.next() {
                        return Poll::Ready(Some(entry));
                    }
                    let Some(rest) = rest.take() else {
                        return Poll::Ready(None);
                    };
                    self.0 = State::Reading(unblock(move || read_batch(rest)));
                }
                State::Reading(task) => {
                    let (entries, rest) = ready!(Pin::new(task).poll(cx));
                    self.0 = State::Here(entries.into_iter(), rest);
                }
            }
        }
    }
}

impl fmt::Debug for ReadDir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadDir").finish_non_exhaustive()
    }
}

/// An entry of a directory.
#[derive(Clone)]
pub struct DirEntry(Arc<std::fs::DirEntry>);

impl DirEntry {
    fn new(entry: std::fs::DirEntry) -> Self {
        Self(Arc::new(entry))
    }

    /// Returns the path: that of the directory, and the name.
    pub fn path(&self) -> PathBuf {
        self.0.path()
    }

    /// Returns the name.
    pub fn file_name(&self) -> OsString {
        self.0.file_name()
    }

    /// Tells what the entry is. A symbolic link is a link.
    ///
    /// # Errors
    ///
    /// As [`std::fs::DirEntry::metadata`].
    #[track_caller]
    pub fn metadata(&self) -> Call<Metadata> {
        let entry = self.0.clone();
        Call::new(move || entry.metadata())
    }

    /// Tells whether the entry is a file, a directory or a link.
    ///
    /// # Errors
    ///
    /// As [`std::fs::DirEntry::file_type`].
    #[track_caller]
    pub fn file_type(&self) -> Call<FileType> {
        let entry = self.0.clone();
        Call::new(move || entry.file_type())
    }
}

impl fmt::Debug for DirEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DirEntry").field(&self.path()).finish()
    }
}

#[cfg(unix)]
impl super::unix::DirEntryExt for DirEntry {
    fn ino(&self) -> u64 {
        std::os::unix::fs::DirEntryExt::ino(&*self.0)
    }
}
