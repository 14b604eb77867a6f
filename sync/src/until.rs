//! Waiting for a condition that notices tell of.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use crate::{Notified, Notify};

pin_project! {
    /// Looks for something, and again after each `notify_waiters`.
    #[derive(Debug)]
    pub(crate) struct Until<'a> {
        notify: &'a Notify,
        #[pin]
        notice: Option<Notified<'a>>,
    }
}

impl<'a> Until<'a> {
    pub(crate) fn new(notify: &'a Notify) -> Self {
        let notice = None;
        Self { notify, notice }
    }

    /// Waits until `look` finds something. What is announced after `look` began is not missed.
    pub(crate) fn poll_until<R>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut look: impl FnMut() -> Option<R>,
    ) -> Poll<R> {
        loop {
            let mut this = self.as_mut().project();
            if this.notice.is_none() {
                // A notice counts from here on: look after that.
                let notice = this.notify.notified();
                if let Some(found) = look() {
                    return Poll::Ready(found);
                }
                this.notice.set(Some(notice));
            }
            let notice = this.notice.as_mut().as_pin_mut();
            ready!(notice.expect("it was made above").poll(cx));
            this.notice.set(None);
        }
    }
}
