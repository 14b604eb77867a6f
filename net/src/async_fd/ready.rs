//! The futures of `readable` and `writable`.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::Async;
use super::waiting::Waiting;

/// Future of [`Async::readable`].
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct Readable<'a, T>(pub(super) Waiting<&'a Async<T>>);

/// Future of [`Async::readable_owned`].
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct ReadableOwned<T>(pub(super) Waiting<Arc<Async<T>>>);

/// Future of [`Async::writable`].
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct Writable<'a, T>(pub(super) Waiting<&'a Async<T>>);

/// Future of [`Async::writable_owned`].
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct WritableOwned<T>(pub(super) Waiting<Arc<Async<T>>>);

impl<T> Future for Readable<'_, T> {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll_ready(cx)
    }
}

impl<T> Future for ReadableOwned<T> {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll_ready(cx)
    }
}

impl<T> Future for Writable<'_, T> {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll_ready(cx)
    }
}

impl<T> Future for WritableOwned<T> {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll_ready(cx)
    }
}

impl<T> fmt::Debug for Readable<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Readable").field(&self.0).finish()
    }
}

impl<T> fmt::Debug for ReadableOwned<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ReadableOwned").field(&self.0).finish()
    }
}

impl<T> fmt::Debug for Writable<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Writable").field(&self.0).finish()
    }
}

impl<T> fmt::Debug for WritableOwned<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WritableOwned").field(&self.0).finish()
    }
}
