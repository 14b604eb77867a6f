//! The futures of both halves.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::{RecvError, Sender, Shared};
use crate::Notify;
use crate::hook::{Site, WaitKind};
use crate::until::Until;

pin_project! {
    /// The future of [`Receiver::changed`].
    #[must_use = "futures do nothing unless polled"]
    pub struct Changed<'a, T> {
        #[pin]
        pub(super) until: Until<&'a Notify>,
        pub(super) shared: &'a Shared<T>,
        pub(super) seen: &'a mut usize,
        pub(super) site: Site,
    }
}

pin_project! {
    /// The future of [`Sender::closed`].
    #[must_use = "futures do nothing unless polled"]
    pub struct Closed<'a, T> {
        #[pin]
        pub(super) until: Until<&'a Notify>,
        pub(super) sender: &'a Sender<T>,
        pub(super) site: Site,
    }
}

impl<T> Future for Changed<'_, T> {
    type Output = Result<(), RecvError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let (shared, seen) = (*this.shared, this.seen);
        let poll = this.until.poll_until(cx, |_| shared.look(seen));
        this.site.or_waits(WaitKind::ChanReceive, poll)
    }
}

impl<T> Future for Closed<'_, T> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        let sender = *this.sender;
        let closed = |_: &mut &Notify| sender.is_closed().then_some(());
        let poll = this.until.poll_until(cx, closed);
        this.site.or_waits(WaitKind::ChanClosed, poll)
    }
}

impl<T> fmt::Debug for Changed<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Changed").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Closed<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Closed").finish_non_exhaustive()
    }
}
