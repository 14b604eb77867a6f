//! What was read from a file and not yet taken, and the thread that reads.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use async_task::Task;

use crate::pool::unblock;

/// The least that a thread is sent for. Thin air: many times what a hop costs, in a buffer that the cache still holds.
const LEAST: usize = 64 << 10;

/// The most that a thread brings at once. From tokio.
const MOST: usize = 2 << 20;

/// The reading side of a file.
#[derive(Debug)]
pub(super) enum Input {
    Here(Buffer),
    /// With a thread that fills the buffer.
    Reading(Task<(Buffer, io::Result<usize>)>),
}

/// Bytes `start..end` were read and not yet taken.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Input {
    pub(super) fn new() -> Self {
        Self::Here(Buffer::default())
    }

    /// Takes what is here, or `None` if nothing is.
    pub(super) fn take(&mut self, buf: &mut [u8]) -> Option<usize> {
        match self {
            Self::Here(buffer) if buffer.start < buffer.end => Some(buffer.take(buf)),
            _ => None,
        }
    }

    /// Reads, and takes what came. Nothing may be here.
    pub(super) fn poll_read(
        &mut self,
        file: &Arc<File>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if let Self::Here(buffer) = self {
            let mut buffer = mem::take(buffer);
            let wanted = buf.len().clamp(LEAST, MOST);
            let file = file.clone();
            *self = Self::Reading(unblock(move || {
                let outcome = buffer.fill(&file, wanted);
                (buffer, outcome)
            }));
        }
        ready!(self.poll_here(cx))?;
        Poll::Ready(Ok(self.take(buf).unwrap_or(0)))
    }

    /// Waits until no thread reads, and gives the error if it could not.
    pub(super) fn poll_here(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Here(_) => Poll::Ready(Ok(())),
            Self::Reading(task) => {
                let (buffer, outcome) = ready!(Pin::new(task).poll(cx));
                *self = Self::Here(buffer);
                Poll::Ready(outcome.map(drop))
            }
        }
    }

    /// Gives back what was read ahead: the file is then where its reader is. One that cannot seek keeps it, and has no place to be at.
    pub(super) fn rewind(&mut self, mut file: &File) {
        if let Self::Here(buffer) = self
            && buffer.start < buffer.end
        {
            let ahead = (buffer.end - buffer.start) as i64;
            if file.seek(SeekFrom::Current(-ahead)).is_ok() {
                buffer.start = buffer.end;
            }
        }
    }
}

impl Buffer {
    fn take(&mut self, buf: &mut [u8]) -> usize {
        let n = buf.len().min(self.end - self.start);
        buf[..n].copy_from_slice(&self.bytes[self.start..self.start + n]);
        self.start += n;
        n
    }

    /// Blocks.
    fn fill(&mut self, mut file: &File, wanted: usize) -> io::Result<usize> {
        (self.start, self.end) = (0, 0);
        if self.bytes.len() < wanted {
            self.bytes.resize(wanted, 0);
        }
        loop {
            match file.read(&mut self.bytes[..wanted]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
                Ok(n) => {
                    self.end = n;
                    return Ok(n);
                }
            }
        }
    }
}
