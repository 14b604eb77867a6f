//! Waiting for a condition that notices tell of.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use crate::Notify;
use crate::locks::RawNotified;

/// What has a [`Notify`] that tells of its changes: always the same one.
pub(crate) trait Tells {
    fn notify(&self) -> &Notify;
}

impl Tells for &Notify {
    fn notify(&self) -> &Notify {
        self
    }
}

pin_project! {
    /// Looks for something, and again after each `notify_waiters`.
    #[derive(Debug)]
    pub(crate) struct Until<S: Tells> {
        source: S,
        #[pin]
        notice: Option<RawNotified>,
    }

    impl<S: Tells> PinnedDrop for Until<S> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if let Some(notice) = this.notice.as_pin_mut() {
                notice.leave(this.source.notify());
            }
        }
    }
}

impl<S: Tells> Until<S> {
    pub(crate) fn new(source: S) -> Self {
        let notice = None;
        Self { source, notice }
    }

    pub(crate) fn source(&self) -> &S {
        &self.source
    }

    /// Waits until `look` finds something. What is announced after `look` began is not missed.
    pub(crate) fn poll_until<R>(
        mut self: Pin<&mut Self>,
        cx: &Context<'_>,
        mut look: impl FnMut(&mut S) -> Option<R>,
    ) -> Poll<R> {
        loop {
            let mut this = self.as_mut().project();
            if this.notice.is_none() {
                // A notice counts from here on: look after that.
                let notice = RawNotified::new(this.source.notify());
                if let Some(found) = look(this.source) {
                    return Poll::Ready(found);
                }
                this.notice.set(Some(notice));
            }
            let notice = this.notice.as_mut().as_pin_mut();
            let notice = notice.expect("it was made above");
            ready!(notice.poll(this.source.notify(), cx));
            this.notice.set(None);
        }
    }
}
